# Airflow with this provider, at the locked versions. docker-compose.yaml builds it; so does
#   docker build --tag snapshot-dr-airflow:local .
# Build arguments: AIRFLOW_IMAGE, an image of the Airflow version that requirements.lock has.
ARG AIRFLOW_IMAGE=apache/airflow:3.3.2

# The wheel, by the locked builder and build backend; of this stage only the wheel goes on.
FROM ${AIRFLOW_IMAGE} AS wheel
WORKDIR /tmp/source
RUN --mount=type=bind,source=requirements.lock,target=/tmp/requirements.lock \
    awk '/^[^ #]/ { keep = /^uv==/ } keep && !/^ *#/' /tmp/requirements.lock > /tmp/uv.txt && \
    pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: --target /tmp/uv --requirement /tmp/uv.txt
COPY --chown=airflow:0 pyproject.toml requirements.lock README.md LICENSE ./
COPY --chown=airflow:0 snapshot_dr_provider snapshot_dr_provider
COPY --chown=airflow:0 dags dags
RUN /tmp/uv/bin/uv build --quiet --wheel --no-cache --build-constraints requirements.lock --require-hashes --out-dir /tmp/dist

FROM ${AIRFLOW_IMAGE}
# Complete, so that nothing is resolved: what the image has at another version is replaced, what else it has stays.
RUN --mount=type=bind,source=docker/requirements.lock,target=/tmp/requirements.lock \
    pip install --no-cache-dir --no-deps --require-hashes --requirement /tmp/requirements.lock
RUN --mount=type=bind,from=wheel,source=/tmp/dist,target=/tmp/dist \
    pip install --no-cache-dir --no-deps /tmp/dist/*.whl && \
    # What volumes are mounted on: they take its owner and its mode.
    mkdir -m 0770 /opt/airflow/secrets /opt/airflow/secrets-of-postgres /opt/airflow/snapshot_dr && \
    # Redis reads its file as a user of its own.
    mkdir -m 0755 /opt/airflow/secrets-of-redis
COPY --chown=airflow:0 docker/*.py /opt/airflow/docker/
COPY --chown=airflow:0 dags/*.py /opt/airflow/dags/

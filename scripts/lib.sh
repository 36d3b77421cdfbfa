# shellcheck shell=sh
# What demo, test, check and lock share: a .venv made from requirements.lock, on a machine that has only Python.
# They source it; it does nothing by itself. POSIX sh.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1
venv=$root/.venv

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# Another environment's modules must not shadow the locked ones.
unset PYTHONHOME PYTHONPATH

# Prints "VERSION PATH" of an interpreter that will do: of the one below it, if it is that of a venv. It is run, not
# just found: a version manager has a shim for each version it knows, and those that are not selected fail.
probe_python() {
  "$1" -c '
import platform, sys
if not (3, 11) <= sys.version_info[:2] < (3, 14):
    sys.exit(1)
print(platform.python_version(), getattr(sys, "_base_executable", sys.executable))' 2>/dev/null
}

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    probe_python "$PYTHON" || die "PYTHON=$PYTHON is not a Python >= 3.11, < 3.14"
    return
  fi
  for candidate in "$venv/bin/python" python3.13 python3.12 python3.11 python3 python; do
    probe_python "$candidate" && return
  done
  die "needs Python >= 3.11, < 3.14 and found none. Debian 12 and Ubuntu 24.04: apt-get install python3;" \
    "macOS: brew install python@3.13; or name one: PYTHON=/path/to/python scripts/${0##*/}"
}

# Sets $version and $python. PYTHON decides if it is set; then what .venv was made with; then the newest that is found.
choose_python() {
  found=$(find_python) || exit 1
  version=${found%% *}
  python=${found#* }
}

locked_uv() { sed -n 's/^uv==\([^ ]*\).*/\1/p' "$root/requirements.lock"; }

# Prints the lock's entry for uv alone, with its hashes, as a requirements file.
uv_requirement() { awk '/^[^ #]/ { keep = /^uv==/ } keep && !/^ *#/' "$root/requirements.lock"; }

# Installs the locked uv into the directory $1: by the Python's own pip, else by that of a throw-away venv.
install_uv() {
  requirement=$root/.uv/requirements.txt
  uv_requirement > "$requirement"
  rm -rf "$1" "$root/.uv/pip"
  pip=$python
  "$pip" -m pip --version >/dev/null 2>&1 || {
    pip=$root/.uv/pip/bin/python
    "$python" -m venv "$root/.uv/pip" >/dev/null 2>&1 ||
      die "this Python ($python) has neither pip nor venv, which Debian and Ubuntu split off." \
        "Remedy: apt-get install python3-venv; or install uv; or name another Python: PYTHON=/path/to/python scripts/${0##*/}"
  }
  "$pip" -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps \
    --only-binary :all: --require-hashes --target "$1" --requirement "$requirement"
}

# Sets $uv: the one on PATH, else a private one in .uv at the version of the lock.
choose_uv() {
  uv=$(command -v uv) && "$uv" --version >/dev/null 2>&1 && return
  uv=$root/.uv/$(locked_uv)/bin/uv
  "$uv" --version >/dev/null 2>&1 && return
  say "uv is not installed: putting $(locked_uv) into .uv"
  install_uv "${uv%/bin/uv}" && "$uv" --version >/dev/null 2>&1 && return
  rm -rf "${uv%/bin/uv}"
  die "could not install uv, for the reason above. Remedy: a way to the package index (Debian also needs" \
    "apt-get install ca-certificates), or uv on PATH"
}

# What .venv depends on; when it is unchanged there is nothing to do. The path is in it since scripts name it.
fingerprint() {
  sum=$(cd "$root" && cat requirements.lock pyproject.toml snapshot_dr_provider/__init__.py scripts/lib.sh | cksum)
  printf '%s %s %s\n' "$sum" "$1" "$root"
}

is_current() {
  [ -x "$venv/bin/airflow" ] && [ "$(cat "$venv/.fingerprint" 2>/dev/null)" = "$(fingerprint "$version")" ]
}

# Makes .venv what the lock says, with the provider in it (editable). Quick when there is nothing to do.
set_up() {
  choose_python
  is_current && return
  mkdir -p "$root/.uv"
  # Two at once: the second waits. The kernel frees the lock with the last process that holds the descriptor, so a
  # killed script leaves nothing to clean up.
  exec 9> "$root/.uv/lock"
  "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 9>&9 || die "could not lock $root/.uv/lock"
  choose_python
  is_current || make_venv
  exec 9>&-
}

make_venv() {
  say "setting up .venv with Python $version"
  choose_uv
  # One without a fingerprint was left half made, or made by something else: it is not built upon.
  made_with=
  [ ! -f "$venv/.fingerprint" ] || made_with=$(probe_python "$venv/bin/python") || made_with=
  rm -f "$venv/.fingerprint"
  if [ "${made_with%% *}" != "$version" ]; then
    rm -rf "$venv"
    "$uv" venv --quiet --no-project --python "$python" "$venv" || die "could not make .venv"
  fi
  "$uv" pip sync --quiet --require-hashes --python "$venv/bin/python" "$root/requirements.lock" ||
    die "could not install requirements.lock"
  # The build backend comes from the lock too, so nothing is fetched here.
  "$uv" pip install --quiet --no-deps --no-build-isolation --python "$venv/bin/python" --editable "$root" ||
    die "could not install the provider into .venv"
  fingerprint "$version" > "$venv/.fingerprint"
}

# Nothing of the user's AWS or Airflow may reach a test or a demo: no credentials, no profile, no instance role, no
# connection, no setting.
isolate() {
  for name in $(env | sed -n -e 's/^\(AWS_[A-Za-z0-9_]*\)=.*/\1/p' -e 's/^\(AIRFLOW_[A-Za-z0-9_]*\)=.*/\1/p'); do
    unset "$name"
  done
  export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
}

# Builds the site of docs/ into the directory $1. A warning is an error: a link that leads nowhere, a page in no list.
build_site() {
  pages=$(mktemp -d) || return 1
  status=0
  # In a shell of its own: what reads the operators' docstrings imports Airflow, which must not find the user's.
  (
    isolate
    export AIRFLOW_HOME="$pages/airflow" AIRFLOW__LOGGING__LOGGING_LEVEL=WARNING
    "$venv/bin/sphinx-build" --quiet --fail-on-warning --keep-going --builder html \
      --doctree-dir "$pages/doctrees" "$root/docs" "$1"
  ) || status=1
  rm -rf "$pages"
  return "$status"
}

# Compiles pyproject.toml into the file $1; what that file pins already stays, unless later arguments upgrade it.
# Not by the uv on PATH but by the locked one: the output differs between versions.
compile_lock() {
  output=$1
  shift
  pip_compile "$output" --all-extras --group dev "$@"
}

# The same for the image (Dockerfile), into the file $1: what runs there and nothing else, at the versions of the lock.
compile_image_lock() {
  pip_compile "$1" --extra sandbox --group stack --constraint requirements.lock
}

pip_compile() {
  output=$1
  shift
  (cd "$root" && "$venv/bin/uv" pip compile --quiet --universal --generate-hashes \
    --python "$venv/bin/python" --python-version 3.11 --custom-compile-command scripts/lock \
    --output-file "$output" "$@" pyproject.toml) >/dev/null
}

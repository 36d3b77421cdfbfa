"""
The distributed stack, brought up for real. The tests are the chapters of one story and run in their order.

The figures that docs/deployment.md has are printed by them: TEST_STACK=1 python -m pytest -s tests/stack
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from snapshot_dr_provider.cli.demo.airflow_api import AirflowApi, ApiRefusal
from tests.stack.compose import CHECKOUT, UP_SECONDS, wait_until

if TYPE_CHECKING:
    from tests.stack.compose import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ONCE = {"secrets", "airflow-init"}
DAG = "snapshot_dr"
ACCOUNTS, VOLUMES = 20, 2
GOOD = "Every wanted snapshot has a verified KMS-C copy in the DR account; no KMS-B copy is left, and KMS-B is locked."


def told(what: str, value: object) -> None:
    """Print a figure."""
    print(f"\nFIGURE {what}: {value}")  # noqa: T201  # for docs/deployment.md


def running(stack: Stack, run_id: str, task_id: str, state: str) -> list[dict[str, Any]]:
    """List the task instances of a task that are in a state."""
    return [
        each for each in stack.api.task_instances(DAG, run_id) if each["task_id"] == task_id and each["state"] == state
    ]


def test_without_its_settings_it_says_what_to_do():
    """Without a .env nothing is guessed: compose stops, and names the file to copy."""
    command = ["docker", "compose", "--env-file", "/dev/null", "config", "--quiet"]
    found = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert found.returncode != 0
    assert "Copy .env.example to .env" in found.stderr


def test_nothing_is_privileged_and_only_the_ui_is_published_on_loopback(stack: Stack):
    """As compose itself reads the file: one port, of 127.0.0.1, no capability more, no image of a moving tag."""
    services = json.loads(stack("--profile", "*", "config", "--format", "json"))["services"]
    ports = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert {name: [port["host_ip"] for port in each] for name, each in ports.items()} == {
        "airflow-apiserver": ["127.0.0.1"]
    }
    for name, service in services.items():
        assert not service.get("privileged"), name
        assert not service.get("cap_add"), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert ":" in service["image"], name
        assert not service["image"].endswith(":latest"), name
        said = json.dumps(service).lower()
        assert "password=" not in said.replace("postgres_password=$", ""), name
    for name in set(services) - ONCE - {"demo"}:
        assert services[name]["healthcheck"], name
        assert services[name]["restart"] == "unless-stopped", name
        assert services[name]["deploy"]["resources"]["limits"]["memory"], name


def test_it_comes_up_healthy(stack: Stack):
    """One command builds the image, makes the secrets, and ends when all is healthy."""
    begun = time.monotonic()
    stack("--profile", "*", "build", seconds=900)
    told("image built in seconds", round(time.monotonic() - begun))
    begun = time.monotonic()
    stack("up", "--detach", "--wait", seconds=UP_SECONDS)
    told("up --wait in seconds", round(time.monotonic() - begun))
    health = {each["Service"]: (each["State"], each["Health"]) for each in stack.containers()}
    assert {health.pop(name)[0] for name in ONCE} == {"exited"}
    assert set(health.values()) == {("running", "healthy")}, health


def test_the_ui_asks_for_the_password(stack: Stack):
    """Nobody gets in without the password of the first start; whoever has it finds the DAG, and no broken file."""
    with pytest.raises(ApiRefusal, match="401"):
        AirflowApi(stack.api.base_url, ("admin", "admin"))("GET", "/dags")
    with pytest.raises(ApiRefusal, match="401"):
        AirflowApi(stack.api.base_url)("GET", "/dags")
    wait_until(lambda: stack.api.has_dag(DAG), 120, "the DAG is there")
    assert stack.api.import_errors() == {}


def test_no_program_runs_as_root_and_none_has_anothers_secrets(stack: Stack):
    """Airflow and the sandbox are user 50000 without capabilities; PostgreSQL and Redis see one password each."""
    for service in ("airflow-apiserver", "airflow-scheduler", "airflow-worker", "airflow-triggerer", "sandbox"):
        assert stack("exec", "-T", service, "id", "--user").strip() == "50000", service
        assert "CapEff:\t0000000000000000" in stack("exec", "-T", service, "cat", "/proc/self/status"), service
    assert stack("exec", "-T", "postgres", "ls", "/run/secret").split() == ["password"]
    assert stack("exec", "-T", "redis", "ls", "/run/secret").split() == ["redis.conf"]
    assert stack("exec", "-T", "sandbox", "ls", "/opt/airflow/secrets").split() == []


def test_idle_memory_is_what_a_laptop_has(stack: Stack):
    """The stack at rest fits into four gigabytes."""
    ids = [each["ID"] for each in stack.containers() if each["State"] == "running"]
    command = ["docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}} {{.CPUPerc}}", *ids]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    used = {line.split()[0].removeprefix(f"{stack.project}-"): mebibytes(line.split()[1]) for line in lines}
    told("idle memory in MiB", {**used, "all": sum(used.values())})
    assert 0 < sum(used.values()) < 4096


def mebibytes(text: str) -> int:
    """Read a size as docker writes it."""
    factors = {"GiB": 1024.0, "MiB": 1.0, "KiB": 1 / 1024}
    (unit,) = (each for each in factors if text.endswith(each))
    return round(float(text.removesuffix(unit)) * factors[unit])


def test_one_command_shows_what_the_demo_shows(stack: Stack):
    """The demo ends with status 0 and its table: all verified, no KMS-B copy left, KMS-B locked."""
    said = stack(
        "run", "--rm", "--no-TTY", "demo", "--accounts", "2", "--volumes", "2", "--copy-seconds", "5", seconds=600
    )
    assert "payments-prod 111111111111" in said
    assert GOOD in " ".join(said.split())
    assert f"http://localhost:{stack.port}/dags/{DAG}/runs/manual__" in said


def test_killed_workers_and_triggerers_lose_and_double_nothing(stack: Stack):
    """Three workers and two triggerers share a run; killing one of each costs time, and not one copy."""
    stack(
        "up", "--detach", "--wait", "--scale", "airflow-worker=3", "--scale", "airflow-triggerer=2", seconds=UP_SECONDS
    )
    options = ("--accounts", str(ACCOUNTS), "--volumes", str(VOLUMES), "--copy-seconds", "30")
    begun = time.monotonic()
    with stack.demo(*options) as demo:
        wait_until(lambda: bool(manual_run(stack)), 180, "the demo has triggered its run")
        run_id = manual_run(stack)
        # Both triggerers have some of the copies; that is what scaling out is for.
        wait_until(lambda: len(triggerers(stack, run_id)) > 1, 300, "both triggerers have tasks")
        told("triggerer back in seconds", round(kill_one(stack, "airflow-triggerer")))
        worker_seconds = round(kill_one(stack, "airflow-worker"))
        told("worker back in seconds", worker_seconds)
        said, _ = demo.communicate(timeout=900)
    assert demo.returncode == 0, said
    assert GOOD in " ".join(said.split())
    instances = stack.api.task_instances(DAG, run_id)
    seconds = time.monotonic() - begun
    told("task instances a second", round(len(instances) / seconds, 2))
    told("run with both kills in seconds", round(seconds))
    hosts = {each["hostname"] for each in instances if each["hostname"]}
    told("workers that ran tasks", len(hosts))
    assert len(hosts) > 1


def manual_run(stack: Stack) -> str:
    """Name the active run that the demo has triggered."""
    return next((each for each in stack.api.active_runs(DAG) if each.startswith("manual__")), "")


def triggerers(stack: Stack, run_id: str) -> set[int]:
    """Name the jobs of the triggerers that have deferred tasks of a run."""
    jobs = [each["triggerer_job"] for each in stack.api.task_instances(DAG, run_id)]
    return {job["id"] for job in jobs if job}


def kill_one(stack: Stack, service: str) -> float:
    """Kill one container of a service, and give the seconds until it is healthy again, by its restart policy."""
    victim = stack.containers(service)[0]["ID"]

    def is_back() -> bool:
        found = next(each for each in stack.containers(service) if each["ID"] == victim)
        return bool(found["Health"] == "healthy" and restarts(victim) > 0)

    stack.kill_processes(victim)
    return wait_until(is_back, 300, f"{service} is healthy again")


def restarts(container_id: str) -> int:
    """Count how often the engine has restarted a container."""
    command = ["docker", "inspect", "--format", "{{.RestartCount}}", container_id]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_without_the_sandbox_nothing_falls_back_to_it(stack: Stack):
    """With the sandbox's profile off, and its folder of settings given up, no part of the stack knows where it was."""
    command = ["docker", "compose", "--project-name", f"{stack.project}-real", "--env-file", "/dev/null"]
    environment = {**os.environ, "SNAPSHOT_DR_CONFIG": "./config", "COMPOSE_PROFILES": ""}
    services = json.loads(
        subprocess.run(
            [*command, "config", "--format", "json"],
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )["services"]
    assert "sandbox" not in services
    for name, service in services.items():
        assert "4566" not in json.dumps(service), name
        assert "AWS_ENDPOINT_URL" not in json.dumps(service), name


def test_nothing_is_left(stack: Stack):
    """After `down --volumes` there is no container, network or volume of the stack."""
    stack.__exit__()
    for kind in (["ps", "--all"], ["network", "ls"], ["volume", "ls"]):
        command = ["docker", *kind, "--quiet", "--filter", f"label=com.docker.compose.project={stack.project}"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "", kind

"""What the provider tells Airflow about itself is valid, true and cheap to read."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from importlib import resources
from importlib.metadata import distribution, entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import jsonschema
import pytest

import snapshot_dr_provider
from snapshot_dr_provider.get_provider_info import get_provider_info

pytestmark = pytest.mark.smoke

DISTRIBUTION = "airflow-provider-snapshot-dr"
KINDS = ("operators", "sensors", "triggers", "hooks")


def airflow_schema(name: str) -> dict[str, Any]:
    """Return one of the schemas that Airflow ships."""
    schema: dict[str, Any] = json.loads(resources.files("airflow").joinpath(name).read_text())
    return schema


def listed_modules(kind: str) -> list[str]:
    """Return the modules that the metadata lists for one kind."""
    info: dict[str, Any] = get_provider_info()
    return [module for integration in info[kind] for module in integration["python-modules"]]


def run_airflow(*arguments: str) -> str:
    """Run the airflow command of this environment and return what it prints."""
    airflow = Path(sys.executable).with_name("airflow")
    # A wide terminal: the tables are cut to it.
    environment = {**os.environ, "COLUMNS": "400"}
    result = subprocess.run([airflow, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_metadata_is_valid_for_the_running_airflow() -> None:
    """The metadata follows the schema that Airflow validates it with when it starts."""
    jsonschema.validate(get_provider_info(), airflow_schema("provider_info.schema.json"))


def test_metadata_is_valid_for_the_registry() -> None:
    """Each section follows the stricter schema of provider.yaml, which the runtime one is derived from."""
    schema = airflow_schema("provider.yaml.schema.json")
    sections = {
        name: {**schema, "required": [], "properties": {name: schema["properties"][name]}}
        for name in get_provider_info()
        if name != "versions"
    }
    assert {"integrations", "operators", "config", "cli"} <= set(sections)
    for name, section in sections.items():
        jsonschema.validate({name: get_provider_info()[name]}, section)


def test_metadata_names_the_distribution() -> None:
    """Name and version of the metadata are those of the installed distribution, which points to it."""
    info = get_provider_info()
    assert info["package-name"] == DISTRIBUTION
    assert info["versions"] == [snapshot_dr_provider.__version__] == [distribution(DISTRIBUTION).version]
    ours = [
        each for each in entry_points(group="apache_airflow_provider") if each.module.startswith("snapshot_dr_provider")
    ]
    assert [each.load() for each in ours] == [get_provider_info]


@pytest.mark.parametrize("kind", KINDS)
def test_listed_modules_can_be_imported(kind: str) -> None:
    """Each module that the metadata lists exists and imports."""
    modules = listed_modules(kind)
    assert modules
    for module in modules:
        importlib.import_module(module)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        ("operators", "airflow.sdk.BaseOperator"),
        ("sensors", "airflow.sdk.BaseSensorOperator"),
        ("triggers", "airflow.triggers.base.BaseTrigger"),
        ("hooks", "airflow.sdk.BaseHook"),
    ],
)
def test_every_class_for_users_is_listed(kind: str, base: str) -> None:
    """Listed are just the modules with a class of the kind that is not only a base of others."""
    module, _, name = base.rpartition(".")
    base_class = getattr(importlib.import_module(module), name)
    package = importlib.import_module(f"snapshot_dr_provider.{kind}")
    modules = [importlib.import_module(each.name) for each in iter_modules(package.__path__, f"{package.__name__}.")]
    for_users = {
        value.__module__
        for each in modules
        for value in vars(each).values()
        if isinstance(value, type) and issubclass(value, base_class) and not value.__subclasses__()
    }
    assert set(listed_modules(kind)) == {each for each in for_users if each.startswith(f"{package.__name__}.")}


def test_classes_and_functions_can_be_imported() -> None:
    """The link class and the function behind the command line exist."""
    info: dict[str, Any] = get_provider_info()
    for dotted in (*info["extra-links"], *info["cli"]):
        module, _, name = dotted.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_integrations_are_declared() -> None:
    """Each integration that a kind refers to is declared, and none is declared in vain."""
    info: dict[str, Any] = get_provider_info()
    referred = {entry["integration-name"] for kind in KINDS for entry in info[kind]}
    assert referred == {entry["integration-name"] for entry in info["integrations"]}


def test_metadata_needs_nothing_but_the_version() -> None:
    """Reading the metadata imports two modules of ours and not Airflow: a failure there would stop all of Airflow."""
    code = (
        "import sys; import snapshot_dr_provider.get_provider_info as m; m.get_provider_info();"
        "print(*sorted(n for n in sys.modules if n.partition('.')[0] in ('airflow', 'snapshot_dr_provider')))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["snapshot_dr_provider", "snapshot_dr_provider.get_provider_info"]


def test_airflow_lists_the_provider() -> None:
    """``airflow providers list`` and ``get --full`` show the provider with all of its sections."""
    assert DISTRIBUTION in run_airflow("providers", "list")
    (shown,) = json.loads(run_airflow("providers", "get", DISTRIBUTION, "--full", "--output", "json"))
    assert {*KINDS, "extra-links", "config", "cli"} <= set(shown)
    for kind in KINDS:
        assert all(module in str(shown[kind]) for module in listed_modules(kind))


def test_airflow_knows_link_and_setting() -> None:
    """Airflow's own registries have the link class, and a setting of the provider that is not set is ``None``."""
    info: dict[str, Any] = get_provider_info()
    assert info["extra-links"][0] in run_airflow("providers", "links", "--output", "json")
    assert "settings_path" in run_airflow("config", "list", "--section", "snapshot_dr", "--include-descriptions")

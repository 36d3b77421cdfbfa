"""The architecture is kept by contracts (pyproject.toml), and each contract breaks when it is violated."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

# contract, file that gets an import more, what it imports
VIOLATIONS = [
    # upwards by one
    ("direction", "task_groups/__init__.py", "snapshot_dr_provider.cli"),
    ("direction", "operators/__init__.py", "snapshot_dr_provider.task_groups"),
    ("direction", "sensors/__init__.py", "snapshot_dr_provider.task_groups"),
    ("direction", "stage.py", "snapshot_dr_provider.operators"),
    ("direction", "triggers/__init__.py", "snapshot_dr_provider.stage"),
    ("direction", "links/__init__.py", "snapshot_dr_provider.stage"),
    ("direction", "hooks/__init__.py", "snapshot_dr_provider.triggers"),
    ("direction", "hooks/__init__.py", "snapshot_dr_provider.links"),
    ("direction", "_compat.py", "snapshot_dr_provider.hooks"),
    ("direction", "settings/__init__.py", "snapshot_dr_provider._compat"),
    # to the side
    ("direction", "operators/__init__.py", "snapshot_dr_provider.sensors"),
    ("direction", "sensors/__init__.py", "snapshot_dr_provider.operators"),
    ("direction", "triggers/__init__.py", "snapshot_dr_provider.links"),
    ("direction", "links/__init__.py", "snapshot_dr_provider.triggers"),
    # out of the order
    ("direction", "utils.py", "json"),
    ("pure-domain", "domain/__init__.py", "pydantic"),
    ("pure-domain", "domain/__init__.py", "airflow"),
    ("plain-exceptions", "exceptions.py", "airflow"),
    ("light-metadata", "get_provider_info.py", "airflow"),
    ("light-metadata", "get_provider_info.py", "snapshot_dr_provider.exceptions"),
    ("separate-sandbox", "sandbox/__init__.py", "snapshot_dr_provider.domain"),
    ("separate-sandbox", "sandbox/__init__.py", "snapshot_dr_provider.exceptions"),
    ("sandbox-by-cli", "hooks/__init__.py", "snapshot_dr_provider.sandbox"),
    ("sandbox-by-cli", "operators/__init__.py", "snapshot_dr_provider.sandbox"),
    ("no-own-clients", "hooks/__init__.py", "boto3"),
    ("no-own-clients", "triggers/__init__.py", "aiobotocore"),
    ("no-own-clients", "cli/__init__.py", "moto"),
    ("botocore-in-hooks", "operators/__init__.py", "botocore"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the package and what the contracts are made of to a place where they may be violated."""
    place = tmp_path_factory.mktemp("copy")
    shutil.copy(CHECKOUT / "pyproject.toml", place)
    for folder in ("snapshot_dr_provider", "tests/architecture"):
        shutil.copytree(CHECKOUT / folder, place / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return place


@contextmanager
def one_import_more(file: Path, imported: str) -> Iterator[None]:
    """Append an import to the file, which is made if it does not exist, and take it back."""
    original = file.read_text() if file.exists() else None
    file.write_text(f"{original or ''}\nimport {imported}\n")
    try:
        yield
    finally:
        if original is None:
            file.unlink()
        else:
            file.write_text(original)


def broken_contracts(place: Path) -> set[str]:
    """Run the linter as scripts/check does and return the names of the contracts that it calls broken."""
    linter = Path(sys.executable).with_name("lint-imports")
    # A wide terminal, since it wraps the names; PYTHONPATH, lest the installed package is the one that it reads.
    environment = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(place)}
    result = subprocess.run(
        [linter, "--no-logo"], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    verdicts = dict(re.findall(r"^(.*\S) (KEPT|BROKEN)\b", result.stdout, re.MULTILINE))
    assert set(verdicts) == set(CONTRACTS.values()), result.stdout + result.stderr
    broken = {name for name, verdict in verdicts.items() if verdict == "BROKEN"}
    assert (result.returncode == 0) == (not broken)
    return broken


def test_package_keeps_every_contract(copy: Path) -> None:
    """The package as it is breaks no contract."""
    assert broken_contracts(copy) == set()


@pytest.mark.parametrize(("contract", "file", "imported"), VIOLATIONS)
def test_contract_breaks_on_a_violation(copy: Path, contract: str, file: str, imported: str) -> None:
    """One import too many breaks the contract that forbids it, and no other."""
    with one_import_more(copy / "snapshot_dr_provider" / file, imported):
        assert broken_contracts(copy) == {CONTRACTS[contract]}


def test_every_contract_is_violated_once() -> None:
    """No contract stands without a violation that shows it can break."""
    assert {contract for contract, _, _ in VIOLATIONS} == set(CONTRACTS)

"""The DAG files are no package, so import-linter does not see them: what they import is read from their syntax."""

import ast
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
FORBIDDEN = (
    "aiobotocore",
    "boto3",
    "botocore",
    "moto",
    "snapshot_dr_provider.cli",
    "snapshot_dr_provider.sandbox",
)


def imports_of(source: str) -> set[str]:
    """Return the dotted names that a module imports, as ``module`` and as ``module.name``."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def forbidden_imports(source: str) -> set[str]:
    """Return the imports of a module that a DAG file may not have."""
    return {name for name in imports_of(source) if f"{name}.".startswith(tuple(f"{each}." for each in FORBIDDEN))}


@pytest.mark.parametrize("file", sorted((CHECKOUT / "dags").glob("*.py")), ids=lambda file: file.name)
def test_dag_files_import_neither_clients_nor_sandbox(file: Path) -> None:
    """A DAG speaks to AWS through the provider alone, and does not know the sandbox."""
    assert forbidden_imports(file.read_text()) == set()


@pytest.mark.parametrize(
    "line",
    [
        "import boto3",
        "from botocore.exceptions import ClientError",
        "from snapshot_dr_provider import sandbox",
        "from snapshot_dr_provider.sandbox.world import World",
    ],
)
def test_forbidden_import_is_seen(line: str) -> None:
    """Each way to write a forbidden import is found, also inside a function."""
    assert forbidden_imports(f"def wire():\n    {line}\n")


def test_package_does_not_import_dags() -> None:
    """Nothing in the package imports a DAG file: users bring their own."""
    modules = (CHECKOUT / "snapshot_dr_provider").rglob("*.py")
    assert {name for file in modules for name in imports_of(file.read_text()) if name.split(".")[0] == "dags"} == set()

"""What README and docs show is what the tests run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE_DAG = ROOT / "docs" / "examples" / "one_account_dag.py"
CONSUMERS = ROOT / "docs" / "examples" / "restore_drill_dag.py"


def test_the_readme_shows_the_example_dag_as_it_is():
    """The DAG in the README is the tested file without its docstring."""
    code = EXAMPLE_DAG.read_text(encoding="utf-8").split("\n\n", 1)[1]
    assert f"```python\n{code}```" in README


@pytest.mark.smoke
def test_the_example_dag_can_be_loaded():
    """The DAG in the README imports and has the four tasks that it shows."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(EXAMPLE_DAG)
    assert not bag.import_errors
    assert set(bag.dags["copy_one_snapshot"].task_ids) == {"copy", "rotate", "verify", "delete"}


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))])
def test_links_lead_somewhere(page):
    """Each relative link in README and docs names a file that is there."""
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_fits_two_screens():
    """The README stays within what one reads in one go: about two screens of 72 lines."""
    assert len(README.splitlines()) <= 144


def test_the_docs_show_what_the_tests_airflow_imports_once():
    """The local settings that the deployment page recommends are those under which the tests' Airflow runs."""
    from tests.e2e.airflow_processes import IMPORT_ONCE

    code = "\n".join(line for line in IMPORT_ONCE.strip().splitlines() if not line.startswith("#"))
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert code in re.sub(r"^  ", "", page, flags=re.MULTILINE)


def test_the_consumers_of_assets_can_be_loaded():
    """The DAGs on new copies can be loaded, and are scheduled by the very names that the docs give."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import Asset, AssetAlias, AssetAll

    bag = DagBag(CONSUMERS)
    assert not bag.import_errors
    assert {dag_id: dag.timetable.asset_condition for dag_id, dag in bag.dags.items()} == {
        "payments_restore_drill": AssetAll(Asset("x-snapshot-dr://kms-c/999999999999/us-east-1/111111111111")),
        "new_copies_report": AssetAll(AssetAlias("snapshot-dr/kms-c")),
    }


@pytest.mark.parametrize(
    ("example", "page"), [(CONSUMERS, "assets.md"), (CONSUMERS.with_name("dr_alerts.py"), "notifications.md")]
)
def test_a_page_shows_an_example_as_it_is(example, page):
    """The code on a page is that of the file that tests run, without its docstring."""
    code = example.read_text(encoding="utf-8").split("\n\n", 1)[1]
    assert f"```python\n{code}```" in (ROOT / "docs" / page).read_text(encoding="utf-8")

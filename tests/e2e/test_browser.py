"""One broken account found, understood and repaired by hand in Airflow's web UI."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests import worlds
from tests.e2e.airflow_processes import RealAirflow
from tests.e2e.real_deployment import DAG_ID, name_of, today

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator, Page

    from snapshot_dr_provider.sandbox import Sandbox, SandboxControl

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1500)]

CHECKOUT = Path(__file__).parent.parent.parent
LOGIN = ("admin", "only-for-this-test")
NAMES = ("payments-prod", "orders-prod", "data-warehouse")
BROKEN = worlds.account_id(2)
LABEL = f"orders-prod ({BROKEN}) us-east-1"
STAGE = "account.rotate_to_kms_c"

CHROMIUM: Final = Path("/usr/bin/chromium")
"""Where Debian has it."""

FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    # Nothing of a test leaves the machine, nor what a browser has to tell its makers.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

PATIENCE_MS: Final = 60_000.0
"""For what a page shows: the browser shares the processors with Airflow and its tasks."""

RUN_SECONDS: Final = 600.0

WRITES_SCREENSHOTS: Final = bool(os.environ.get("WRITE_SCREENSHOTS"))
"""Whether the pictures of the docs are made anew."""


@dataclass(frozen=True, slots=True)
class BrokenRun:
    """Hold an Airflow, and a run of it in which one account has failed."""

    airflow: RealAirflow
    control: SandboxControl
    run_id: str

    def tries(self) -> dict[str, set[str]]:
        """Name the task instances by how often each was tried."""
        found: dict[str, set[str]] = {}
        for each in self.airflow.api.task_instances(DAG_ID, self.run_id):
            found.setdefault(str(each["try_number"]), set()).add(name_of(each))
        return found


@pytest.fixture
def page() -> Iterator[Page]:
    """Open a browser; where there is none the test is skipped, but not in CI."""
    if not CHROMIUM.exists():
        missing = f"no Chromium at {CHROMIUM}; on Debian: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    # Not above: where the wheel is tried, the tests are collected without it.
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        opened = browser.new_page(viewport={"width": 1400, "height": 800})
        opened.set_default_timeout(PATIENCE_MS)
        yield opened
        browser.close()


@pytest.fixture
def broken_run(sandbox: Sandbox, tmp_path: Path) -> Iterator[BrokenRun]:
    """Run the DAG for three accounts, of which one may not share its copies."""
    noon = today() - timedelta(hours=12)
    seeds = [worlds.source(worlds.account_id(number), 1, start=noon) for number in range(1, len(NAMES) + 1)]
    world = worlds.world(len(NAMES), seeds=seeds, clock=None)
    sandbox.control.reset(world)
    worlds.forbid(sandbox.control, BROKEN, "ec2:ModifySnapshotAttribute")
    accounts = [{"account_id": worlds.account_id(number), "name": name} for number, name in enumerate(NAMES, 1)]
    # With a scheduler, the least time that a task is deferred is left as it is.
    tuning = {"settle_seconds": 1, "poll_seconds": 0.5}
    settings = worlds.settings(world, accounts={"static": accounts}, tuning=tuning)
    environment = {
        **worlds.connections(world),
        "AIRFLOW__CORE__PARALLELISM": "8",
        # The run for yesterday would begin by itself, beside the one that is triggered.
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        "AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH": worlds.write_settings(tmp_path / "settings.yaml", settings),
        "AWS_ENDPOINT_URL": sandbox.endpoint_url,
    }
    with RealAirflow(CHECKOUT / "dags", environment, login=LOGIN) as airflow:
        airflow.wait_for_dag(DAG_ID)
        run_id = airflow.api.trigger(DAG_ID, {"day": f"{noon:%Y-%m-%d}"})
        assert airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS)["state"] == "failed"
        yield BrokenRun(airflow, sandbox.control, run_id)


def log_in(page: Page, base_url: str) -> None:
    """Open the start page as somebody who is not logged in yet."""
    user, password = LOGIN
    page.goto(base_url)
    page.get_by_label("Username").fill(user)
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def open_stage(page: Page, run_id: str) -> None:
    """Click on the square of a mapped task in the grid, which leads to its instances."""
    page.get_by_test_id(f"grid-{run_id}-{STAGE}").click()
    # Away from there: the hint that the grid shows to who hovers over it lies over the list.
    page.mouse.move(0, 0)
    list_of_instances(page).wait_for()


def list_of_instances(page: Page) -> Locator:
    """Find the heading of the list of a task's instances."""
    return page.get_by_role("heading", name=f"{len(NAMES)} Task Instances", exact=True)


def row(page: Page, label: str) -> Locator:
    """Find the line of one account in the list of a task's instances."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=label, exact=True))


def state(page: Page) -> Locator:
    """Find the state of what a page is about: the first that is told in words, below the signs of the path to it."""
    return page.get_by_test_id("state-badge").filter(has_text=re.compile(".")).first


def take_picture(page: Page, run_id: str, name: str) -> None:
    """Write a picture of the grid and that list for the docs, if that is asked for."""
    if WRITES_SCREENSHOTS:
        # Without the hint that the grid shows to who has clicked there, and goes on to show.
        page.mouse.move(1000, 700)
        page.reload()
        page.get_by_test_id(f"grid-{run_id}-{STAGE}").wait_for()
        list_of_instances(page).wait_for()
        images = CHECKOUT / "docs" / "images"
        images.mkdir(exist_ok=True)
        page.screenshot(path=images / f"{name}.png", clip={"x": 0, "y": 0, "width": 1400, "height": 580})


def test_one_broken_account_is_found_understood_and_repaired_in_the_browser(page: Page, broken_run: BrokenRun) -> None:
    """Grid, label and log lead to the cause; once it is mended, clearing that one task turns the whole run green."""
    from playwright.sync_api import expect

    run_id = broken_run.run_id
    log_in(page, broken_run.airflow.api.base_url)
    page.get_by_role("link", name="Dags", exact=True).first.click()
    page.get_by_role("link", name=DAG_ID, exact=True).first.click()
    page.get_by_role("button", name="Expand all task groups").click()

    open_stage(page, run_id)
    expect(state(page)).to_have_text("Failed")
    expect(row(page, LABEL)).to_contain_text("Failed")
    for name, number in (("payments-prod", 1), ("data-warehouse", 3)):
        label = f"{name} ({worlds.account_id(number)}) us-east-1"
        expect(row(page, label)).to_contain_text("Success")
    take_picture(page, run_id, "one-account-failed")

    row(page, LABEL).get_by_role("link", name=LABEL, exact=True).click()
    log = page.get_by_role("code").first
    expect(log).to_contain_text("Mend the cause, then clear this task with its downstream tasks.")
    expect(log).to_contain_text(
        "SnapshotDr/airflow_aws_tooling is not authorized to perform: ec2:ModifySnapshotAttribute"
    )

    worlds.permit(broken_run.control, BROKEN)
    page.get_by_role("button", name=re.compile("to clear$")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Affected Tasks: 6")
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog).to_be_hidden()

    page.get_by_role("link", name=run_id, exact=True).first.click()
    page.get_by_role("heading", name=run_id, exact=True).wait_for()
    expect(state(page)).to_have_text("Success", timeout=RUN_SECONDS * 1000)
    open_stage(page, run_id)
    expect(row(page, LABEL)).to_contain_text("Success")
    take_picture(page, run_id, "one-account-cleared")

    assert broken_run.airflow.api.run(DAG_ID, run_id)["state"] == "success"
    repeated = ["rotate_to_kms_c[1]", "kms_c_completed[1]", "delete_kms_b[1]"]
    around = {"open_kms_b_window", "lock_down_kms_b", "audit"}
    assert broken_run.tries()["2"] == {*(f"account.{each}" for each in repeated), *around}
    copies = [each for each in broken_run.control.snapshots(worlds.DR) if each["state"] == "completed"]
    assert sorted(each["tags"]["SourceAccount"] for each in copies) == [worlds.account_id(n) for n in (1, 2, 3)]

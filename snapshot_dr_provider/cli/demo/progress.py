"""One line for each account while the DAG runs: live in a terminal, and in a file only what has changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from snapshot_dr_provider.cli.demo.survey import AccountSurvey

if TYPE_CHECKING:
    from rich.console import Console

_BAR: Final = 20
_LINES_AROUND: Final = 6


class Progress(Protocol):
    """Show how far the accounts are."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, accounts: Sequence[AccountSurvey]) -> None:
        """Show it anew."""


def progress_on(console: Console) -> Progress:
    """Choose what suits the console."""
    return LiveTable(console) if console.is_terminal else Lines(console)


def doing(account: AccountSurvey) -> str:
    """Say in a few words what happens to an account."""
    if not account.wanted:
        return "nothing wanted"
    if account.is_done:
        return "done"
    if account.verified.issuperset(account.wanted):
        return "KMS-C verified; KMS-B to be deleted"
    if not account.copied and not account.moving:
        return "waiting for its turn"
    if account.pending:
        return f"copying to KMS-B; {len(account.pending)} source pending"
    if not account.copied.issuperset(account.wanted):
        return "copying to KMS-B"
    return "copying to KMS-C" if account.moving or account.verified else "KMS-B completed"


class LiveTable:
    """Repaint a table in place. Of more accounts than the terminal has lines it shows those that are under way."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4)
        self._since = time.monotonic()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, accounts: Sequence[AccountSurvey]) -> None:
        """Paint it anew."""
        done = sum(account.is_done for account in accounts)
        elapsed = time.monotonic() - self._since
        table = Table(
            box=None, pad_edge=False, padding=(0, 3, 0, 0), caption=f"{done} of {len(accounts)} done, {elapsed:.0f} s"
        )
        table.caption_justify = "left"
        for heading in ("Account", "KMS-B", "KMS-C", "", ""):
            table.add_column(heading, no_wrap=True, justify="right" if heading.startswith("KMS") else "left")
        for account in self._on_show(accounts):
            wanted = len(account.wanted)
            table.add_row(
                account.name,
                f"{len(account.copied)}/{wanted}",
                f"{len(account.verified)}/{wanted}",
                _bar(account),
                Text(doing(account), style="green" if account.is_done else "dim" if _is_idle(account) else ""),
            )
        self._live.update(table)

    def _on_show(self, accounts: Sequence[AccountSurvey]) -> Sequence[AccountSurvey]:
        room = max(1, self._console.height - _LINES_AROUND)
        if len(accounts) <= room:
            return accounts
        under_way = [account for account in accounts if not account.is_done]
        return (under_way or accounts)[:room]


class Lines:
    """Print a line whenever what happens to an account changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._since = time.monotonic()
        self._shown: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the lines as they are."""

    def show(self, accounts: Sequence[AccountSurvey]) -> None:
        """Print what has changed."""
        for account in accounts:
            wanted, what = len(account.wanted), doing(account)
            if self._shown.setdefault(account.account_id, "waiting for its turn") != what:
                self._shown[account.account_id] = what
                counts = f"KMS-B {len(account.copied)}/{wanted}  KMS-C {len(account.verified)}/{wanted}"
                elapsed = time.monotonic() - self._since
                self._console.print(f"{elapsed:6.0f} s  {account.name:<18} {counts}  {what}", highlight=False)


def _is_idle(account: AccountSurvey) -> bool:
    return not account.copied and not account.moving


def _bar(account: AccountSurvey) -> Text:
    """Draw how much of the two hops is done."""
    whole = 2 * len(account.wanted)
    full = _BAR * (len(account.copied | account.verified) + len(account.verified)) // whole if whole else _BAR
    return Text.assemble(("━" * full, "green" if account.is_done else "cyan"), ("━" * (_BAR - full), "bright_black"))

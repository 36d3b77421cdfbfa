"""Turn what AWS refuses into checks."""

from __future__ import annotations

from snapshot_dr_provider.domain.preflight import Check, Kind, Outcome
from snapshot_dr_provider.exceptions import ConnectionMissingError, SnapshotDrError


def refused(kind: Kind, subject: str, error: SnapshotDrError, remedy: str = "") -> Check:
    """State a check that AWS, a connection or a setting stands against; what may pass is not known."""
    # A task is tried again without its connection, since a store of secrets may be out of order; here it is missing.
    if error.permanent or isinstance(error, ConnectionMissingError):
        return Check(kind, subject, Outcome.FAILED, str(error), remedy)
    return Check(kind, subject, Outcome.UNKNOWN, str(error), "Ask again.")


def policy_remedy(document: str) -> str:
    """Name the policy that has what is missing."""
    return f"airflow snapshot-dr policy show {document} prints what it has to be allowed."

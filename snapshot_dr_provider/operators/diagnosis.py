"""Find out why copies failed, for the person who reads the task's error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.refusals import (
    KEY_NOT_ACCESSIBLE,
    KeyEvidence,
    explain_failed_copy,
    explain_refused_call,
    explain_refused_duration,
    explain_snapshot_limit,
)
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.route import RouteHooks

Failures = Mapping[str, Mapping[str, str]]
"""By source: ``why`` it was given up, and the ``state_message`` of its last failed copy."""


def explain_failures(
    hooks: RouteHooks,
    stage: Stage,
    sources: Sequence[str],
    failures: Failures,
    completion_duration_minutes: int | None = None,
) -> dict[str, str]:
    """
    Say for each failure why, what it means, and which key or setting is to blame.

    Keys are read only when one of them may be to blame. A diagnosis that cannot be made takes nothing away from the
    failure itself.

    :param sources: all sources of the stage: those that succeeded are evidence, too.
    :param completion_duration_minutes: what the copies were asked for with; ``None`` for standard ones.
    """
    try:
        evidence = _Evidence(hooks, stage, sources, failures, completion_duration_minutes)
        return {source: evidence.explain(source) for source in failures}
    except SnapshotDrError as error:
        reason = f"What it means could not be found out: {error}"
        return {source: f"{failure['why']}. {reason}" for source, failure in failures.items()}


class _Evidence:
    """Collect what is known of the keys of a stage, and how its copies were asked for."""

    def __init__(
        self, hooks: RouteHooks, stage: Stage, sources: Sequence[str], failures: Failures, minutes: int | None
    ) -> None:
        self._hooks = hooks
        self._minutes = minutes
        self._failures = failures
        self._in_dr_account = stage is Stage.KMS_C
        self._account_id = hooks.route.dr_account_id if self._in_dr_account else hooks.route.account_id
        self._view = cache(hooks.key)
        self._keys_of_sources: dict[str, str | None] = {}
        if not self._in_dr_account and any(KEY_NOT_ACCESSIBLE in f["state_message"] for f in failures.values()):
            found = hooks.sources().own_snapshots_by_id(sources)
            self._keys_of_sources = {source: snapshot.kms_key_arn for source, snapshot in found.items()}
        self._good = [source for source in sources if source not in failures]

    def explain(self, source: str) -> str:
        failure = self._failures[source]
        keys = self._keys(source, failure)
        if failure["state_message"]:
            meaning = explain_failed_copy(failure["state_message"], self._account_id, *keys)
        else:
            why, region = failure["why"], self._hooks.route.destination_region
            meaning = (
                explain_refused_call(why, *keys)
                or explain_snapshot_limit(why, self._account_id, region)
                or self._explain_duration(why)
            )
        return f"{failure['why']}. {meaning}".rstrip()

    def _explain_duration(self, why: str) -> str:
        if self._minutes is None:
            return ""
        return explain_refused_duration(why, self._minutes, self._hooks.route.destination_region)

    def _keys(self, source: str, failure: Mapping[str, str]) -> tuple[KeyEvidence, KeyEvidence]:
        """Collect what is known of the key that a copy was to be read with, and of the one it was to be under."""
        route = self._hooks.route
        if self._in_dr_account:
            return self._key("KMS-B", route.kms_b_arn, failure), self._key("KMS-C", route.kms_c_arn, failure)
        source_key = self._keys_of_sources.get(source) or ""
        return self._key("KMS-A", source_key, failure), self._key("KMS-B", route.kms_b_arn, failure)

    def _key(self, name: str, arn: str, failure: Mapping[str, str]) -> KeyEvidence:
        suspected = KEY_NOT_ACCESSIBLE in failure["state_message"] or arn in failure["why"]
        if not arn or not suspected:
            return KeyEvidence(name, arn)
        view = self._view(arn, as_dr_account=self._in_dr_account)
        users = [s for s in self._good if name != "KMS-A" or self._keys_of_sources.get(s) == arn]
        return KeyEvidence(name, arn, view.state, refused=view.refused, works=bool(users))

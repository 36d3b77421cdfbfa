"""Ask the sandbox's own evaluator."""

from __future__ import annotations

from snapshot_dr_provider.sandbox.access.policy import evaluate
from snapshot_dr_provider.sandbox.access.principals import Principal
from tests.oracle.pair import Pair


def ask_sandbox(pair: Pair) -> str:
    """Answer ``yes`` or ``no``."""
    who = pair.who
    decision = evaluate(
        [pair.policy],
        principal=Principal(who.account, who.arn, who.session or who.arn, None),
        action=pair.action,
        resource=pair.resource,
        context={key: value if isinstance(value, str) else tuple(value) for key, value in pair.context.items()},
        kind="resource-based",
    )
    return "yes" if decision.allowed else "no"

"""Ask the evaluator of the audit."""

from __future__ import annotations

import json

from snapshot_dr_provider.domain.key_policy.evaluation import Caller, Request, evaluate
from snapshot_dr_provider.domain.key_policy.reading import parse_policy
from tests.oracle.pair import Pair


def ask_domain(pair: Pair) -> str:
    """Answer ``yes``, ``no`` or ``undecided``."""
    who = pair.who
    caller = Caller(service=who.arn) if who.is_service else Caller(who.account, who.arn, who.session)
    context = {key: (value,) if isinstance(value, str) else tuple(value) for key, value in pair.context.items()}
    request = Request(caller, pair.action, pair.resource, context)
    return evaluate([parse_policy(json.dumps(pair.policy))], request).answer.value

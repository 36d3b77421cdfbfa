"""
Compare our two evaluators of key policies with an independent one.

    python -m tests.oracle.compare --pairs 5000 --seed 1 2 3 4      # from the checkout; exit 1 on any disagreement
    python -m tests.oracle.compare --write-golden 600               # writes golden.jsonl, which the tests check

The oracle is ``@cloud-copilot/iam-simulate`` from npm. It is AGPL: a development tool that runs as a process of its
own, asked over standard input; it is never imported or shipped, and the tests need its recorded decisions alone. The
command needs Node.js 20 and npm, and installs the versions that package.json pins into ``build/oracle``. The oracle
simulates identity policies too; its verdict on the key policy is taken, in which an account that is allowed stands for
everybody in it. It leaves out condition keys that an action does not have, which is an error here: each key that a pair
has can decide. *Undecided* counts as disagreement: each pair's context is complete and its operators are known.

What is generated: each operator family, negated, with IfExists, ForAnyValue and ForAllValues; Null; absent keys, keys
with several values; policy variables with and without default; Principal, NotPrincipal, Action, NotAction, Resource and
NotResource with wildcards and in lists; callers of all kinds; keys and actions in any case; Allow and Deny.

What is left out, since the oracle contradicts the IAM user guide:

- ``${*}``, ``${?}`` and ``${$}`` with operators without wildcards: it compares with the escape itself.
- IPv4 networks of ``/0``: it finds no address in them.
- NotIpAddress with a plain address of the other IP version: it lets the negated operator fail.
- Policy variables without Version 2012-10-17, where they are plain text: it puts in their values.
- Policy variables in ARNs of conditions: it takes the colon in the variable's name for one of the ARN's.
- Seconds since the epoch beside ISO dates: it takes them for milliseconds; dates without a zone: for local time.
- Condition keys with a colon in what follows ``kms:EncryptionContext:``, and empty values: it takes them for absent.

And since the guide leaves it open, so that neither is right:

- ForAnyValue with IfExists on an absent key; a key with several values without a set operator, which it requires.
- A negated operator with a variable that has no value: the statement might then be invalid, it says.
- Wildcards in the default of a variable, in the kind of a resource (``k*/...``), or across the parts of an ARN.
- A Deny whose NotPrincipal lists the account without the role or the reverse.
- Values that are not of their operator's kind (no number, no date, too short an ARN): AWS refuses most of them.
- The ARN of a role whose session calls, with another path: it takes them for one; names are unique in an account.
- A role without a session: whatever a role does, one of its sessions does.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from tests.oracle import iam_simulate
from tests.oracle.domain import ask_domain
from tests.oracle.generation import generate
from tests.oracle.golden import FILE, write_golden
from tests.oracle.pair import Pair
from tests.oracle.sandbox import ask_sandbox
from tests.oracle.shrinking import shrink

SHOWN: Final = 10
"""How many disagreements are made small and printed."""

EVALUATORS: Final = {"domain": ask_domain, "sandbox": ask_sandbox}


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and return 1 if anybody disagrees."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle.compare", description="Ask an independent oracle.")
    parser.add_argument("--pairs", type=int, default=5000, help="how many to generate for each seed (default 5000)")
    parser.add_argument("--seed", type=int, nargs="+", default=[1], help="one or more (default 1)")
    parser.add_argument("--write-golden", type=int, metavar="N", help="write N pairs with the oracle's decisions")
    options = parser.parse_args(arguments)
    if options.write_golden:
        chosen = list(generate(options.seed[0], options.write_golden))
        print(f"{FILE.name}: {len(chosen)} pairs, {write_golden(chosen, iam_simulate.ask(chosen))} bytes")
        return 0
    pairs = [pair for seed in options.seed for pair in generate(seed, options.pairs)]
    return 1 if compare(pairs, iam_simulate.ask(pairs)) else 0


def compare(pairs: Sequence[Pair], answers: Sequence[str]) -> int:
    """Print how many pairs of each family each evaluator agrees on, and the disagreements; return their number."""
    found = {name: [ask(pair) for pair in pairs] for name, ask in EVALUATORS.items()}
    print_agreement(pairs, answers, found)
    wrong = [
        (name, pair)
        for name, given in found.items()
        for pair, mine, answer in zip(pairs, given, answers, strict=True)
        if mine != answer
    ]
    for name, pair in wrong[:SHOWN]:
        smallest = shrink(pair, iam_simulate.try_to_ask, EVALUATORS[name])
        answer = iam_simulate.ask([smallest])[0]
        print(f"\n{name}: {EVALUATORS[name](smallest)}, oracle: {answer}\n{json.dumps(smallest.to_json())}")
    if len(wrong) > SHOWN:
        print(f"\n... and {len(wrong) - SHOWN} more")
    return len(wrong)


def print_agreement(pairs: Sequence[Pair], answers: Sequence[str], found: Mapping[str, Sequence[str]]) -> None:
    """Print a table: a line for each family, a column for each evaluator."""
    print(f"{'family':16}{'pairs':>8}{'allowed':>9}" + "".join(f"{name:>10}" for name in found))
    for family in [*sorted({pair.family for pair in pairs}), ""]:
        places = [place for place, pair in enumerate(pairs) if family in ("", pair.family)]
        allowed = sum(answers[place] == "yes" for place in places) / len(places)
        agreed = (sum(given[place] == answers[place] for place in places) for given in found.values())
        print(f"{family or 'all':16}{len(places):>8}{allowed:>9.0%}" + "".join(f"{count:>10}" for count in agreed))


if __name__ == "__main__":
    sys.exit(main())

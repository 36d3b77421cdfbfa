"""
Measure the audit of key policies beside Cloud Custodian's checker, on the same policies and in the same run.

    python -m benchmarks.key_policies [--seconds 2] [--json FILE]      # from the checkout

Cloud Custodian (``c7n`` on PyPI, Apache-2.0) is what people audit key policies with: its ``cross-account`` filter. It
is installed into an environment of its own below ``build/``, with uv, and asked as a process of its own. It answers one
question (does a statement grant to anybody but the listed accounts and organizations?), so that it does far less work.
It is asked twice: as it comes, and told to take the condition keys that a KMS-B policy has for sufficient.

Speed depends on the machine: only the ratios are worth anything. The policies and the true answers come from
``tests/key_policies``. Who lets an outsider in has to be flagged and nobody else; *undecided* is right only where the
corpus says so, and there a flag is right as well.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from snapshot_dr_provider.domain.key_policy.facts import KeyFacts, Surroundings
from snapshot_dr_provider.domain.key_policy.findings import Severity, overall_verdict
from snapshot_dr_provider.domain.key_policy.questions import answers
from snapshot_dr_provider.domain.key_policy.reading import parse_policy
from snapshot_dr_provider.domain.key_policy.rules import KeyExpectations, judge_key
from tests.key_policies import case as corpus
from tests.key_policies.case import Case
from tests.key_policies.corpus import CASES

HERE: Final = Path(__file__).parent
CUSTODIAN: Final = "c7n==0.9.53"
ENVIRONMENT: Final = HERE.parent / "build" / "benchmarks" / CUSTODIAN.replace("==", "-")
KEY: Final = f"arn:aws:kms:{corpus.REGION}:{corpus.DR}:key/b0b0b0b0-0000-4000-8000-000000000001"

AS_IT_COMES: Final = {"allowed_accounts": [corpus.DR, corpus.MEMBER], "allowed_orgid": [corpus.ORGANIZATION]}
CONFIGURATIONS: Final[Mapping[str, dict[str, Any]]] = {
    "c7n": AS_IT_COMES,
    "c7n, keys listed": {
        **AS_IT_COMES,
        "whitelist_conditions": ["kms:viaservice", "kms:grantisforawsresource", "aws:currenttime"],
    },
}
KMS_B: Final = [case for case in CASES if case.kind == "kms-b"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, and write JSON if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.key_policies", description="Measure the audit.")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args(arguments)
    python = install_custodian()
    found = {"ours": measure_ours(options.seconds)}
    for name, configuration in CONFIGURATIONS.items():
        found[name] = measure_custodian(python, configuration, options.seconds)
    speed = {name: {"per_second": each["per_second"], "large": each["large"]} for name, each in found.items()}
    verdicts = {case.name: row_of(case, found, place) for place, case in enumerate(KMS_B)}
    print_speed(speed)
    print_verdicts(verdicts)
    if options.json:
        options.json.write_text(json.dumps({"speed": speed, "verdicts": verdicts}, indent=2) + "\n", encoding="utf-8")
    return 0


def install_custodian() -> Path:
    """Install Cloud Custodian once, and return the interpreter that has it."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "installed").exists():
        uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
        if uv is None:
            raise SystemExit("The benchmark needs uv to install c7n, and there is none. Run scripts/check first.")
        subprocess.run([uv, "venv", "--clear", "--python", sys.executable, str(ENVIRONMENT)], check=True)
        subprocess.run([uv, "pip", "install", "--python", str(python), CUSTODIAN], check=True)
        (ENVIRONMENT / "installed").touch()
    return python


def large_policies() -> dict[str, str]:
    """Write policies of nearly 32 KB: of many principals, of long lists in conditions, of many conditions."""
    full = next(case for case in KMS_B if case.name == "nearly-full")
    accounts = [str(200_000_000_000 + number) for number in range(600)]
    conditions = corpus.least(
        {"StringEquals": {"aws:PrincipalOrgID": corpus.ORGANIZATION, "kms:CallerAccount": accounts}}
    )
    denials = [
        corpus.deny("kms:Decrypt", {"StringEquals": {f"aws:PrincipalTag/t{number}": "v"}}, sid=f"S{number}")
        for number in range(185)
    ]
    return {
        "principals": full.text,
        "conditions": json.dumps(corpus.document(corpus.ROOT, *conditions)),
        "denials": json.dumps(corpus.document(corpus.ROOT, *corpus.least(), *denials)),
    }


def surroundings(case: Case | None = None) -> Surroundings:
    """Say who is who for a case."""
    role, members = (case.role, case.members) if case else (None, frozenset[str]())
    return Surroundings(
        corpus.ORGANIZATION, corpus.DR, corpus.REGION, corpus.NOW, role_name=role, member_accounts=members
    )


def audit(text: str, around: Surroundings) -> str:
    """Judge a policy by every rule."""
    findings = judge_key(KeyFacts(KEY, "kms-b", {"default": text}), around, KeyExpectations())
    return overall_verdict(findings, Severity.HIGH).value


def measure_ours(seconds: float) -> dict[str, Any]:
    """Audit all policies over and over; then the large ones once each."""
    cases = [(case.text, surroundings(case)) for case in KMS_B if case.name != "nearly-full"]
    started, audited = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        for text, around in cases:
            audit(text, around)
        audited += len(cases)
    rate = audited / (time.perf_counter() - started)
    large = {}
    for name, text in large_policies().items():
        started = time.perf_counter()
        audit(text, surroundings())
        large[name] = time.perf_counter() - started
    return {"per_second": rate, "large": large}


def measure_custodian(python: Path, configuration: Mapping[str, object], seconds: float) -> dict[str, Any]:
    """Let Cloud Custodian check the same policies."""
    question = {
        "configuration": configuration,
        "policies": [case.text for case in KMS_B],
        "large": large_policies(),
        "seconds": seconds,
    }
    done = subprocess.run(
        [str(python), str(HERE / "custodian.py")],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def row_of(case: Case, found: Mapping[str, Mapping[str, Any]], place: int) -> dict[str, str]:
    """Put the truth beside what each says of one policy."""
    around = surroundings(case)
    ours = {name: answer.answer.value for name, answer in answers([parse_policy(case.text)], around).items()}
    flags = {name: found[name]["flags"][place] for name in CONFIGURATIONS}
    return {
        "truth": case.answers.outside_org_can_use,
        "ours": ours["outside_org_can_use"],
        **{name: flag if isinstance(flag, str) else "yes" if flag else "no" for name, flag in flags.items()},
        "all answers": "right" if ours == case.answers.to_json() else "wrong",
        "verdict": "right" if case.verdict in (None, audit(case.text, around)) else "wrong",
    }


def is_right(truth: str, said: str) -> bool:
    """Say whether an answer is right; who has no *undecided* does right to flag what is undecided."""
    return said == truth or (truth == "undecided" and said == "yes")


def print_speed(speed: Mapping[str, Mapping[str, Any]]) -> None:
    """Print how many audits a second each makes, and how long it takes for policies of 32 KB."""
    sizes = {name: len(text) for name, text in large_policies().items()}
    print(f"{'':20}{'audits/s':>12}" + "".join(f"{f'{size} B, {name}':>24}" for name, size in sizes.items()))
    for name, each in speed.items():
        print(f"{name:20}{each['per_second']:>12.1f}" + "".join(f"{each['large'][one]:>22.4f} s" for one in sizes))
    ratio = speed["c7n"]["per_second"] / speed["ours"]["per_second"]
    print(f"c7n checks {ratio:.0f} policies while we audit one; it asks one question, we ask five and every rule.")


def print_verdicts(verdicts: Mapping[str, Mapping[str, str]]) -> None:
    """Print what each says of each policy, and how many are right."""
    judges = ["ours", *CONFIGURATIONS]
    print(f"\n{'can an outsider use it?':38}{'truth':>10}" + "".join(f"{judge:>20}" for judge in judges))
    for name, row in verdicts.items():
        marks = {judge: "" if is_right(row["truth"], row[judge]) else " (!)" for judge in judges}
        print(f"{name:38}{row['truth']:>10}" + "".join(f"{row[judge] + marks[judge]:>20}" for judge in judges))
    right = {judge: sum(is_right(row["truth"], row[judge]) for row in verdicts.values()) for judge in judges}
    print(f"{'right':38}{len(verdicts):>10}" + "".join(f"{right[judge]:>20}" for judge in judges))
    for column in ("all answers", "verdict"):
        count = sum(row[column] == "right" for row in verdicts.values())
        print(f"{f'ours, {column} right':38}{len(verdicts):>10}{count:>20}")


if __name__ == "__main__":
    sys.exit(main())

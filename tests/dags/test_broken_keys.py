"""A run with each of the keys that can be broken: red with the rule named, and green once that is mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from snapshot_dr_provider.domain.key_policy.window import Terms, Window, open_window
from snapshot_dr_provider.sandbox.world import GrantSeed
from tests import worlds

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

KMS_B = worlds.kms_arn(worlds.DR, worlds.KMS_B_ID)
KMS_C = worlds.kms_arn(worlds.DR, worlds.KMS_C_ID)
STRANGER = "123412341234"

Json = dict[str, Any]


def everywhere(change: Callable[[Json], object]) -> str:
    """Change each statement of KMS-B's policy that is for the organization."""
    policy = worlds.org_policy()
    for statement in policy["Statement"][1:]:
        change(statement)
    return json.dumps(policy)


def equals(statement: Json) -> Json:
    """Give the plain comparisons of a statement."""
    found: Json = statement["Condition"]["StringEquals"]
    return found


def loosely(statement: Json, operator: str) -> None:
    """Compare as plainly as before where the key is there, and not at all where it is not."""
    statement["Condition"][operator] = statement["Condition"].pop("StringEquals")


def without_action(action: str) -> Callable[[Json], None]:
    """Leave an action out of a statement."""

    def change(statement: Json) -> None:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        statement["Action"] = [each for each in actions if each != action] or "kms:GetPublicKey"

    return change


def and_also(*statements: Json, text: Json | None = None) -> str:
    """Add statements to KMS-B's policy, or to another."""
    policy = text or worlds.org_policy()
    return json.dumps({**policy, "Statement": [*policy["Statement"], *statements]})


def allow(action: str | list[str], principal: str = "*", **condition: Json) -> Json:
    """Allow an action to a principal."""
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"}
    return {**statement, **({"Condition": condition} if condition else {})}


ROOT_ALONE = {"Version": "2012-10-17", "Statement": worlds.org_policy()["Statement"][:1]}

POLICIES = {
    "open to everybody": ("KP010", and_also(allow("kms:Decrypt"))),
    "an account outside": ("KP010", and_also(allow("kms:Decrypt", f"arn:aws:iam::{STRANGER}:root"))),
    "no ViaService": ("KP011", everywhere(lambda s: equals(s).pop("kms:ViaService", None))),
    "ViaService of another Region": (
        "KP011",
        everywhere(lambda s: equals(s).update({"kms:ViaService": "ec2.eu-west-1.amazonaws.com"})),
    ),
    "IfExists": ("KP012", everywhere(lambda s: loosely(s, "StringEqualsIfExists"))),
    "ForAllValues": ("KP012", everywhere(lambda s: loosely(s, "ForAllValues:StringEquals"))),
    "a foreign organization": (
        "KP013",
        everywhere(lambda s: equals(s).update({"aws:PrincipalOrgID": [worlds.ORG_A, "o-foreign00001"]})),
    ),
    "grants by people": (
        "KP014",
        and_also(allow("kms:CreateGrant", StringEquals={"aws:PrincipalOrgID": worlds.ORG_A})),
    ),
    "no CreateGrant": ("KP015", everywhere(without_action("kms:CreateGrant"))),
    "no data keys": ("KP015", everywhere(without_action("kms:GenerateDataKeyWithoutPlaintext"))),
    "no root statement": (
        "KP018",
        and_also(
            allow(
                ["kms:Describe*", "kms:Get*", "kms:List*", "kms:CreateGrant"], f"arn:aws:iam::{worlds.DR}:user/airflow"
            ),
            text={"Version": "2012-10-17", "Statement": worlds.org_policy()["Statement"][1:]},
        ),
    ),
}


@pytest.mark.parametrize("name", POLICIES)
def test_run_under_a_broken_policy_is_red_until_it_is_mended(deployment: Deployment, name: str) -> None:
    """Whatever else a broken policy does to the run, the audit names the rule; mended and cleared, the run is green."""
    rule, broken = POLICIES[name]
    deployment.start(worlds.world(1, 1, copy_seconds=0.2))
    deployment.control.put_key_policy(KMS_B, broken)
    run = deployment.run_day()
    assert "audit" in run.red
    assert f"{rule} (" in run.errors["audit"]

    deployment.control.put_key_policy(KMS_B, worlds.org_policy())
    deployment.airflow.clear(run, "account.plan", 0)
    assert run.is_green, run.errors
    deployment.expect_done()


@dataclass
class Breach:
    """Break a key in another way than by its policy, and mend it."""

    rule: str
    make: Callable[[Deployment], object]
    mend: Callable[[Deployment], object]
    settings: Json = field(default_factory=dict)


def kms(deployment: Deployment) -> Any:
    """Speak KMS as an administrator of the DR account."""
    user = worlds.RESTORE
    return boto3.session.Session(user.access_key_id, user.secret_access_key, region_name=worlds.REGION).client(
        "kms", endpoint_url=deployment.endpoint_url
    )


def schedule_deletion(deployment: Deployment) -> None:
    """Have KMS-C deleted in a week."""
    kms(deployment).schedule_key_deletion(KeyId=KMS_C, PendingWindowInDays=7)


def keep_after_all(deployment: Deployment) -> None:
    """Keep KMS-C and enable it."""
    kms(deployment).cancel_key_deletion(KeyId=KMS_C)
    kms(deployment).enable_key(KeyId=KMS_C)


def grant(deployment: Deployment) -> None:
    """Grant KMS-C to a stranger."""
    deployment.control.add_grant(KMS_C, GrantSeed(("Decrypt",), grantee=f"arn:aws:iam::{STRANGER}:role/any"))


def revoke(deployment: Deployment) -> None:
    """Revoke all grants of KMS-C."""
    for each in kms(deployment).list_grants(KeyId=KMS_C)["Grants"]:
        kms(deployment).revoke_grant(KeyId=KMS_C, GrantId=each["GrantId"])


def share_by_ram(deployment: Deployment) -> None:
    """Share KMS-B by AWS RAM."""
    policy = {"Version": "2012-10-17", "Statement": [allow("kms:Decrypt", f"arn:aws:iam::{STRANGER}:root")]}
    deployment.control.put_ram_policy(KMS_B, policy)


def put(key: str, text: str | Json) -> Callable[[Deployment], None]:
    """Write the policy of a key."""
    return lambda deployment: deployment.control.put_key_policy(key, text)


def window_until(moment: datetime) -> str:
    """Leave a window in KMS-B's policy."""
    window = Window(Terms(worlds.ORG_A, worlds.REGION), "a run that died", moment)
    return open_window(json.dumps(worlds.org_policy()), window)


BREACHES = {
    "KMS-C that is about to be deleted": Breach("KP002", schedule_deletion, keep_after_all),
    "a disabled KMS-C": Breach("KP002", lambda d: d.control.disable_key(KMS_C), lambda d: d.control.enable_key(KMS_C)),
    "a policy by AWS RAM": Breach("KP004", share_by_ram, lambda d: d.control.put_ram_policy(KMS_B, None)),
    "a grant to a stranger": Breach("KP005", grant, revoke),
    "KMS-C for another account": Breach(
        "KP022", put(KMS_C, and_also(allow("kms:Decrypt", STRANGER), text=ROOT_ALONE)), put(KMS_C, ROOT_ALONE)
    ),
    "a policy near its limit": Breach(
        "KP006",
        put(KMS_B, and_also(*[allow("kms:ListAliases", f"arn:aws:iam::{worlds.DR}:root") for _ in range(240)])),
        put(KMS_B, worlds.org_policy()),
        {"audit_fail_on": "medium"},
    ),
    "a window that was left": Breach(
        "KP007",
        put(KMS_B, window_until(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))),
        put(KMS_B, worlds.org_policy()),
        {"audit_fail_on": "medium"},
    ),
}


@pytest.mark.parametrize("name", BREACHES)
def test_key_that_is_broken_behind_the_run_is_red_until_it_is_mended(deployment: Deployment, name: str) -> None:
    """The copies may all be there: a key that is broken by the time of the audit turns it red, and it alone."""
    breach = BREACHES[name]
    deployment.start(worlds.world(1, 1, copy_seconds=0.2), **breach.settings)
    deployment.control.set_block_public_access(worlds.DR, worlds.REGION, "block-all-sharing")
    deployment.airflow.before["audit"] = lambda: breach.make(deployment)
    run = deployment.run_day()
    assert run.red == {"audit"}
    assert f"{breach.rule} (" in run.errors["audit"]

    breach.mend(deployment)
    deployment.airflow.clear(run, "audit")
    assert run.is_green, run.errors


def test_reference_policy_works_and_is_wider_than_needed(deployment: Deployment) -> None:
    """A run under the kms:* form is green, and its audit says what to write instead."""
    wide = allow(
        "kms:*", StringEquals={"aws:PrincipalOrgID": worlds.ORG_A, "kms:ViaService": "ec2.us-east-1.amazonaws.com"}
    )
    deployment.start(worlds.world(1, 1, copy_seconds=0.2))
    deployment.control.put_key_policy(KMS_B, {**ROOT_ALONE, "Statement": [*ROOT_ALONE["Statement"], wide]})
    run = deployment.run_day()
    assert run.is_green, run.errors
    (found,) = [each for each in run.xcom("audit", "return_value")["findings"] if each["rule"] == "KP017"]
    assert found["severity"] == "low"
    assert "it works, but is wider than needed" in found["why"]
    assert "OrganizationMayGrantToEc2" in found["remedy"]

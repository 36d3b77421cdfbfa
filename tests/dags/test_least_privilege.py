"""The rendered policies are enough for a run, and each action that counts as evaluated is needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from snapshot_dr_provider.domain.key_policy.statements import COPY_ACTIONS, Basis
from snapshot_dr_provider.sandbox import World
from snapshot_dr_provider.sandbox.world import SnapshotSeed
from tests import worlds

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

DOCUMENTS = ("source-role", "dr-copy-role", "kms-b", "kms-c")
DOCUMENTED_ONLY = frozenset(action for action, basis in COPY_ACTIONS.items() if basis is Basis.DOCUMENTED)

COPYING = ("ec2:DescribeSnapshots", "ec2:CopySnapshot", "ec2:CreateTags")
AUDITING = (
    "ec2:DescribeSnapshotAttribute",
    "ec2:GetSnapshotBlockPublicAccessState",
    "kms:GetKeyPolicy",
    "kms:ListKeyPolicies",
    "kms:ListGrants",
)
EVALUATED = sorted(COPY_ACTIONS.keys() - DOCUMENTED_ONLY)

# Where a plain run needs an action, and the task that fails without it.
NEEDED = [
    *(("source-role", action, "account.copy_to_kms_b[0]") for action in (*COPYING[1:], *EVALUATED)),
    ("source-role", "ec2:DescribeSnapshots", "account.plan[0]"),
    ("source-role", "ec2:ModifySnapshotAttribute", "account.rotate_to_kms_c[0]"),
    ("source-role", "ec2:DeleteSnapshot", "account.delete_kms_b[0]"),
    *(("kms-b", action, "account.copy_to_kms_b[0]") for action in EVALUATED),
    *(("dr-copy-role", action, "account.rotate_to_kms_c[0]") for action in (*COPYING[1:], *EVALUATED)),
    ("dr-copy-role", "ec2:DescribeSnapshots", "account.plan[0]"),
    *(("dr-copy-role", action, "audit") for action in AUDITING),
]

Change = Callable[[Mapping[str, Any]], dict[str, Any]]


def without(actions: Collection[str]) -> Change:
    """Give a function that takes actions out of a policy, and statements that have none left."""

    def change(policy: Mapping[str, Any]) -> dict[str, Any]:
        kept = [{**each, "Action": left} for each in policy["Statement"] if (left := rest(each["Action"]))]
        return {**policy, "Statement": kept}

    def rest(listed: str | list[str]) -> list[str]:
        return [each for each in ([listed] if isinstance(listed, str) else listed) if each not in actions]

    return change


def under_rendered_policies(changes: Mapping[str, Change], seeds: Sequence[SnapshotSeed] | None = None) -> World:
    """Build one account with one snapshot under exactly the rendered policies, some of them changed."""
    world = worlds.world(1, 1, seeds=seeds, copy_seconds=0.2, refusal_seconds=0.1)
    settings = worlds.settings(world)
    rendered = {name: worlds.rendered_policy(name, settings) for name in DOCUMENTS}
    policies = {name: changes.get(name, dict)(policy) for name, policy in rendered.items()}
    keys = {worlds.KMS_B_ID: policies["kms-b"], worlds.KMS_C_ID: policies["kms-c"]}
    return replace(
        world,
        roles=tuple(replace(role, policies=(policies["source-role"],)) for role in world.roles),
        users=tuple(
            replace(user, policies=(policies["dr-copy-role"],)) if user.policies == (worlds.DR_POLICY,) else user
            for user in world.users
        ),
        keys=tuple(replace(key, policy=keys.get(key.key_id)) for key in world.keys),
    )


def test_rendered_policies_are_enough(deployment: Deployment) -> None:
    """A whole run is green under exactly the policies that ``policy show`` prints."""
    deployment.start(under_rendered_policies({}))
    run = deployment.run_day()
    assert run.is_green, run.errors
    deployment.expect_done()


def test_actions_that_are_documented_only_are_not_needed(deployment: Deployment) -> None:
    """A whole run is green when all that nobody saw AWS ask for is taken out of all policies (aws 2.2)."""
    deployment.start(under_rendered_policies(dict.fromkeys(DOCUMENTS, without(DOCUMENTED_ONLY))))
    run = deployment.run_day()
    assert run.is_green, run.errors
    deployment.expect_done()


@pytest.mark.parametrize(("document", "action", "task"), NEEDED)
def test_action_that_is_missing_is_named(deployment: Deployment, document: str, action: str, task: str) -> None:
    """Without an action that is evaluated the run is red, and the error of the task that needs it names the action."""
    deployment.start(under_rendered_policies({document: without({action})}))
    run = deployment.run_day()
    assert not run.is_green
    assert action in run.errors[task], run.errors


def test_deletion_in_account_b_that_is_missing_is_named(deployment: Deployment) -> None:
    """Account-B deletes where there are duplicates; without that action hop 2 is red and names it."""
    source = worlds.source(worlds.account_id(1), 1)
    twice = [worlds.copy_of(source, "kms-c", number) for number in (1, 2)]
    changes = {"dr-copy-role": without({"ec2:DeleteSnapshot"})}
    deployment.start(under_rendered_policies(changes, [source, *twice]))
    run = deployment.run_day()
    assert "ec2:DeleteSnapshot" in run.errors["account.rotate_to_kms_c[0]"], run.errors


def test_kms_c_without_its_root_statement_is_named(deployment: Deployment) -> None:
    """Where KMS-C's policy lets nobody, hop 2 is red and names the key and both policies."""
    deployment.start(under_rendered_policies({}))
    nobody = {"Effect": "Deny", "Principal": "*", "NotAction": "kms:DescribeKey", "Resource": "*"}
    deployment.control.put_key_policy(
        worlds.kms_arn(worlds.DR, worlds.KMS_C_ID), {"Version": "2012-10-17", "Statement": [nobody]}
    )
    run = deployment.run_day()
    assert "account.rotate_to_kms_c[0]" in run.red
    error = run.errors["account.rotate_to_kms_c[0]"]
    for part in (f"KMS-C {worlds.kms_arn(worlds.DR, worlds.KMS_C_ID)}", "key policy", "IAM policy"):
        assert part in error

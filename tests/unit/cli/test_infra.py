"""What ``airflow snapshot-dr infra`` writes is valid, whatever the settings, and allows what ``policy show`` prints."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import product

import pytest
import yaml
from airflow.cli.cli_parser import get_parser
from cfnlint.api import lint

from snapshot_dr_provider.cli.infra.command import infra_files
from snapshot_dr_provider.cli.infra.terraform import snake
from snapshot_dr_provider.cli.placeholders import placeholder
from snapshot_dr_provider.settings import Settings
from snapshot_dr_provider.settings.model import Accounts, OrganizationAccounts
from tests import worlds
from tests.event_queues import EVENTS, PATTERN

ACCOUNTS = {
    "static": {
        "static": [{"account_id": "111111111111", "name": "one"}, {"account_id": "222222222222", "name": "two"}]
    },
    "organizations": {"organizations": {"aws_conn_id": "aws_org_a"}},
}
LISTER = "arn:aws:iam::100000000000:role/team/Lister"


def settings(window="unmanaged", accounts="static", regions=("us-east-1",), *, events=False, made=True, **changes):
    """Write settings of one case of the matrix."""
    keys = {
        region: {
            kind: worlds.kms_arn(worlds.DR, key_id, region) if made else placeholder(kind, region, worlds.DR)
            for kind, key_id in (("kms_b", worlds.KMS_B_ID), ("kms_c", worlds.KMS_C_ID))
        }
        for region in regions
    }
    admin = {"key_admin_aws_conn_id": "aws_dr_key_admin"} if window == "per_run" else {}
    document = {
        "organization_id": worlds.ORG_A,
        "dr_account": {"account_id": worlds.DR, "aws_conn_id": "aws_dr", **admin},
        "destinations": keys,
        "source_regions": {region: region for region in regions},
        "accounts": ACCOUNTS[accounts],
        "source_connection": {"aws_conn_id": "aws_tooling", "role_name": "SnapshotDr"},
        "kms_b_window": window,
        **({"events": EVENTS} if events else {}),
        **changes,
    }
    return Settings.model_validate(document)


MATRIX = [
    pytest.param(
        settings(window, accounts, regions, events=events, made=made),
        id=f"{window}-{accounts}-{len(regions)}-{'events' if events else 'daily'}-{'made' if made else 'new'}",
    )
    for window, accounts, regions, events, made in product(
        ("unmanaged", "per_run"),
        ("static", "organizations"),
        (("us-east-1",), ("us-east-1", "eu-central-1")),
        (True, False),
        (True, False),
    )
]


def folders(settings):
    """Read the modules for Terraform, by the name of the stack."""
    files = infra_files(settings, "terraform")
    return {name.split("-", 1)[1].split("/")[0]: json.loads(text) for name, text in files.items() if "/" in name}


def templates(settings, **options):
    """Read the templates, by the name of the stack."""
    files = infra_files(settings, **options)
    return {name.split("-", 1)[1][:-5]: json.loads(text) for name, text in files.items() if name.endswith(".json")}


@pytest.mark.slow
def test_templates_are_valid():
    """cfn-lint finds neither an error nor a warning in any template; cases in which each choice is there suffice."""
    two = ("us-east-1", "eu-central-1")
    cases = [settings(regions=two, events=True), settings("per_run", "organizations", events=True, made=False)]
    texts = {text for case in cases for name, text in infra_files(case).items() if name.endswith(".json")}
    # cfn-lint takes some seconds for a template.
    assert [str(found) for text in texts for found in lint(text)] == []


@pytest.mark.parametrize("case", MATRIX)
def test_commands_of_the_readme_are_complete(case):
    """The README names each file once for each command, gives each parameter without a default, and is valid shell."""
    files = infra_files(case)
    readme = files["README.md"]
    for name, text in files.items():
        if not name.endswith(".json"):
            continue
        command = next(block for block in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL) if name in block)
        for parameter, described in json.loads(text).get("Parameters", {}).items():
            assert (f"{parameter}=" in command or f"ParameterKey={parameter}," in command) == (
                "Default" not in described
            )
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", readme, re.DOTALL))
    used = set(re.findall(r"\$(\w+)", blocks))
    assert used <= set(re.findall(r"^(\w+)=", blocks, re.MULTILINE))
    assert subprocess.run(["/bin/sh", "-n"], input=blocks, text=True, check=False).returncode == 0


@pytest.mark.parametrize("case", MATRIX)
def test_policies_are_those_of_policy_show(case):
    """Each policy is, key ARNs put in, the one that ``policy show`` prints."""
    found = templates(case)
    arns: dict[str, str] = {}
    for region, keys in case.destinations.items():
        word = "".join(part.capitalize() for part in region.split("-"))
        arns |= {f"KmsB{word}": keys.kms_b, f"KmsC{word}": keys.kms_c}

    def resolved(value):
        if isinstance(value, dict):
            return arns[value["Ref"]] if "Ref" in value else {key: resolved(part) for key, part in value.items()}
        return [resolved(part) for part in value] if isinstance(value, list) else value

    from snapshot_dr_provider.cli.policy.documents import Choices, render

    def policy(stack, role):
        return resolved(found[stack]["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"])

    assert policy("dr-roles", "CopyRole") == render("dr-copy-role", case, Choices())
    assert policy("source-role", "SourceRole") == render("source-role", case, Choices())
    if case.kms_b_window == "per_run":
        assert policy("dr-roles", "KeyAdminRole") == render("dr-key-admin-role", case, Choices())
    if case.accounts.organizations:
        assert policy("organization-role", "ListerRole") == render("organization-role", case, Choices())
    if case.events:
        assert policy("event-queue", "ReaderRole") == render("event-queue-role", case, Choices())
    for region in case.destinations:
        keys = found[f"keys-{region}"]["Resources"]
        kms_b = "kms-b-locked" if case.kms_b_window == "per_run" else "kms-b"
        assert keys["KmsB"]["Properties"]["KeyPolicy"] == render(kms_b, case, Choices(region))
        assert keys["KmsC"]["Properties"]["KeyPolicy"] == render("kms-c", case, Choices(region))


def test_keys_rotate_and_outlive_their_stack():
    """Both keys rotate, and neither the deletion of the stack nor a replacement takes them along."""
    resources = templates(settings())["keys-us-east-1"]["Resources"]
    for key in (resources["KmsB"], resources["KmsC"]):
        assert key["Properties"]["EnableKeyRotation"] is True
        assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_kms_c_is_for_account_b_alone():
    """KMS-C's policy names no principal but Account-B."""
    policy = templates(settings())["keys-us-east-1"]["Resources"]["KmsC"]["Properties"]["KeyPolicy"]
    assert {each["Principal"]["AWS"] for each in policy["Statement"]} == {f"arn:aws:iam::{worlds.DR}:root"}


def test_the_pin_goes_into_an_open_key():
    """With --pin KMS-B lets the role of the settings copy, and no other."""
    policy = templates(settings(), pin=True)["keys-us-east-1"]["Resources"]["KmsB"]["Properties"]["KeyPolicy"]
    assert "role/SnapshotDr" in json.dumps(policy)
    assert "role/SnapshotDr" not in json.dumps(templates(settings())["keys-us-east-1"])


def test_roles_have_the_names_of_the_settings():
    """Role names and paths are those that the settings will assume."""
    listed = OrganizationAccounts(aws_conn_id="aws_org_a", role_arn=LISTER)
    case = settings(accounts="organizations").model_copy(update={"accounts": Accounts(organizations=listed)})
    lister = templates(case)["organization-role"]["Resources"]["ListerRole"]["Properties"]
    assert (lister["Path"], lister["RoleName"]) == ("/team/", "Lister")


def test_rules_are_those_of_the_docs():
    """Both rules have the pattern that the docs show."""
    found = templates(settings(events=True))
    for stack in ("event-queue", "event-rule"):
        assert found[stack]["Resources"]["Rule"]["Properties"]["EventPattern"] == PATTERN


def test_queues_refuse_what_comes_without_tls():
    """Both queues deny everything without TLS, and only the rule of the bus fills the first one."""
    resources = templates(settings(events=True))["event-queue"]["Resources"]
    for queue in ("Queue", "DeadLetterQueue"):
        statements = resources[f"{queue}Policy"]["Properties"]["PolicyDocument"]["Statement"]
        denied = [each for each in statements if each["Effect"] == "Deny"]
        assert [each["Condition"] for each in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]
        assert resources[queue]["Properties"]["SqsManagedSseEnabled"] is True
        allowed = [each for each in statements if each["Effect"] == "Allow"]
        assert len(allowed) == (queue == "Queue")


def test_files_are_written_once(tmp_path, capsys):
    """The command writes all files, and none of them again without --force."""
    path = worlds.write_settings(
        tmp_path / "settings.yaml", yaml.safe_load(settings().model_dump_json(exclude_none=True))
    )

    def run(*arguments):
        args = get_parser().parse_args(
            ["snapshot-dr", "infra", "cloudformation", "--settings", path, "--out", str(tmp_path / "out"), *arguments]
        )
        args.func(args)

    run()
    assert {each.name for each in (tmp_path / "out").iterdir()} == set(infra_files(settings()))
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 2
    assert "--force" in capsys.readouterr().err
    run("--force")


def test_commands_load_nothing_when_airflow_starts():
    """Declaring the commands imports neither of them."""
    code = (
        "import sys; from airflow.cli.cli_parser import get_parser; get_parser()\n"
        "print([name for name in sys.modules if name.startswith(('snapshot_dr_provider.cli.in'))])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "[]"


def texts_of(value):
    """Give all texts of a document, those of the documents in it too."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts_of(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts_of(part)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("case", MATRIX)
def test_references_of_terraform_lead_somewhere(case):
    """Each variable, resource and dependency that a module refers to is in it, and each variable is used."""
    for name, module in folders(case).items():
        there = {f"{kind}.{each}" for kind, bodies in module["resource"].items() for each in bodies}
        texts = texts_of(module)
        used = set(re.findall(r"(?<!\$)\$\{(aws_\w+\.\w+)\.\w+\}", "\n".join(texts)))
        after = {
            each for bodies in module["resource"].values() for b in bodies.values() for each in b.get("depends_on", ())
        }
        assert used | after <= there, name
        variables = set(re.findall(r"\bvar\.(\w+)", json.dumps([module["provider"], module["resource"]])))
        assert variables == module["variable"].keys(), name


@pytest.mark.parametrize("case", MATRIX)
def test_terraform_says_what_cloudformation_says(case):
    """Each policy of a module, its references put in, is that of the template; names, patterns and numbers too."""
    for name, template in templates(case).items():
        module = folders(case)[name]
        arns = {f"${{var.{snake(key)}}}": {"Ref": key} for key in template.get("Parameters", {})}

        def resolved(value, arns=arns):
            if isinstance(value, dict):
                return {key: resolved(part) for key, part in value.items()}
            if isinstance(value, list):
                return [resolved(part) for part in value]
            return arns.get(value, value)

        def policies(kind, key, module=module):
            return {id_: resolved(json.loads(body[key])) for id_, body in module["resource"].get(kind, {}).items()}

        of_type: dict[str, dict] = {kind: {} for kind in ("KMS::Key", "IAM::Role", "SQS::QueuePolicy", "Events::Rule")}
        for id_, resource in template["Resources"].items():
            of_type.setdefault(resource["Type"].removeprefix("AWS::"), {})[snake(id_)] = resource["Properties"]
        assert policies("aws_kms_key", "policy") == {i: each["KeyPolicy"] for i, each in of_type["KMS::Key"].items()}
        roles = of_type["IAM::Role"]
        assert policies("aws_iam_role", "assume_role_policy") == {
            i: each["AssumeRolePolicyDocument"] for i, each in roles.items()
        }
        assert policies("aws_iam_role_policy", "policy") == {
            i: each["Policies"][0]["PolicyDocument"] for i, each in roles.items()
        }
        assert policies("aws_sqs_queue_policy", "policy") == {
            i.removesuffix("_policy"): each["PolicyDocument"] for i, each in of_type["SQS::QueuePolicy"].items()
        }
        assert policies("aws_cloudwatch_event_rule", "event_pattern") == {
            i: each["EventPattern"] for i, each in of_type["Events::Rule"].items()
        }


def test_terraform_protects_keys_and_leaves_the_window_alone():
    """Keys and queues are not destroyed; only where runs change KMS-B's policy is its drift ignored."""
    for window, ignored in (("per_run", ["policy"]), ("unmanaged", None)):
        found = folders(settings(window, events=True))
        keys = found["keys-us-east-1"]["resource"]["aws_kms_key"]
        assert keys["kms_b"]["lifecycle"].get("ignore_changes") == ignored
        assert keys["kms_c"]["lifecycle"] == {"prevent_destroy": True}
        queues = found["event-queue"]["resource"]["aws_sqs_queue"]
        assert all(queue["lifecycle"]["prevent_destroy"] for queue in queues.values())


def test_terraform_is_applied_in_the_right_account_alone():
    """A module refuses accounts that it is not for, where the settings know which these are."""
    found = folders(settings(accounts="organizations", events=True))
    guards = {name: module["provider"]["aws"].get("allowed_account_ids") for name, module in found.items()}
    assert guards["keys-us-east-1"] == guards["dr-roles"] == [worlds.DR]
    assert guards["event-queue"] == [worlds.TOOLING]
    assert guards["source-role"] is guards["event-rule"] is guards["organization-role"] is None
    assert folders(settings())["source-role"]["provider"]["aws"]["allowed_account_ids"] == [
        "111111111111",
        "222222222222",
    ]


@pytest.mark.parametrize("case", MATRIX)
def test_commands_of_terraforms_readme_are_complete(case):
    """Each module is applied with each variable that has no default, and the commands are valid shell."""
    files = infra_files(case, "terraform")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", files["README.md"], re.DOTALL)).replace("\\\n", "")
    for name, text in files.items():
        if "/" not in name:
            continue
        folder = name.split("/")[0]
        assert f"terraform -chdir={folder} init\n" in blocks
        (apply,) = re.findall(rf"^terraform -chdir={folder} apply.*$", blocks, re.MULTILINE)
        for variable, described in json.loads(text)["variable"].items():
            assert (f"-var {variable}=" in apply) == ("default" not in described)
    used = set(re.findall(r"\$\{?(\w+)", blocks))
    assert used <= set(re.findall(r"^(\w+)=", blocks, re.MULTILINE))
    assert subprocess.run(["/bin/sh", "-n"], input=blocks, text=True, check=False).returncode == 0

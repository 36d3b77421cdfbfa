"""Say in which account and Region each template is applied, in which order, and by which commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from snapshot_dr_provider.cli.infra.model import Key, Parameter, Stack

HEAD: Final = """\
# What snapshot-dr needs in AWS

Written by `airflow snapshot-dr infra`, which has applied nothing. Read the files, then apply them in this order, in
one shell: the steps hand ARNs on in its variables. Sign in anew before each step, as an administrator of the account
that it names.

First say who may assume the roles: the IAM role or user that each Airflow connection signs in as.

```sh
{principals}
```
"""

_DEPLOY: Final = """\
aws cloudformation deploy --region {region} --stack-name snapshot-dr-{name} \\
  --template-file {file}{options}"""

_STACK_SET: Final = """\
aws cloudformation create-stack-set --region {region} --stack-set-name snapshot-dr-{name} \\
  --template-body file://{file} --permission-model SERVICE_MANAGED \\
  --auto-deployment {deployment}{options}
aws cloudformation create-stack-instances --region {region} --stack-set-name snapshot-dr-{name} \\
  --deployment-targets OrganizationalUnitIds="$ORGANIZATIONAL_UNITS"{only} --regions {regions} \\
  --operation-preferences FailureTolerancePercentage=10,MaxConcurrentPercentage=25"""

_STACK_SET_NOTE: Final = """\
A StackSet of the organization, made in its management account or by a delegated administrator of StackSets.
`ORGANIZATIONAL_UNITS` are the ids of the units that the accounts are in, with commas between them, or that of the root
(`r-...`). Such a StackSet leaves the management account out: deploy the template there as a stack if it has snapshots
to copy.
"""

_KEYS_NOTE: Final = """\
Skip this step where the keys exist. Otherwise put the two ARNs into `destinations.{region}` of the settings file:

```sh
{export}
echo "kms_b: ${kms_b}"
echo "kms_c: ${kms_c}"
```
"""

_WINDOW_NOTE: Final = """\
KMS-B is locked, and each run opens it for itself (`kms_b_window: per_run`). CloudFormation writes the policy again only
when the template's own has changed; do that between runs. Drift that it detects there during a run is the window.
"""

TAIL: Final = """\
## Afterwards

Once the connections and the settings file are there, `airflow snapshot-dr preflight` says what is still missing, and
`airflow snapshot-dr plan` what the first run would do. Keys and queues are kept when their stacks are deleted; delete
them by hand, and KMS-C never while a copy is under it.
"""


def readme(stacks: Iterable[Stack], files: Mapping[str, str]) -> str:
    """
    Write the steps.

    :param files: name of the file of each stack, by the name of the stack.
    """
    stacks = list(stacks)
    head = HEAD.format(principals="\n".join(principals_of(stacks)))
    steps = [_step(number, stack, files[stack.name]) for number, stack in enumerate(stacks, 1)]
    return "\n".join([head, *steps, TAIL])


def variable_of(stack: Stack, parameter: Parameter) -> str:
    """Name the variable of the shell that a parameter is taken from; keys are the same in all steps."""
    return parameter.name if _is_key(parameter) else f"{_word(stack.name)}{parameter.name}"


def principals_of(stacks: list[Stack]) -> list[str]:
    """Write the lines of the shell into which whoever applies the files puts who may assume the roles."""
    lines = [
        f"{variable_of(stack, parameter)}=   # {parameter.purpose}"
        for stack in stacks
        for parameter in stack.parameters
        if not _is_key(parameter)
    ]
    units = ["ORGANIZATIONAL_UNITS=   # of the source accounts"] if any(stack.everywhere for stack in stacks) else []
    return [*lines, *units]


def _step(number: int, stack: Stack, file: str) -> str:
    where = " and ".join(stack.regions)
    parts = [f"## {number}. {stack.name}: in {stack.account}, {where}\n\n{stack.purpose}\n"]
    if stack.everywhere:
        parts.append(_STACK_SET_NOTE)
    parts.append(f"```sh\n{_command(stack, file)}\n```\n")
    keys = [each for each in stack.resources if isinstance(each, Key)]
    if keys:
        parts.append(_keys_note(stack))
    if any(key.policy_changes for key in keys):
        parts.append(_WINDOW_NOTE)
    return "\n".join(parts)


def _command(stack: Stack, file: str) -> str:
    region = stack.regions[0]
    if not stack.everywhere:
        values = [f'{each.name}="${variable_of(stack, each)}"' for each in _asked(stack)]
        options = f" \\\n  --parameter-overrides {' '.join(values)}" if values else ""
        options += " \\\n  --capabilities CAPABILITY_NAMED_IAM" if stack.has_roles else ""
        return _DEPLOY.format(region=region, name=stack.name, file=file, options=options)
    pairs = [f'ParameterKey={each.name},ParameterValue="${variable_of(stack, each)}"' for each in _asked(stack)]
    options = f" \\\n  --parameters {' '.join(pairs)}" if pairs else ""
    options += " \\\n  --capabilities CAPABILITY_NAMED_IAM" if stack.has_roles else ""
    return _STACK_SET.format(
        region=region,
        name=stack.name,
        file=file,
        options=options,
        regions=" ".join(stack.regions),
        # Accounts that join later get it too, unless the settings list the accounts.
        deployment="Enabled=false" if stack.only else "Enabled=true,RetainStacksOnAccountRemoval=false",
        only=f",Accounts={_several(stack.only)},AccountFilterType=INTERSECTION" if stack.only else "",
    )


def _several(values: Iterable[str]) -> str:
    """Write a list as the shorthand of the AWS CLI has it within a structure."""
    return f"[{','.join(values)}]"


def _asked(stack: Stack) -> list[Parameter]:
    """Name the parameters that have to be given: the settings know the others already."""
    return [each for each in stack.parameters if each.default is None]


def _keys_note(stack: Stack) -> str:
    region = stack.regions[0]
    names = {output: f"{output}{_word(region)}" for output in ("KmsB", "KmsC")}
    export = "\n".join(
        f"{variable}=$(aws cloudformation describe-stacks --region {region} --stack-name snapshot-dr-{stack.name} \\\n"
        f"  --query \"Stacks[0].Outputs[?OutputKey=='{output}Arn'].OutputValue\" --output text)"
        for output, variable in names.items()
    )
    return _KEYS_NOTE.format(region=region, export=export, kms_b=names["KmsB"], kms_c=names["KmsC"])


def _is_key(parameter: Parameter) -> bool:
    return parameter.name.startswith("Kms")


def _word(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))

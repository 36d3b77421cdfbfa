"""Say where each module is applied, in which order, and by which commands of Terraform."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from snapshot_dr_provider.cli.infra.model import Key, Parameter, Stack
from snapshot_dr_provider.cli.infra.readme import HEAD, TAIL, principals_of, variable_of
from snapshot_dr_provider.cli.infra.terraform import snake

_BACKEND: Final = """\
The modules name no backend: add one to each (`backend.tf`), since the state in this folder is soon lost.
"""

_EACH: Final = """\
Once for each source account and Region, with credentials of that account; a workspace for each keeps their states
apart. Many accounts are better served by what your organization applies its baselines with.

```sh
ACCOUNT_AND_REGION=   # 111111111111-us-east-1
```
"""

_KEYS: Final = """\
Skip this step where the keys exist. Otherwise put the two ARNs into `destinations.{region}` of the settings file:

```sh
{export}
echo "kms_b: ${kms_b}"
echo "kms_c: ${kms_c}"
```
"""

_WINDOW: Final = """\
KMS-B is locked, and each run opens it for itself (`kms_b_window: per_run`). So Terraform makes the policy and ignores
what becomes of it (`ignore_changes`): a changed policy of KMS-B is applied by hand, between runs.
"""


def terraform_readme(stacks: Iterable[Stack], folders: Mapping[str, str]) -> str:
    """
    Write the steps.

    :param folders: name of the folder of each stack, by the name of the stack.
    """
    stacks = list(stacks)
    head = HEAD.format(principals="\n".join(line for line in principals_of(stacks) if "UNITS" not in line))
    steps = [_step(number, stack, folders[stack.name]) for number, stack in enumerate(stacks, 1)]
    return "\n".join([head, _BACKEND, *steps, TAIL])


def _step(number: int, stack: Stack, folder: str) -> str:
    parts = [f"## {number}. {stack.name}: in {stack.account}, {' and '.join(stack.regions)}\n\n{stack.purpose}\n"]
    if stack.everywhere:
        parts.append(_EACH)
    parts.append(f"```sh\n{_commands(stack, folder)}\n```\n")
    keys = [each for each in stack.resources if isinstance(each, Key)]
    if keys:
        parts.append(_keys_note(stack, folder))
    if any(key.policy_changes for key in keys):
        parts.append(_WINDOW)
    return "\n".join(parts)


def _commands(stack: Stack, folder: str) -> str:
    terraform = f"terraform -chdir={folder}"
    lines = [f"{terraform} init"]
    if stack.everywhere:
        lines.append(f'{terraform} workspace select -or-create "$ACCOUNT_AND_REGION"')
    values = [_given(stack, each) for each in stack.parameters if each.default is None]
    if len(stack.regions) > 1:
        values.append('-var region="${ACCOUNT_AND_REGION#*-}"')
    return "\n".join([*lines, " \\\n  ".join([f"{terraform} apply", *values])])


def _given(stack: Stack, parameter: Parameter) -> str:
    return f'-var {snake(parameter.name)}="${variable_of(stack, parameter)}"'


def _keys_note(stack: Stack, folder: str) -> str:
    region = stack.regions[0]
    word = "".join(part.capitalize() for part in region.split("-"))
    names = {"kms_b_arn": f"KmsB{word}", "kms_c_arn": f"KmsC{word}"}
    export = "\n".join(f"{name}=$(terraform -chdir={folder} output -raw {output})" for output, name in names.items())
    return _KEYS.format(region=region, export=export, kms_b=names["kms_b_arn"], kms_c=names["kms_c_arn"])

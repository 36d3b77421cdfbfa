from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
OF_THE_PROGRAM = {"region", "profile", "query", "output", "cli-input-json", "no-cli-pager"}
# What the program spells in its own way.
SHORTHANDS = {("ec2", "modify-snapshot-attribute"): {"user-ids"}}


def commands() -> list[tuple[str, list[str]]]:
    """Give each command of the AWS CLI in README and docs, with the page that it is on."""
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                start = re.search(r"(?:^|\()aws (?=[a-z])", line)
                if start:
                    found.append((page.name, shlex.split(line[start.end() :].split(")\n")[0].rstrip(")"))))
    return found


def test_there_are_commands():
    """The next law is about something: the pages have commands of the AWS CLI."""
    assert len(commands()) >= 5


@pytest.mark.parametrize(("page", "words"), commands())
def test_aws_commands_are_such_as_the_api_has(page, words):
    """Each command of the AWS CLI in the docs names an operation and parameters that AWS's API has."""
    service, operation, *rest = words
    model = Session().get_service_model(service)
    options = {word[2:].split("=")[0] for word in rest if word.startswith("--")}
    if operation == "wait":
        waiter = rest[0]
        waiters = Session().get_waiter_model(service)
        known = {xform_name(name, "-"): waiters.get_waiter(name).operation for name in waiters.waiter_names}
        operation = xform_name(known[waiter], "-")
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(operations[operation]).input_shape
    parameters = {xform_name(name, "-") for name in (shape.members if shape else {})}
    unknown = options - parameters - OF_THE_PROGRAM - SHORTHANDS.get((service, operation), set())
    assert unknown == set()

"""Read the settings file, or say all that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Final, get_args, get_origin

from airflow.providers.common.compat.sdk import conf
from pydantic import BaseModel, ValidationError

from snapshot_dr_provider.exceptions import SettingsError
from snapshot_dr_provider.settings.document import Document, Place, Problem, read_document
from snapshot_dr_provider.settings.model import Settings
from snapshot_dr_provider.settings.names import did_you_mean
from snapshot_dr_provider.settings.rules import broken_rules

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def configured_settings_path() -> Path:
    """
    Read from Airflow's configuration where the settings file is.

    :raises SettingsError: when it does not say so.
    """
    path: str | None = conf.get("snapshot_dr", "settings_path", fallback=None)
    if not path:
        msg = (
            "Airflow's configuration does not say where the settings file is. Set settings_path in its [snapshot_dr] "
            "section (AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH) to the absolute path of the YAML file."
        )
        raise SettingsError(msg)
    return Path(path)


def load_settings(path: str | Path) -> Settings:
    """
    Read and check a settings file. Nothing is asked of AWS.

    :raises SettingsError: with all problems of the file, each with its line, its reason and its remedy.
    """
    document = read_document(Path(path).expanduser().absolute())
    problems = [*document.problems, *broken_rules(document.data)]
    try:
        settings = Settings.model_validate(document.data)
    except ValidationError as error:
        wrong = [_worded(detail, document) for detail in error.errors(include_url=False)]
        raise document.refuse([*wrong, *problems]) from None
    if problems:
        raise document.refuse(problems)
    return settings


def _worded(detail: ErrorDetails, document: Document) -> Problem:
    """Say what pydantic found in the words of the file."""
    place = tuple(step if isinstance(step, int) else str(step) for step in detail["loc"] if step != "[key]")
    written = document.words.get(place, document.words.get(place[:-1], ""))
    if detail["loc"][-1:] == ("[key]",):
        written = document.key_at(place)
        place = (*place[:-1], written)
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return Problem(place, f"is not a setting. {did_you_mean(str(place[-1]), _known_keys(place[:-1]))}")
    if kind == "missing":
        return Problem(place, f"is missing. {_NEEDED.get(str(place[-1]), 'It has no default; add it.')}")
    if value is None:
        return Problem(place, "has no value. Give it one, or remove the line.")
    if kind == "string_type":
        return Problem(place, _not_text(value, written))
    if kind == "value_error":
        return Problem(place, str(context["error"]))
    expected = _EXPECTED.get(kind, "")
    reason = expected.format(**context) if expected else detail["msg"]
    return Problem(place, f"{_shown(value, written)} cannot be used: {reason}.")


_NEEDED: Final[Mapping[str, str]] = {
    "organization_id": "Add the id of the organization of the source accounts (o-...).",
    "dr_account": "Add the account_id of the DR account and the aws_conn_id that enters it.",
    "destinations": "Add for each destination Region its kms_b and kms_c.",
    "source_regions": "Add for each Region of the sources the destination Region of their copies.",
    "accounts": "Add static, a list of accounts, or organizations, which takes them from AWS Organizations.",
    "kms_b": "Add the ARN of the DR account's key that the source organization may use.",
    "queue_url": "Add the URL of the SQS queue that EventBridge puts its events into.",
    "dead_letter_queue_url": "Add the URL of a second queue, for messages that cannot be read.",
    "kms_c": "Add the ARN of the DR account's key that nobody else can use.",
}

_EXPECTED: Final[Mapping[str, str]] = {
    "bool_type": "write true or false, without quotes",
    "int_type": "write a whole number, without quotes",
    "float_type": "write a number, without quotes",
    "finite_number": "write a finite number",
    "greater_than_equal": "at least {ge:g} is needed",
    "greater_than": "more than {gt:g} is needed",
    "less_than_equal": "at most {le:g} is allowed",
    "literal_error": "write {expected}",
    "string_too_short": "it must not be empty",
    "tuple_type": "write a list",
    "mapping_type": "write keys with their values, indented below it",
    "model_type": "write the settings of this section, indented below it",
}


def _not_text(value: object, written: str) -> str:
    """Explain what YAML makes of a text without quotes."""
    if isinstance(value, Mapping | list):
        return f"{_shown(value, written)} cannot be used: write one text."
    kind = "true or false" if isinstance(value, bool) else "a number" if isinstance(value, int | float) else "a date"
    # Not every number with a leading zero is octal to YAML: one with an 8 or a 9 in it stays a text.
    octal = f" ({value}: a leading zero makes it octal)" if isinstance(value, int) and written.startswith("0") else ""
    return f'{written} without quotes is {kind}{octal} to YAML, but a text is needed. Write "{written}" in quotes.'


def _shown(value: object, written: str) -> str:
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return repr(written or value)


def _known_keys(place: Place) -> list[str]:
    """Name the settings of the section at a place, which exists: pydantic has looked into it."""
    kind: object = Settings
    for step in place:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = _content(kind.model_fields[str(step)].annotation)
        else:
            kind = _content(get_args(kind)[0 if isinstance(step, int) else -1])
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _content(annotation: object) -> object:
    """Take ``X`` out of ``X | None`` and ``Annotated[X, ...]``."""
    arguments = get_args(annotation)
    if NoneType in arguments:
        return _content(next(choice for choice in arguments if choice is not NoneType))
    return arguments[0] if get_origin(annotation) is Annotated else annotation

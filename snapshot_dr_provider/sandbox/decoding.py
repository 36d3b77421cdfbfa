"""Turn plain data (YAML or JSON) into frozen dataclasses and back, naming the place of every mistake."""

import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, Union

_AGO = re.compile(
    r"^(?:(?P<days>\d+)d\s*)?(?:(?P<hours>\d+)h\s*)?(?:(?P<minutes>\d+)m\s*)?ago(?: at (?P<at>\d\d:\d\d(?::\d\d)?))?$"
)


class WorldError(ValueError):
    """Say where a world description is wrong and how to mend it."""


def decode(kind: Any, data: object, *, now: datetime, where: str = "world") -> Any:
    """Return *data* as a value of the type *kind*.

    *kind* is a dataclass, a scalar, ``datetime``, a ``Literal``, ``tuple[X, ...]``, ``Mapping[str, X]`` or a union
    with ``None``. A time may be an ISO 8601 text, or relative to *now*: ``3h ago``, ``1d2h ago``, or a time of day
    (UTC) some days back: ``1d ago at 22:15``.

    :raises WorldError: naming the place (``world.snapshots[3].start_time``) and what was expected there.
    """
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(kind, data, now, where)
    if origin is Literal:
        return _decode_literal(kind, data, where)
    if origin is tuple:
        return _decode_tuple(kind, data, now, where)
    if origin is not None and issubclass(origin, Mapping):
        return _decode_mapping(kind, data, now, where)
    if isinstance(kind, type) and is_dataclass(kind):
        return _decode_dataclass(kind, data, now, where)
    if kind is datetime:
        return _decode_time(data, now, where)
    return _decode_scalar(kind, data, where)


def encode(value: object) -> Any:
    """Return *value* as plain data: mappings, lists, numbers, texts; times as ISO 8601 with an offset."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: encode(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def _decode_dataclass(kind: type, data: object, now: datetime, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise WorldError(f"{where}: expected a mapping, found {_describe(data)}")
    hints = typing.get_type_hints(kind)
    known = {each.name: each for each in fields(kind)}
    unknown = sorted(str(name) for name in data if name not in known)
    if unknown:
        raise WorldError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(known)}")
    missing = [
        name
        for name, each in known.items()
        if name not in data and each.default is MISSING and each.default_factory is MISSING
    ]
    if missing:
        raise WorldError(f"{where}: missing {', '.join(missing)}")
    values = {
        name: decode(hints[name], each, now=now, where=f"{where}.{name}")
        for name, each in data.items()
        if name in known
    }
    try:
        return kind(**values)
    except WorldError as error:
        raise WorldError(f"{where}: {error}") from None


def _decode_union(kind: Any, data: object, now: datetime, where: str) -> Any:
    members = typing.get_args(kind)
    if data is None and type(None) in members:
        return None
    present = [each for each in members if each is not type(None)]
    return decode(present[0], data, now=now, where=where)


def _decode_literal(kind: Any, data: object, where: str) -> Any:
    choices = typing.get_args(kind)
    if data not in choices:
        raise WorldError(f"{where}: expected one of {', '.join(map(str, choices))}, found {_describe(data)}")
    return data


def _decode_tuple(kind: Any, data: object, now: datetime, where: str) -> tuple[Any, ...]:
    if not isinstance(data, (list, tuple)):
        raise WorldError(f"{where}: expected a list, found {_describe(data)}")
    member = typing.get_args(kind)[0]
    return tuple(decode(member, each, now=now, where=f"{where}[{index}]") for index, each in enumerate(data))


def _decode_mapping(kind: Any, data: object, now: datetime, where: str) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise WorldError(f"{where}: expected a mapping, found {_describe(data)}")
    _, member = typing.get_args(kind)
    return {str(key): _any_or(member, each, now, f"{where}.{key}") for key, each in data.items()}


def _any_or(member: Any, data: object, now: datetime, where: str) -> Any:
    return data if member is Any else decode(member, data, now=now, where=where)


def _decode_scalar(kind: Any, data: object, where: str) -> Any:
    if kind is Any:
        return data
    if kind is float and isinstance(data, (int, float)) and not isinstance(data, bool):
        return float(data)
    if kind is int and isinstance(data, int) and not isinstance(data, bool):
        return data
    if kind in (str, bool) and isinstance(data, kind):
        return data
    hint = "; put it in quotes" if kind is str and isinstance(data, (int, float)) else ""
    raise WorldError(f"{where}: expected {_name(kind)}, found {_describe(data)}{hint}")


def _decode_time(data: object, now: datetime, where: str) -> datetime:
    if isinstance(data, datetime):
        return data if data.tzinfo else data.replace(tzinfo=UTC)
    if isinstance(data, date):
        return datetime(data.year, data.month, data.day, tzinfo=UTC)
    if isinstance(data, str):
        relative = _AGO.match(data.strip())
        if relative:
            return _relative_time(relative, now)
        try:
            moment = datetime.fromisoformat(data)
        except ValueError:
            moment = None
        if moment is not None:
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise WorldError(
        f"{where}: expected a time such as 2026-11-22T22:15:00Z or '1d ago at 22:15', got {_describe(data)}"
    )


def _relative_time(match: re.Match[str], now: datetime) -> datetime:
    parts = {name: int(match[name] or 0) for name in ("days", "hours", "minutes")}
    moment = now - timedelta(**parts)
    if match["at"]:
        hour, minute, *second = (int(part) for part in match["at"].split(":"))
        moment = moment.replace(hour=hour, minute=minute, second=second[0] if second else 0, microsecond=0)
    return moment


def _name(kind: Any) -> str:
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    return names.get(kind, str(kind))


def _describe(data: object) -> str:
    return "nothing" if data is None else f"{type(data).__name__} {data!r}"[:80]

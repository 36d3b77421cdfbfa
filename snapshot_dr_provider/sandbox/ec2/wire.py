"""Read requests and write answers of EC2's query protocol, by the SDK's own model of the API.

For each operation the reader and the writer are put together once. moto has both, but walks through the model anew for
every value, which costs more than everything else that the sandbox does for a call.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import ListShape, ServiceModel, Shape, StructureShape
from botocore.utils import parse_timestamp

#: A request's parameters by the parts of their names: ``Filter.1.Name`` is ``{"Filter": {"1": {"Name": ...}}}``.
Node = dict[str, Any] | str
#: Returns a parameter's value, or ``None`` when it is not in the request.
Reader = Callable[[Node], Any]
#: Returns a value as XML without the element around it.
Writer = Callable[[Any], str]

_SCALARS: Mapping[str, Callable[[str], Any]] = {
    "boolean": lambda text: text.lower() == "true",
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "timestamp": parse_timestamp,
}


class Operation:
    """Know how requests of one EC2 operation are read, and how their answers are written."""

    def __init__(self, name: str) -> None:
        model = _model().operation_model(name)
        self._read = _reader(model.input_shape) if model.input_shape else None
        self._write = _writer(model.output_shape) if model.output_shape else None
        self._element = f"{name}Response"
        self._namespace = model.metadata["xmlNamespace"]

    def read(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Return the parameters of a request under the names of the model; what is not in the model is left out."""
        found: dict[str, Any] | None = self._read(_tree(form)) if self._read else None
        return found or {}

    def write(self, result: Mapping[str, Any]) -> str:
        """Return the XML of an answer; members that are ``None`` or not in the model are left out."""
        inner = self._write(result) if self._write else ""
        start = f'<?xml version="1.0" encoding="utf-8"?>\n<{self._element} xmlns="{self._namespace}">'
        return f"{start}{inner}<requestId>{uuid4()}</requestId></{self._element}>"


@cache
def _model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("ec2", "service-2"), "ec2")


def _tree(form: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in form.items():
        node: Any = tree
        *path, last = name.split(".")
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                break
        else:
            node.setdefault(last, value)
    return tree


def _reader(shape: Shape) -> Reader:
    if isinstance(shape, StructureShape):
        members = ((name, _query_name(name, each), _reader(each)) for name, each in shape.members.items())
        return _structure_reader({query_name: (name, read) for name, query_name, read in members})
    if isinstance(shape, ListShape):
        return _list_reader(_reader(shape.member))
    convert = _SCALARS.get(shape.type_name, str)
    return lambda node: convert(node) if isinstance(node, str) else None


def _query_name(name: str, shape: Shape) -> str:
    """Return the name of a parameter in a request, which begins with a capital letter whatever the model says."""
    given: str = shape.serialization.get("queryName") or shape.serialization.get("name", name)
    return given[0].upper() + given[1:]


def _structure_reader(members: Mapping[str, tuple[str, Reader]]) -> Reader:
    def read_structure(node: Node) -> dict[str, Any] | None:
        if not isinstance(node, dict):
            return None
        values = {}
        for query_name, child in node.items():
            known = members.get(query_name)
            if known is not None and (value := known[1](child)) is not None:
                values[known[0]] = value
        return values or None

    return read_structure


def _list_reader(read_member: Reader) -> Reader:
    def read_list(node: Node) -> list[Any] | None:
        values: list[Any] = []
        if isinstance(node, dict):
            while (child := node.get(str(len(values) + 1))) is not None and (value := read_member(child)) is not None:
                values.append(value)
        return values or None

    return read_list


def _writer(shape: Shape) -> Writer:
    if isinstance(shape, StructureShape):
        named = ((key, each.serialization.get("name", key), _writer(each)) for key, each in shape.members.items())
        return _structure_writer({key: (name, write) for key, name, write in named})
    if isinstance(shape, ListShape):
        name, write = shape.member.serialization.get("name", "member"), _writer(shape.member)
        return lambda values: "".join([f"<{name}>{write(value)}</{name}>" for value in values])
    if shape.type_name == "timestamp":
        return _time
    if shape.type_name == "boolean":
        return lambda value: "true" if value else "false"
    return lambda value: escape(str(value))


def _structure_writer(members: Mapping[str, tuple[str, Writer]]) -> Writer:
    def write_structure(values: Mapping[str, Any]) -> str:
        parts = []
        for key, value in values.items():
            if value is not None and key in members:
                name, write = members[key]
                parts.append(f"<{name}>{write(value)}</{name}>")
        return "".join(parts)

    return write_structure


def _time(moment: datetime) -> str:
    """Return a time as EC2 writes it, to the whole second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

"""Requests of the query protocol: `Tags.member.1.Key=…` as nested values."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from openbraket.wire.errors import MalformedError
from openbraket.wire.model import Member, Shape, Value, compiler
from openbraket.wire.text import text_reader
from openbraket.wire.xml_body import is_flat

FIELD_COUNT_MAX = 10_000
DEPTH_MAX = 32


class Branch:
    """The fields under one prefix: this prefix's own text, and the parts that follow it."""

    __slots__ = ("parts", "text")

    def __init__(self) -> None:
        self.text: str | None = None
        self.parts: dict[str, Branch] = {}


Reader = Callable[[Branch], Any]


def decode(text: str) -> str:
    """Return `text` without its percent and plus signs' encoding.

    Raises:
        MalformedError: The decoded bytes are not UTF-8.
    """
    if "%" not in text and "+" not in text and text.isascii():
        return text
    raw = unquote_to_bytes(text.replace("+", " ").encode("latin-1", "replace"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("Not UTF-8", is_document=False) from error


def parse_fields(text: str) -> dict[str, list[str]]:
    """Return the decoded fields of a query string or a form, each with all its values.

    Raises:
        MalformedError: Not UTF-8, or more than `FIELD_COUNT_MAX` fields.
    """
    fields: dict[str, list[str]] = {}
    if not text:
        return fields
    pairs = text.split("&", FIELD_COUNT_MAX)
    if len(pairs) > FIELD_COUNT_MAX:
        raise MalformedError("Too many parameters", is_document=False)
    for pair in pairs:
        if pair:
            name, _, value = pair.partition("=")
            fields.setdefault(decode(name), []).append(decode(value))
    return fields


def tree(fields: dict[str, list[str]]) -> Branch:
    """Return the fields arranged by the dots in their names.

    Raises:
        MalformedError: A name has more than `DEPTH_MAX` parts.
    """
    root = Branch()
    for name, values in fields.items():
        parts = name.split(".", DEPTH_MAX)
        if len(parts) > DEPTH_MAX:
            raise MalformedError("A parameter's name has too many parts")
        branch = root
        for part in parts:
            branch = branch.parts.setdefault(part, Branch())
        branch.text = values[-1]
    return root


def new_reader_compiler() -> Callable[[Shape], Reader]:
    """Return a compiler of readers: functions from a branch to the shape's value."""
    return compiler(_build_reader)


def _build_reader(shape: Shape, compile_shape: Callable[[Shape], Reader]) -> Reader:
    if shape.type == "structure":
        return _structure_reader(shape, compile_shape)
    if shape.type == "list":
        return _list_reader(shape, compile_shape)
    if shape.type == "map":
        return _map_reader(shape, compile_shape)
    read_text = text_reader(Member("", "", shape))

    def read(branch: Branch) -> Value:
        if branch.text is None:
            raise MalformedError("Start of structure found where not expected")
        return read_text(branch.text)

    return read


def _structure_reader(shape: Shape, compile_shape: Callable[[Shape], Reader]) -> Reader:
    entries = []
    for member in shape.members:
        name = member.wire_name
        element = member.shape.element
        if is_flat(member) and element is not None and element.has_wire_name:
            name = element.wire_name
        entries.append((member.name, name, _member_reader(member, compile_shape)))

    def read(branch: Branch) -> dict[str, Any]:
        result = {}
        name = ""
        try:
            for name, part, read_member in entries:
                inner = branch.parts.get(part)
                if inner is not None:
                    result[name] = read_member(inner)
        except MalformedError as error:
            raise error.inside(name) from None
        return result

    return read


def _member_reader(member: Member, compile_shape: Callable[[Shape], Reader]) -> Reader:
    if not is_flat(member):
        return compile_shape(member.shape)
    if member.shape.type == "map":
        return _map_reader(member.shape, compile_shape, entry="")
    return _list_reader(member.shape, compile_shape, item="")


def _items(branch: Branch) -> list[Branch]:
    """Return the numbered parts in the order of their numbers."""
    numbered = [
        (int(part), inner)
        for part, inner in branch.parts.items()
        if part.isascii() and part.isdigit() and len(part) < 10
    ]
    return [inner for _, inner in sorted(numbered, key=lambda pair: pair[0])]


def _list_reader(
    shape: Shape, compile_shape: Callable[[Shape], Reader], item: str | None = None
) -> Reader:
    part = shape.list_element.wire_name if item is None else item
    read_item = compile_shape(shape.list_element.shape)

    def read(branch: Branch) -> list[Any]:
        inner = branch.parts.get(part) if part else branch
        return [] if inner is None else [read_item(one) for one in _items(inner)]

    return read


def _map_reader(
    shape: Shape, compile_shape: Callable[[Shape], Reader], entry: str = "entry"
) -> Reader:
    key_part, value_part = shape.map_key.wire_name, shape.map_value.wire_name
    read_value = compile_shape(shape.map_value.shape)

    def read(branch: Branch) -> dict[str, Any]:
        inner = branch.parts.get(entry) if entry else branch
        result = {}
        for one in _items(inner) if inner is not None else ():
            key, value = one.parts.get(key_part), one.parts.get(value_part)
            if key is None or key.text is None or value is None:
                raise MalformedError("An entry of a map lacks its key or its value")
            result[key.text] = read_value(value)
        return result

    return read

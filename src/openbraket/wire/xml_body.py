"""XML documents (rest-xml bodies, query responses): compiled readers and writers."""

import re
from collections.abc import Callable
from typing import Any

from openbraket.wire.errors import MalformedError
from openbraket.wire.model import Member, Shape, Value, compiler
from openbraket.wire.text import text_reader, text_writer
from openbraket.wire.timestamps import ISO8601
from openbraket.wire.xml_tree import Element

Reader = Callable[[Element], Any]
# Appends the content of an element, without the element's own tags.
Writer = Callable[[Any, list[str]], None]

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def escape(text: str) -> str:
    """Return `text` as XML character data; control characters become references, as S3 does."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda match: _NAMED.get(match[0]) or f"&#x{ord(match[0]):x};", text)


def element(name: str, content: str) -> str:
    """Return an element of XML with text inside it."""
    return f"<{name}>{escape(content)}</{name}>"


def is_flat(member: Member) -> bool:
    """Return whether the member's elements or entries stand without a list around them."""
    return member.is_flattened and member.shape.type in {"list", "map"}


def item_name(member: Member) -> str:
    """Return the name of the elements of a member that is a list."""
    shape = member.shape
    if not is_flat(member):
        return shape.list_element.wire_name
    # A flattened list's elements bear the name given with the list, or else the member's.
    return shape.list_element.wire_name if shape.list_element.has_wire_name else member.wire_name


def new_reader_compiler() -> Callable[[Shape], Reader]:
    """Return a compiler of readers: functions from an element to the shape's value.

    A reader ignores unknown elements and raises `MalformedError` for a value of the wrong type.
    """
    return compiler(_build_reader)


def _build_reader(shape: Shape, compile_shape: Callable[[Shape], Reader]) -> Reader:
    if shape.type == "structure":
        return structure_reader(shape.members, compile_shape)
    if shape.type == "list":
        name, read_item = shape.list_element.wire_name, compile_shape(shape.list_element.shape)
        return lambda node: [read_item(item) for item in node.children.get(name, ())]
    if shape.type == "map":
        read_entry = _entry_reader(shape, compile_shape)
        return lambda node: dict(map(read_entry, node.children.get("entry", ())))
    read_text = text_reader(Member("", "", shape))
    return lambda node: read_text(node.text)


def _entry_reader(
    shape: Shape, compile_shape: Callable[[Shape], Reader]
) -> Callable[[Element], tuple[str, Any]]:
    key_name, value_name = _entry_names(shape)
    read_value = compile_shape(shape.map_value.shape)

    def read(node: Element) -> tuple[str, Any]:
        keys, values = node.children.get(key_name), node.children.get(value_name)
        if not keys or not values:
            raise MalformedError("An entry of a map lacks its key or its value")
        return keys[0].text, read_value(values[0])

    return read


def _entry_names(shape: Shape) -> tuple[str, str]:
    """Return the element names of a map's keys and values; by default `key` and `value`."""
    return shape.map_key.wire_name, shape.map_value.wire_name


def structure_reader(
    members: tuple[Member, ...], compile_shape: Callable[[Shape], Reader]
) -> Reader:
    """Return a reader of an element with the given members inside it."""
    entries = [_named_reader(member, compile_shape) for member in members]

    def read(node: Element) -> dict[str, Any]:
        result = {}
        name = ""
        try:
            for name, element_name, read_nodes in entries:
                nodes = node.children.get(element_name)
                if nodes is not None:
                    result[name] = read_nodes(nodes)
        except MalformedError as error:
            raise error.inside(name) from None
        return result

    return read


def _named_reader(
    member: Member, compile_shape: Callable[[Shape], Reader]
) -> tuple[str, str, Callable[[list[Element]], Any]]:
    """Return a member's name, its elements' name, and a reader of those elements."""
    shape = member.shape
    if is_flat(member) and shape.element is not None:
        read_item = compile_shape(shape.list_element.shape)
        name = item_name(member)
        return member.name, name, lambda nodes: [read_item(node) for node in nodes]
    if is_flat(member):
        read_entry = _entry_reader(shape, compile_shape)
        return member.name, member.wire_name, lambda nodes: dict(map(read_entry, nodes))
    read = compile_shape(shape)
    return member.name, member.wire_name, lambda nodes: read(nodes[0])


def new_writer_compiler() -> Callable[[Shape], Writer]:
    """Return a compiler of writers: functions that append the content of the shape's element."""
    return compiler(_build_writer)


def _build_writer(shape: Shape, compile_shape: Callable[[Shape], Writer]) -> Writer:
    if shape.type == "structure":
        return structure_writer(shape.members, compile_shape)
    if shape.type == "list":
        return _list_writer(shape.list_element, shape.list_element.wire_name, compile_shape)
    if shape.type == "map":
        return _map_writer(shape, "entry", compile_shape)
    write_text = text_writer(Member("", "", shape), ISO8601)
    return lambda value, out: out.append(escape(write_text(value)))


def _list_writer(member: Member, name: str, compile_shape: Callable[[Shape], Writer]) -> Writer:
    write_item = _member_writer(member, compile_shape)
    start, end = f"<{name}>", f"</{name}>"

    def write(value: Value, out: list[str]) -> None:
        for item in value:
            out.append(start)
            write_item(item, out)
            out.append(end)

    return write


def _map_writer(shape: Shape, entry: str, compile_shape: Callable[[Shape], Writer]) -> Writer:
    key_name, value_name = _entry_names(shape)
    write_item = _member_writer(shape.map_value, compile_shape)
    start, end = f"<{value_name}>", f"</{value_name}></{entry}>"

    def write(value: Value, out: list[str]) -> None:
        for key, item in value.items():
            out.append(f"<{entry}>{element(key_name, key)}{start}")
            write_item(item, out)
            out.append(end)

    return write


def _member_writer(member: Member, compile_shape: Callable[[Shape], Writer]) -> Writer:
    if member.shape.type == "timestamp":
        write_text = text_writer(member, ISO8601)
        return lambda value, out: out.append(write_text(value))
    return compile_shape(member.shape)


def structure_writer(
    members: tuple[Member, ...], compile_shape: Callable[[Shape], Writer]
) -> Writer:
    """Return a writer of the elements of the given members."""
    entries = [_named_writer(member, compile_shape) for member in members]

    def write(value: Value, out: list[str]) -> None:
        for name, start, end, write_member in entries:
            item = value.get(name)
            if item is not None:
                out.append(start)
                write_member(item, out)
                out.append(end)

    return write


def _named_writer(
    member: Member, compile_shape: Callable[[Shape], Writer]
) -> tuple[str, str, str, Writer]:
    """Return a member's name, what stands before and after it, and the writer between."""
    shape = member.shape
    if is_flat(member) and shape.element is not None:
        return (
            member.name,
            "",
            "",
            _list_writer(shape.list_element, item_name(member), compile_shape),
        )
    if is_flat(member):
        return member.name, "", "", _map_writer(shape, member.wire_name, compile_shape)
    name = member.wire_name
    return member.name, f"<{name}>", f"</{name}>", _member_writer(member, compile_shape)

"""JSON documents: compiled readers that check types, and compiled writers."""

import base64
from collections.abc import Callable
from math import isfinite
from typing import Any

import orjson

from openbraket.wire.errors import MalformedError
from openbraket.wire.model import Member, Shape, Value, compiler
from openbraket.wire.text import BOUNDS, number_text, read_blob, read_timestamp, timestamp_writer
from openbraket.wire.timestamps import from_seconds

Reader = Callable[[Any], Any]
Writer = Callable[[Any], Any]

# Whole numbers up to here are exact in a double, so `100.0` may stand for 100.
_EXACT_MAX = 2**53
# A map's key is cut after this many characters in a message.
KEY_SHOWN_MAX = 64
_SPECIAL_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def load(body: bytes) -> Value:
    """Return the JSON value in `body`; an empty body is an empty object.

    Raises:
        MalformedError: `body` is not JSON in UTF-8.
    """
    if not body or body.isspace():
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedError(f"Could not parse the request body as JSON: {error}") from error


def dump(value: Value) -> bytes:
    """Return `value` as JSON in UTF-8."""
    return orjson.dumps(value)


def new_reader_compiler() -> Callable[[Shape], Reader]:
    """Return a compiler of readers: functions from a JSON value to the shape's value.

    A reader drops nulls and unknown members and raises `MalformedError` for a value of the wrong
    type, with the path to it.
    """
    return compiler(_build_reader)


def _wrong_type(value: object, wanted: str) -> MalformedError:
    if isinstance(value, dict):
        return MalformedError("Start of structure or map found where not expected")
    if isinstance(value, list):
        return MalformedError("Start of list found where not expected")
    if isinstance(value, bool):
        kind = "TRUE" if value else "FALSE"
    elif value is None:
        kind = "NULL"
    else:
        kind = "STRING" if isinstance(value, str) else "NUMBER"
    return MalformedError(f"{kind}_VALUE can not be converted to {wanted}")


def _build_reader(shape: Shape, compile_shape: Callable[[Shape], Reader]) -> Reader:
    if shape.type == "structure":
        return structure_reader(shape, shape.members, compile_shape)
    if shape.type == "list":
        return _list_reader(shape, compile_shape)
    if shape.type == "map":
        return _map_reader(shape, compile_shape)
    if shape.type in BOUNDS:
        return _integer_reader(shape)
    readers: dict[str, Reader] = {
        "string": _read_string,
        "boolean": _read_boolean,
        "float": _read_number,
        "double": _read_number,
        "timestamp": _read_time,
        "blob": _read_blob,
    }
    return readers[shape.type]


def structure_reader(
    shape: Shape, members: tuple[Member, ...], compile_shape: Callable[[Shape], Reader]
) -> Reader:
    """Return a reader of an object with the given members of `shape`."""
    entries = [(member.wire_name, member.name, compile_shape(member.shape)) for member in members]
    wanted = f"a structure {shape.name}"

    def read(value: Value) -> dict[str, Any]:
        if type(value) is not dict:
            raise _wrong_type(value, wanted)
        result = {}
        wire_name = ""
        try:
            for wire_name, name, read_member in entries:
                item = value.get(wire_name)
                if item is not None:
                    result[name] = read_member(item)
        except MalformedError as error:
            raise error.inside(wire_name) from None
        return result

    return read


def _list_reader(shape: Shape, compile_shape: Callable[[Shape], Reader]) -> Reader:
    read_element = compile_shape(shape.list_element.shape)

    def read(value: Value) -> list[Any]:
        if type(value) is not list:
            raise _wrong_type(value, "a List")
        result = []
        try:
            for item in value:
                result.append(read_element(item))  # noqa: PERF401 - the length is the index
        except MalformedError as error:
            raise error.inside(f"{len(result) + 1}.member") from None
        return result

    return read


def _map_reader(shape: Shape, compile_shape: Callable[[Shape], Reader]) -> Reader:
    read_item = compile_shape(shape.map_value.shape)

    def read(value: Value) -> dict[str, Any]:
        if type(value) is not dict:
            raise _wrong_type(value, "a Map")
        result = {}
        key = ""
        try:
            for key, item in value.items():
                result[key] = read_item(item)
        except MalformedError as error:
            raise error.inside(f"{key[:KEY_SHOWN_MAX]}.member") from None
        return result

    return read


def _read_string(value: Value) -> str:
    if type(value) is str:
        return value
    raise _wrong_type(value, "a String")


def _read_boolean(value: Value) -> bool:
    if type(value) is bool:
        return value
    raise _wrong_type(value, "a Boolean")


def _integer_reader(shape: Shape) -> Reader:
    most = BOUNDS[shape.type]
    wanted = "a Long" if shape.type == "long" else "an Integer"

    def read(value: Value) -> int:
        # A bool is an int in Python and not in JSON.
        if type(value) is float and value.is_integer() and abs(value) <= _EXACT_MAX:
            value = int(value)
        if type(value) is int and -most - 1 <= value <= most:
            return value
        raise _wrong_type(value, wanted)

    return read


def _read_number(value: Value) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    if type(value) is str and value in _SPECIAL_NUMBERS:
        return _SPECIAL_NUMBERS[value]
    raise _wrong_type(value, "a Double")


def _read_time(value: Value) -> int:
    if type(value) is str:
        return read_timestamp(value)
    if type(value) is int or type(value) is float:
        time_ms = from_seconds(value)
        if time_ms is not None:
            return time_ms
    raise _wrong_type(value, "a Timestamp")


def _read_blob(value: Value) -> bytes:
    if type(value) is str:
        return read_blob(value)
    raise _wrong_type(value, "a Blob")


def new_writer_compiler() -> Callable[[Shape], Writer]:
    """Return a compiler of writers: functions from a shape's value to a JSON value.

    A writer leaves out members that are None or that the model does not have.
    """
    return compiler(_build_writer)


def _build_writer(shape: Shape, compile_shape: Callable[[Shape], Writer]) -> Writer:
    if shape.type == "structure":
        return structure_writer(shape.members, compile_shape)
    if shape.type == "list":
        write_element = member_writer(shape.list_element, compile_shape)
        return lambda value: [write_element(item) for item in value]
    if shape.type == "map":
        write_item = member_writer(shape.map_value, compile_shape)
        return lambda value: {key: write_item(item) for key, item in value.items()}
    if shape.type == "blob":
        return lambda value: base64.b64encode(value).decode("ascii")
    if shape.type in {"float", "double"}:
        return _write_number
    return lambda value: value


def _write_number(value: float) -> float | str:
    # JSON has no numbers for these; the protocol has strings.
    return value if isfinite(value) else number_text(value)


def structure_writer(
    members: tuple[Member, ...], compile_shape: Callable[[Shape], Writer]
) -> Writer:
    """Return a writer of an object with the given members."""
    entries = [
        (member.name, member.wire_name, member_writer(member, compile_shape)) for member in members
    ]

    def write(value: Value) -> dict[str, Any]:
        result = {}
        for name, wire_name, write_member in entries:
            item = value.get(name)
            if item is not None:
                result[wire_name] = write_member(item)
        return result

    return write


def member_writer(member: Member, compile_shape: Callable[[Shape], Writer]) -> Writer:
    """Return the writer of a member; a timestamp's format may be the member's own."""
    if member.shape.type == "timestamp":
        return timestamp_writer(member, "unixTimestamp")
    return compile_shape(member.shape)

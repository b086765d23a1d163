"""A service model as objects: shapes, their members, and a compiler that visits them once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import orjson

MODELS = Path(__file__).parent / "models"

# A value of some shape, or its form on the wire: only the shape tells its type.
Value: TypeAlias = Any

C = TypeVar("C", bound=Callable[..., Any])


@dataclass(eq=False, slots=True)
class Shape:
    """A type of the model with its constraints.

    Attributes:
        name: Name in the model.
        type: One of structure, list, map, string, integer, long, float, double, boolean, blob,
            timestamp.
        members: A structure's members in the model's order.
        element: A list's element.
        key: A map's key.
        value: A map's value.
        minimum: Least value, length or size, or None.
        maximum: Largest value, length or size, or None.
        pattern: Regular expression that a string matches as a whole, or "".
        enum: The values a string may have; empty where any.
        is_union: Whether exactly one member must be set.
        is_flattened: Whether a list's elements stand without a list around them.
        payload: The member that is the whole body, or "".
        timestamp_format: iso8601, rfc822 or unixTimestamp, or "" for the protocol's own.
        xml_name: Name of the root element or of the element in a list, or "".
        is_unwrapped: Whether the document is the one member's text (S3).
    """

    name: str
    type: str
    members: tuple["Member", ...] = ()
    element: "Member | None" = None
    key: "Member | None" = None
    value: "Member | None" = None
    minimum: float | None = None
    maximum: float | None = None
    pattern: str = ""
    enum: tuple[str, ...] = ()
    is_union: bool = False
    is_flattened: bool = False
    payload: str = ""
    timestamp_format: str = ""
    xml_name: str = ""
    is_unwrapped: bool = False

    @property
    def list_element(self) -> "Member":
        """The element of a shape that is a list."""
        assert self.element is not None  # noqa: S101
        return self.element

    @property
    def map_key(self) -> "Member":
        """The key of a shape that is a map."""
        assert self.key is not None  # noqa: S101
        return self.key

    @property
    def map_value(self) -> "Member":
        """The value of a shape that is a map."""
        assert self.value is not None  # noqa: S101
        return self.value


@dataclass(frozen=True, eq=False, slots=True)
class Member:
    """A use of a shape: a structure's member, a list's element, a map's key or value.

    Attributes:
        name: Name in the model, by which services know the value.
        wire_name: Name on the wire.
        shape: The member's type.
        location: uri, querystring, header, headers, statusCode, or "" for the body.
        is_required: Whether the value must be there.
        is_flattened: Whether a list's elements stand without a list around them.
        is_streaming: Whether the value is a stream of bytes.
        timestamp_format: As on the shape; the member's counts first.
        has_wire_name: Whether the model gives a wire name, as opposed to repeating the name.
    """

    name: str
    wire_name: str
    shape: Shape
    location: str = ""
    is_required: bool = False
    is_flattened: bool = False
    is_streaming: bool = False
    timestamp_format: str = ""
    has_wire_name: bool = False


EMPTY = Shape("", "structure")


@dataclass(eq=False, slots=True)
class Model:
    """One service's model, read from its JSON form.

    Attributes:
        metadata: Protocol, version, names.
        operations: The operations' traits by name.
        error_shapes: The modeled errors by code.
        error_statuses: Their HTTP status by code.
    """

    metadata: dict[str, Any]
    operations: dict[str, dict[str, Any]]
    error_shapes: dict[str, Shape] = field(default_factory=dict)
    error_statuses: dict[str, int] = field(default_factory=dict)
    _sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    _shapes: dict[str, Shape] = field(default_factory=dict)

    @classmethod
    def read(cls, name: str) -> "Model":
        """Return the packaged model of service `name`.

        Raises:
            FileNotFoundError: No model of that name is packaged.
        """
        return cls.build(orjson.loads((MODELS / f"{name}.json").read_bytes()))

    @classmethod
    def build(cls, source: dict[str, Any]) -> "Model":
        """Return the model with the content `source`, in botocore's form."""
        model = cls(source["metadata"], source["operations"], _sources=source["shapes"])
        for name, traits in source["shapes"].items():
            if traits.get("exception"):
                error = traits.get("error", {})
                code = error.get("code", name)
                default = 500 if traits.get("fault") else 400
                model.error_shapes[code] = model.shape(name)
                model.error_statuses[code] = error.get("httpStatusCode", default)
        return model

    def shape(self, name: str) -> Shape:
        """Return the shape `name`, the same object each time."""
        known = self._shapes.get(name)
        if known is not None:
            return known
        traits = self._sources[name]
        shape = self._shapes[name] = Shape(name, traits["type"])
        required = frozenset(traits.get("required", ()))
        shape.members = tuple(
            self._member(member, reference, is_required=member in required)
            for member, reference in traits.get("members", {}).items()
        )
        for kind, attribute in (("member", "element"), ("key", "key"), ("value", "value")):
            if kind in traits:
                setattr(shape, attribute, self._member(kind, traits[kind]))
        shape.minimum = traits.get("min")
        shape.maximum = traits.get("max")
        shape.pattern = traits.get("pattern", "")
        shape.enum = tuple(traits.get("enum", ()))
        shape.is_union = traits.get("union", False)
        shape.is_flattened = traits.get("flattened", False)
        shape.payload = traits.get("payload", "")
        shape.timestamp_format = traits.get("timestampFormat", "")
        shape.xml_name = traits.get("locationName", "")
        shape.is_unwrapped = traits.get("unwrapped", False)
        return shape

    def structure(self, reference: dict[str, Any] | None) -> Shape:
        """Return the shape of an operation's input or output; an empty one where it has none."""
        return EMPTY if reference is None else self.shape(reference["shape"])

    def _member(self, name: str, traits: dict[str, Any], *, is_required: bool = False) -> Member:
        shape = self.shape(traits["shape"])
        return Member(
            name=name,
            wire_name=traits.get("locationName", name),
            shape=shape,
            location=traits.get("location", ""),
            is_required=is_required,
            is_flattened=traits.get("flattened", False) or shape.is_flattened,
            is_streaming=traits.get("streaming", False),
            timestamp_format=traits.get("timestampFormat", ""),
            has_wire_name="locationName" in traits,
        )


def compiler(build: Callable[[Shape, Callable[[Shape], C]], C]) -> Callable[[Shape], C]:
    """Return a function that compiles a shape once, with shapes that contain themselves.

    Args:
        build: Returns the closure of a shape; gets the shape and the function that compiles the
            shapes inside it.
    """
    done: dict[Shape, Any] = {}

    def compile_shape(shape: Shape) -> C:
        if shape not in done:
            # Only a shape that contains itself meets this stand-in.
            done[shape] = _deferred(done, shape)
            done[shape] = build(shape, compile_shape)
        closure: C = done[shape]
        return closure

    return compile_shape


def _deferred(done: dict[Shape, Any], shape: Shape) -> Callable[..., Value]:
    def call(*args: Value) -> Value:
        return done[shape](*args)

    return call

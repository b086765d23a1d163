"""The model's constraints as closures, and violations in AWS's words.

A check gets a value that already has the shape's type and appends each broken constraint.
A shape without any constraint compiles to None, so that nothing is walked in vain.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from openbraket.wire.model import Shape, Value, compiler
from openbraket.wire.patterns import matcher


class Violation(NamedTuple):
    """One broken constraint: the path to the value, and the whole sentence."""

    path: str
    text: str


Check = Callable[[Any, str, list[Violation]], None]
ScalarTest = Callable[[Any], list[str]]

# A value is cut after this many characters in a message.
SHOWN_LENGTH_MAX = 256
# So many violations are reported; the check of long lists stops there.
VIOLATIONS_MAX = 50

NOT_NULL = "Member must not be null"
ONE_MEMBER = "Member must have exactly one member set"

_NUMBERS = frozenset({"integer", "long", "float", "double"})


def summary(violations: list[Violation]) -> str:
    """Return the violations as the one message of a validation error."""
    shown = violations[:VIOLATIONS_MAX]
    plural = "" if len(shown) == 1 else "s"
    return f"{len(shown)} validation error{plural} detected: {'; '.join(one.text for one in shown)}"


def violation(value: object, path: str, constraint: str) -> Violation:
    """Return one broken constraint as a sentence, with the value cut if it is long."""
    text = f"Value {_shown(value)} at '{path}' failed to satisfy constraint: {constraint}"
    return Violation(path, text)


def _report(broken: list[str], value: object, path: str, violations: list[Violation]) -> None:
    if broken:
        violations.extend(violation(value, path, constraint) for constraint in broken)


def _shown(value: object) -> str:
    if value is None:
        return "null"
    text = _text(value)
    if len(text) <= SHOWN_LENGTH_MAX:
        return f"'{text}'"
    return f"'{text[:SHOWN_LENGTH_MAX]}...' (cut, {len(text)} characters)"


def _text(value: object) -> str:
    """Return a value in Java's notation: `[a, b]`, `{k=v}`, `true`."""
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value[:SHOWN_LENGTH_MAX]))}]"
    if isinstance(value, dict):
        items = list(value.items())[:SHOWN_LENGTH_MAX]
        return "{" + ", ".join(f"{key}={_text(item)}" for key, item in items) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return "null" if value is None else str(value)


def new_check_compiler() -> Callable[[Shape], Check | None]:
    """Return a compiler of checks; each shape is compiled once."""
    compile_any = compiler(_build)

    def compile_check(shape: Shape) -> Check | None:
        return compile_any(shape) if _is_constrained(shape, set()) else None

    return compile_check


def _is_constrained(shape: Shape, seen: set[Shape]) -> bool:
    """Return whether `shape` or anything it can contain has a constraint."""
    if shape in seen:
        return False
    seen.add(shape)
    if _constraints(shape) or shape.is_union:
        return True
    parts = [part for part in (shape.element, shape.key, shape.value) if part is not None]
    return any(
        part.is_required or _is_constrained(part.shape, seen) for part in (*shape.members, *parts)
    )


def _build(shape: Shape, compile_any: Callable[[Shape], Check]) -> Check:
    if shape.type == "structure":
        return _structure_check(shape, compile_any)
    if shape.type == "list":
        return _list_check(shape, compile_any)
    if shape.type == "map":
        return _map_check(shape, compile_any)
    return _scalar_check(shape)


def _structure_check(shape: Shape, compile_any: Callable[[Shape], Check]) -> Check:
    members = [
        (
            member.name,
            "." + member.name,
            compile_any(member.shape) if _is_constrained(member.shape, set()) else None,
            member.is_required,
        )
        for member in shape.members
    ]
    members = [entry for entry in members if entry[2] is not None or entry[3]]

    def check(value: Value, path: str, violations: list[Violation]) -> None:
        for name, suffix, check_member, is_required in members:
            item = value.get(name)
            if item is None:
                if is_required:
                    violations.append(violation(None, path + suffix if path else name, NOT_NULL))
            elif check_member is not None:
                check_member(item, path + suffix if path else name, violations)

    if not shape.is_union:
        return check

    def check_union(value: Value, path: str, violations: list[Violation]) -> None:
        if len(value) != 1:
            violations.append(violation(value, path, ONE_MEMBER))
        check(value, path, violations)

    return check_union


def _list_check(shape: Shape, compile_any: Callable[[Shape], Check]) -> Check:
    test_size = _scalar_test(shape)
    element = shape.list_element.shape
    test_element = _element_test("Member must satisfy constraint", element)
    is_walked = test_element is None and _is_constrained(element, set())
    check_element = compile_any(element) if is_walked else None

    def check(value: Value, path: str, violations: list[Violation]) -> None:
        _report(test_size(value), value, path, violations)
        if test_element is not None:
            _report(test_element(value), value, path, violations)
        elif check_element is not None:
            for index, item in enumerate(value, 1):
                check_element(item, f"{path}.{index}.member", violations)
                if len(violations) >= VIOLATIONS_MAX:
                    return

    return check


def _map_check(shape: Shape, compile_any: Callable[[Shape], Check]) -> Check:
    test_size = _scalar_test(shape)
    test_keys = _element_test("Map keys must satisfy constraint", shape.map_key.shape)
    test_values = _element_test("Map value must satisfy constraint", shape.map_value.shape)
    is_walked = test_values is None and _is_constrained(shape.map_value.shape, set())
    check_value = compile_any(shape.map_value.shape) if is_walked else None

    def check(value: Value, path: str, violations: list[Violation]) -> None:
        broken = test_size(value)
        if test_keys is not None:
            broken = broken + test_keys(value)
        if test_values is not None:
            broken = broken + test_values(value.values())
        _report(broken, value, path, violations)
        if check_value is not None:
            for key, item in value.items():
                check_value(item, f"{path}.{key[:SHOWN_LENGTH_MAX]}.member", violations)
                if len(violations) >= VIOLATIONS_MAX:
                    return

    return check


def _element_test(words: str, shape: Shape) -> Callable[[Iterable[Any]], list[str]] | None:
    """Return a test of all scalars in a container; it reports at the container, as AWS does."""
    if shape.type in {"structure", "list", "map"} or not _constraints(shape):
        return None
    test = _scalar_test(shape)
    message = f"{words}: [{', '.join(text for text, _ in _constraints(shape))}]"

    def test_all(items: Iterable[Any]) -> list[str]:
        return [message] if any(test(item) for item in items) else _NONE

    return test_all


def _scalar_check(shape: Shape) -> Check:
    test = _scalar_test(shape)

    def check(value: Value, path: str, violations: list[Violation]) -> None:
        _report(test(value), value, path, violations)

    return check


def _constraints(shape: Shape) -> list[tuple[str, Callable[[Any], object]]]:
    """Return the constraints on the value itself: AWS's words, and what is truthy if it holds."""
    found: list[tuple[str, Callable[[Any], object]]] = []
    low, high = shape.minimum, shape.maximum
    if shape.type in _NUMBERS:
        if low is not None:
            text = f"Member must have value greater than or equal to {low}"
            found.append((text, lambda value: value >= low))
        if high is not None:
            text = f"Member must have value less than or equal to {high}"
            found.append((text, lambda value: value <= high))
    elif shape.type != "boolean":
        if low:
            text = f"Member must have length greater than or equal to {low}"
            found.append((text, lambda value: len(value) >= low))
        if high is not None:
            text = f"Member must have length less than or equal to {high}"
            found.append((text, lambda value: len(value) <= high))
    if shape.pattern:
        text = f"Member must satisfy regular expression pattern: {shape.pattern}"
        found.append((text, _pattern_test(shape.pattern, high)))
    if shape.enum:
        text = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        found.append((text, frozenset(shape.enum).__contains__))
    return found


def _pattern_test(pattern: str, length_max: float | None) -> Callable[[str], object]:
    def test(value: str) -> object:
        # Some patterns take quadratic time; a string that is too long is refused for its length.
        if length_max is not None and len(value) > length_max:
            return True
        return matcher(pattern)(value)

    return test


def _scalar_test(shape: Shape) -> ScalarTest:
    """Return a function that lists the broken constraints of a value, fast where none is."""
    constraints = _constraints(shape)
    low, high = shape.minimum or 0, shape.maximum
    is_measured = shape.type not in _NUMBERS and shape.type != "boolean"
    if is_measured and not shape.pattern and not shape.enum:
        most = float("inf") if high is None else high

        def test_length(value: Value) -> list[str]:
            if low <= len(value) <= most:
                return _NONE
            return [text for text, holds in constraints if not holds(value)]

        return test_length

    def test(value: Value) -> list[str]:
        return [text for text, holds in constraints if not holds(value)]

    return test


# Shared by every test that finds nothing; never changed.
_NONE: list[str] = []

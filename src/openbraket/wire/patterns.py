"""The models' regular expressions, which are Java's, as Python's."""

import re
import sys
import unicodedata
from collections.abc import Callable
from functools import lru_cache

_PROPERTY = re.compile(r"\\p\{(\w+)\}")
# Java reads `[\w-_]` as three alternatives; Python refuses the range.
_OPEN_RANGE = re.compile(r"(\\[wdsWDS])-(?!\])")
# Java matches by code point, so its surrogate pairs are one astral range.
_ASTRAL = (r"\uD800\uDC00-\uDBFF\uDFFF", "\U00010000-\U0010ffff")


@lru_cache(maxsize=512)
def matcher(pattern: str) -> Callable[[str], object]:
    r"""Return a function that is truthy where the whole of a string matches `pattern`.

    The classes `\d`, `\w` and `\s` mean ASCII, as in Java.

    Raises:
        re.error: The pattern has a construct that Python does not know.
    """
    return re.compile(translate(pattern), re.ASCII).fullmatch


def translate(pattern: str) -> str:
    """Return a Java regular expression in Python's syntax."""
    pattern = pattern.replace(*_ASTRAL)
    pattern = _OPEN_RANGE.sub(r"\1\\-", pattern)
    return _PROPERTY.sub(_expand, pattern)


def _expand(match: re.Match[str]) -> str:
    r"""Return a Unicode category, such as `\p{L}`, as ranges; always used inside `[]`."""
    return _category_ranges(match[1])


@lru_cache(maxsize=32)
def _category_ranges(category: str) -> str:
    """Return the characters of a Unicode category as ranges. Cost: 0.1 s, on first use."""
    ranges: list[str] = []
    start = -1
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and unicodedata.category(chr(code)).startswith(category)
        if inside and start < 0:
            start = code
        elif not inside and start >= 0:
            ranges.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = -1
    return "".join(ranges)

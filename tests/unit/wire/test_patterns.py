"""The models' regular expressions in Python."""

import botocore.loaders
import pytest

from openbraket.wire.patterns import matcher


@pytest.mark.parametrize("service", ["braket", "s3", "sts", "logs", "ecr", "iam"])
def test_every_pattern_of_the_model_compiles(service):
    shapes = botocore.loaders.Loader().load_service_model(service, "service-2")["shapes"]
    for shape in shapes.values():
        if "pattern" in shape:
            matcher(shape["pattern"])


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("a", "ab", False),
        ("^a$", "a\n", False),
        (r"\d+", "٣", False),
        (r"[\w-_]*", "a-_", True),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+", "Größe 3 ٣/@", True),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+", "a;b", False),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF]*", "a\U0001f600", True),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF]*", "\x01", False),
        (r"\/?.+\/.+", "bucket/key", True),
    ],
)
def test_whole_value_is_matched_as_java_does(pattern, text, is_match):
    assert bool(matcher(pattern)(text)) == is_match

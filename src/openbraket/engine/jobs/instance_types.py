"""The memory of the instance types that a job may ask for.

Source: the machine-learning instance types of Amazon SageMaker, 2026.
"""

from typing import Final

# GiB of the smallest size of each family that has the sizes of `_SIZES`, by family.
_LARGE_GIB: Final = {
    "t3": 8, "m4": 8, "m5": 8, "c4": 3.75, "c5": 4, "c5n": 5.25, "g6": 8, "g6e": 16, "g4dn": 8,
}  # fmt: skip
_SIZES: Final = {"large": 1, "xlarge": 2}
_EXACT_GIB: Final = {
    "ml.c5n.9xlarge": 96, "ml.c5n.18xlarge": 192,
    "ml.p2.xlarge": 61, "ml.p2.8xlarge": 488, "ml.p2.16xlarge": 732,
    "ml.p3.2xlarge": 61, "ml.p3.8xlarge": 244, "ml.p3.16xlarge": 488,
    "ml.p3dn.24xlarge": 768, "ml.p4d.24xlarge": 1152,
}  # fmt: skip
_OTHER_GIB: Final = 8


def memory_bytes(instance_type: str) -> int:
    """Return the memory of an instance type in bytes; 8 GiB of one that is not known."""
    exact = _EXACT_GIB.get(instance_type)
    if exact is not None:
        return exact << 30
    _, _, rest = instance_type.partition(".")
    family, _, size = rest.partition(".")
    large = _LARGE_GIB.get(family)
    if large is None:
        return _OTHER_GIB << 30
    count = size.removesuffix("xlarge")
    factor = _SIZES.get(size) or (2 * int(count) if count.isdecimal() else 1)
    return int(large * factor * (1 << 30))

"""The choice of a kernel variant at import."""

import os
import subprocess
import sys

import pytest

from openbraket.kernels import load_variant, runnable_variants, variant


def imported_variant(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import openbraket.kernels as k; print(k.variant)"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_best_runnable_variant_is_chosen():
    assert runnable_variants()
    if "OPENBRAKET_KERNEL" not in os.environ:
        assert variant == runnable_variants()[-1]


@pytest.mark.parametrize("name", runnable_variants())
def test_environment_variable_overrides_the_choice(name):
    assert imported_variant(OPENBRAKET_KERNEL=name).stdout.strip() == name


def test_unknown_variant_is_refused_with_those_that_run():
    failed = imported_variant(OPENBRAKET_KERNEL="v9")
    assert failed.returncode != 0
    assert f"those that can: {', '.join(runnable_variants())}" in failed.stderr
    with pytest.raises(ImportError, match="'v9' cannot run here"):
        load_variant("v9")


def test_wider_variants_use_wider_vectors():
    widths = [load_variant(name).lane_bytes for name in runnable_variants()]
    assert widths == sorted(set(widths))

"""The log of an instance on a cluster, as two bridges for a moment bring it."""

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'openbraket[ray]'")

from openbraket.engine.executors.ray.job_instance import append_log


def test_lines_that_another_bridge_has_brought_are_not_appended_again(tmp_path):
    path = tmp_path / "log"
    append_log(path, b"one\n", 0)
    append_log(path, b"two\n", 4)
    append_log(path, b"two\nthree\n", 4)
    assert path.read_bytes() == b"one\ntwo\n"
    append_log(path, b"three\n", 8)
    assert path.read_bytes() == b"one\ntwo\nthree\n"

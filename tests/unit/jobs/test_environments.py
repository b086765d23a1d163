import pytest

from openbraket.jobs.environments import (
    Base,
    InterpreterError,
    overlay_for,
    pip_reason,
    probe,
    requirement_lines,
)

BASE = Base("/usr/bin/python3", "3.12.1", ["/usr"], ["/usr/lib"], [], "1.0", "1.0", "24")


def overlay(folder, requirements, more="", base=BASE):
    extracted = folder / f"script-{len(list(folder.iterdir()))}"
    extracted.mkdir()
    (extracted / "requirements.txt").write_text(requirements)
    (extracted / "main.py").write_text(more)
    return overlay_for(folder, base, extracted, [extracted / "requirements.txt"]).path


def test_same_requirements_share_an_environment(tmp_path):
    first = overlay(tmp_path, "numpy>=2\nscipy[all]  # fast\n", "one script")
    assert overlay(tmp_path, "# comment\nscipy[all]\n\nnumpy>=2", "another") == first
    assert overlay(tmp_path, "numpy>=2.1\nscipy[all]", "one script") != first


@pytest.mark.parametrize(
    "line", ["./wanted", "-r other.txt", "-e .", "x @ file:///x", "--index-url x", "a/b.whl"]
)
def test_requirements_beside_names_share_only_with_the_same_script(tmp_path, line):
    first = overlay(tmp_path, line, "one script")
    assert overlay(tmp_path, line, "another") != first
    assert overlay(tmp_path, line, "one script") == first


def test_other_base_has_other_environments(tmp_path):
    other = Base("/usr/bin/python3", "3.13.0", ["/usr"], ["/usr/lib"], [], "1.0", "1.0", "24")
    assert overlay(tmp_path, "numpy") != overlay(tmp_path, "numpy", base=other)


def test_requirement_lines_have_no_comments():
    assert requirement_lines("a # b\n#c\n\n d#e \n") == ["a", "d#e"]


def test_reason_is_what_pip_says_last():
    output = "Collecting x\nERROR: Could not find x\nERROR: No matching distribution found for x\n"
    assert pip_reason(output, 1) == (
        "The requirements could not be installed: No matching distribution found for x"
    )
    assert pip_reason("", 2).endswith("pip ended with exit code 2")


def test_binary_requirements_are_refused(tmp_path):
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InterpreterError, match="is not UTF-8 text"):
        overlay_for(tmp_path, BASE, tmp_path, [tmp_path / "requirements.txt"])


def test_interpreter_that_does_not_run_is_told(tmp_path):
    with pytest.raises(InterpreterError, match="the interpreter /bin/false does not run"):
        probe("/bin/false", tmp_path)

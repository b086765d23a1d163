import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbraket.jobs.channels import relative_paths


@pytest.mark.parametrize(
    ("prefix", "keys", "names"),
    [
        ("data/", ["data/", "data/a", "data/b/c"], {"data/a": "a", "data/b/c": "b/c"}),
        ("data", ["data/a", "data/b/c"], {"data/a": "a", "data/b/c": "b/c"}),
        ("data/a.csv", ["data/a.csv"], {"data/a.csv": "a.csv"}),
        ("data/a", ["data/a1", "data/a/2"], {"data/a1": "a1", "data/a/2": "a/2"}),
        ("file", ["file"], {"file": "file"}),
        ("", ["a", "b/c"], {"a": "a", "b/c": "b/c"}),
    ],
)
def test_names_follow_the_copy_rule(prefix, keys, names):
    assert relative_paths("c", prefix, keys) == names


@pytest.mark.parametrize("keys", [[], ["data/"], ["data/", "data/deep/"]])
def test_channel_without_files_is_an_error(keys):
    with pytest.raises(ValueError, match=r"^No data found for channel 'my-channel'$"):
        relative_paths("my-channel", "data/", keys)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a//b", "./x", "a\0b"])
def test_name_that_leaves_the_channel_is_refused(name):
    with pytest.raises(ValueError, match="is no file name"):
        relative_paths("c", "data/", [f"data/{name}"])


@given(st.text("ab/", max_size=6), st.lists(st.text("ab/.", min_size=1, max_size=8), max_size=5))
def test_names_never_leave_the_channel(prefix, ends):
    keys = [prefix + end for end in ends]
    try:
        names = relative_paths("c", prefix, keys)
    except ValueError:
        return
    for key, name in names.items():
        assert key.endswith(name)
        assert not set(name.split("/")) & {"", ".", ".."}

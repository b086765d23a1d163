"""JSON and XML documents, form fields and header values, without a service around them."""

import xml.etree.ElementTree as ET

import hypothesis
import hypothesis.strategies as st
import pytest

from openbraket.wire import json_body, query_body, xml_body, xml_tree
from openbraket.wire.errors import MalformedError
from openbraket.wire.model import Model
from openbraket.wire.rest_response import header_value
from openbraket.wire.validate import new_check_compiler

# A shape that contains itself, with every kind of member.
TREE = {
    "metadata": {"protocol": "json"},
    "operations": {},
    "shapes": {
        "Tree": {
            "type": "structure",
            "required": ["name"],
            "members": {
                "name": {"shape": "Name"},
                "blob": {"shape": "Blob"},
                "number": {"shape": "Double"},
                "flag": {"shape": "Flag"},
                "at": {"shape": "Time"},
                "children": {"shape": "Trees"},
                "map": {"shape": "Map"},
            },
        },
        "Trees": {"type": "list", "member": {"shape": "Tree"}, "max": 3},
        "Map": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Tree"}},
        "Name": {"type": "string", "min": 1},
        "Blob": {"type": "blob"},
        "Double": {"type": "double"},
        "Flag": {"type": "boolean"},
        "Time": {"type": "timestamp"},
    },
}
XML_NAME = st.text("abc <>&\"'\r\n\t€", min_size=1, max_size=6)
SCALARS = {
    "blob": st.binary(max_size=9),
    "number": st.floats(allow_nan=False),
    "flag": st.booleans(),
    "at": st.integers(0, 4 * 10**12),
}
VALUES = st.recursive(
    st.fixed_dictionaries({"name": XML_NAME}, optional=SCALARS),
    lambda inner: st.fixed_dictionaries(
        {"name": XML_NAME},
        optional={
            "children": st.lists(inner, min_size=1, max_size=2),
            "map": st.dictionaries(XML_NAME, inner, min_size=1, max_size=2),
        },
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def tree():
    return Model.build(TREE).shape("Tree")


def test_json_of_a_recursive_shape_comes_back(tree):
    write, read = json_body.new_writer_compiler()(tree), json_body.new_reader_compiler()(tree)

    @hypothesis.settings(max_examples=40, deadline=None)
    @hypothesis.given(VALUES)
    def check(value):
        assert read(json_body.load(json_body.dump(write(value)))) == value

    check()


def test_xml_of_a_recursive_shape_comes_back(tree):
    write, read = xml_body.new_writer_compiler()(tree), xml_body.new_reader_compiler()(tree)

    @hypothesis.settings(max_examples=40, deadline=None)
    @hypothesis.given(VALUES)
    def check(value):
        out = ["<Tree>"]
        write(value, out)
        document = ("".join(out) + "</Tree>").encode()
        ET.fromstring(document)
        assert read(xml_tree.parse(document)) == value

    check()


def test_constraints_of_a_recursive_shape_are_found_at_any_depth(tree):
    check = new_check_compiler()(tree)
    violations = []
    assert check is not None
    check({"name": "a", "children": [{"name": "b", "map": {"k": {"name": ""}}}]}, "", violations)
    check({"name": "a", "children": [{}]}, "", violations)
    assert [one.path for one in violations] == [
        "children.1.member.map.k.member.name",
        "children.1.member.name",
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<!DOCTYPE a><a/>",
        b"<a>&x;</a>",
        b"<?xml version='1.0' encoding='cp037'?><a/>",
        b"<?xml version='1.0' encoding='nonsense'?><a/>",
        b"<a>" * 33,
    ],
)
def test_xml_that_is_broken_or_dangerous_is_refused(body):
    with pytest.raises(MalformedError):
        xml_tree.parse(body)


def test_number_of_elements_is_limited(monkeypatch):
    monkeypatch.setattr(xml_tree, "ELEMENT_COUNT_MAX", 10)
    with pytest.raises(MalformedError):
        xml_tree.parse(b"<a>" + b"<b/>" * 10 + b"</a>")


def test_namespaces_are_left_out():
    root = xml_tree.parse(b'<a xmlns="urn:x"><p:b xmlns:p="urn:y">t</p:b></a>')
    assert (root.name, root.children["b"][0].text) == ("a", "t")


def test_control_characters_become_references():
    assert xml_body.escape('a\x01\rb<"&>') == "a&#x1;&#xd;b&lt;&quot;&amp;&gt;"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        ("a", {"a": [""]}),
        ("a=1&a=2&b=%20+%2B", {"a": ["1", "2"], "b": ["  +"]}),
        ("&&a==b&", {"a": ["=b"]}),
        ("%E2%82%AC=\xe2\x82\xac", {"€": ["€"]}),
    ],
)
def test_fields_are_decoded(text, fields):
    assert query_body.parse_fields(text) == fields


@pytest.mark.parametrize("text", ["a=%ff", "&".join(["a"] * 10_001)])
def test_fields_that_cannot_be_read_are_refused(text):
    with pytest.raises(MalformedError):
        query_body.parse_fields(text)


def test_query_list_is_ordered_by_number():
    branch = query_body.tree({"L.member.10": ["c"], "L.member.2": ["b"], "L.member.x": ["-"]})
    shape = Model.build({
        "metadata": {},
        "operations": {},
        "shapes": {
            "In": {"type": "structure", "members": {"L": {"shape": "List"}}},
            "List": {"type": "list", "member": {"shape": "Text"}},
            "Text": {"type": "string"},
        },
    }).shape("In")
    assert query_body.new_reader_compiler()(shape)(branch) == {"L": ["b", "c"]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("a\r\nb: c", "a  b: c"),
        ("é", "é"),
        ("€", "=?UTF-8?B?4oKs?="),
        ("\t", "\t"),
    ],
)
def test_header_value_is_one_line_of_latin_1(text, value):
    assert header_value(text) == value

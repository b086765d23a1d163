"""The document draws the state machines that the engine has."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_drawings_are_those_of_the_tables():
    specification = importlib.util.spec_from_file_location("draw", ROOT / "tools/draw_states.py")
    draw = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(draw)
    document = draw.DOCUMENT.read_text()
    assert document.count("stateDiagram-v2") == len(draw.TABLES)
    assert draw.with_drawings(document) == document

"""Draw the state machines of docs/architecture.md from the engine's tables of transitions.

Run `python tools/draw_states.py` to bring the document up to date.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from openbraket.engine import job_states, states

DOCUMENT = Path(__file__).parent.parent / "docs" / "architecture.md"
FIRST = {"tasks": ("CREATED", "QUEUED"), "jobs": ("QUEUED",)}
TABLES = {"tasks": states.TRANSITIONS, "jobs": job_states.TRANSITIONS}


class _Transition(Protocol):
    name: str
    sources: tuple[str, ...]
    target: str
    is_fenced: bool
    begins_attempt: bool


def drawing(first: Iterable[str], transitions: Iterable[_Transition]) -> str:
    """Return a state machine in Mermaid's language; a star marks a transition that is fenced."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {status}" for status in first]
    arrows: dict[tuple[str, str], list[str]] = {}
    for transition in transitions:
        star = "*" if transition.is_fenced or transition.begins_attempt else ""
        for source in transition.sources:
            arrows.setdefault((source, transition.target), []).append(transition.name + star)
    lines += [
        f"    {source} --> {target}: {', '.join(names)}"
        for (source, target), names in arrows.items()
    ]
    return "\n".join([*lines, "```"])


def with_drawings(document: str) -> str:
    """Return a document with what stands between the markers of each machine drawn anew."""
    for name, transitions in TABLES.items():
        begin, end = f"<!-- states of {name} -->", f"<!-- end of states of {name} -->"
        pattern = re.escape(begin) + ".*?" + re.escape(end)
        text = f"{begin}\n{drawing(FIRST[name], transitions)}\n{end}"
        document = re.sub(pattern, lambda _, text=text: text, document, flags=re.DOTALL)
    return document


if __name__ == "__main__":
    DOCUMENT.write_text(with_drawings(DOCUMENT.read_text()))

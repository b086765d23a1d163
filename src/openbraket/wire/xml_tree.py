"""A small tree of XML elements, read without entities, document types or namespaces."""

from xml.parsers import expat

from openbraket.wire.errors import MalformedError

DEPTH_MAX = 32
# CompleteMultipartUpload names at most 10,000 parts of about a dozen elements.
ELEMENT_COUNT_MAX = 200_000


class Element:
    """An element: its name without a namespace, its text, and its children by name."""

    __slots__ = ("children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = ""
        self.children: dict[str, list[Element]] = {}


class _Builder:
    """Collects the tree from expat's events."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._count = 0

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= DEPTH_MAX or self._count > ELEMENT_COUNT_MAX:
            raise MalformedError("The XML has too many elements")
        element = Element(name.rpartition(" ")[2])
        if self._open:
            self._open[-1].children.setdefault(element.name, []).append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def end(self, _name: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def text(self, text: str) -> None:
        self._texts[-1].append(text)

    @staticmethod
    def refuse_doctype(*_: object) -> None:
        # Without a document type there are no entities, hence no expansion attacks.
        raise MalformedError("The XML has a document type declaration")


def parse(body: bytes) -> Element:
    """Return the root element of the XML document in `body`.

    Raises:
        MalformedError: `body` is not XML, has a document type, or is nested too deep.
    """
    builder = _Builder()
    try:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = builder.start
        parser.EndElementHandler = builder.end
        parser.CharacterDataHandler = builder.text
        parser.StartDoctypeDeclHandler = builder.refuse_doctype
        parser.buffer_text = True
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        # LookupError: an encoding that Python does not know; ValueError: one with many bytes.
        raise MalformedError(f"Could not parse the request body as XML: {error}") from error
    assert builder.root is not None  # noqa: S101 - expat refuses a document without a root
    return builder.root

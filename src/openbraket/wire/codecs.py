"""What differs between REST protocols: the document in the body, and the headers around it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from openbraket.wire import json_body, xml_body, xml_tree
from openbraket.wire.errors import MalformedError
from openbraket.wire.model import Member, Shape, Value

DocumentReader = Callable[[bytes], Any]
DocumentWriter = Callable[[Mapping[str, Any]], bytes]


class Codec(Protocol):
    """The documents of one protocol."""

    content_type: str
    empty_document: bytes

    def body_reader(self, shape: Shape, members: tuple[Member, ...]) -> DocumentReader:
        """Return a reader of a body that holds the given members of `shape`."""

    def payload_reader(self, member: Member) -> DocumentReader:
        """Return a reader of a body that is the one structure `member`."""

    def body_writer(self, shape: Shape, members: tuple[Member, ...]) -> DocumentWriter:
        """Return a writer of a body that holds the given members of `shape`."""

    def payload_writer(self, member: Member) -> DocumentWriter:
        """Return a writer of a body that is the one structure `member`."""

    def request_id_headers(self, request_id: str) -> list[tuple[str, str]]:
        """Return the headers that carry the request id."""


class JsonCodec:
    """JSON documents.

    Args:
        content_type: The Content-Type of responses.
    """

    empty_document = b"{}"

    def __init__(self, content_type: str = "application/json") -> None:
        self.content_type = content_type
        self._reader = json_body.new_reader_compiler()
        self._writer = json_body.new_writer_compiler()

    def body_reader(self, shape: Shape, members: tuple[Member, ...]) -> DocumentReader:
        """Return a reader of an object with the given members."""
        read = json_body.structure_reader(shape, members, self._reader)
        return lambda body: read(json_body.load(body))

    def payload_reader(self, member: Member) -> DocumentReader:
        """Return a reader of an object that is `member`."""
        read = self._reader(member.shape)
        return lambda body: read(json_body.load(body))

    def body_writer(self, shape: Shape, members: tuple[Member, ...]) -> DocumentWriter:  # noqa: ARG002
        """Return a writer of an object with the given members."""
        write = json_body.structure_writer(members, self._writer)
        return lambda output: json_body.dump(write(output))

    def payload_writer(self, member: Member) -> DocumentWriter:
        """Return a writer of an object that is `member`."""
        write = self._writer(member.shape)
        return lambda value: json_body.dump(write(value))

    def request_id_headers(self, request_id: str) -> list[tuple[str, str]]:
        """Return the header that carries the request id."""
        return [("x-amzn-requestid", request_id)]


class XmlCodec:
    """XML documents with the service's namespace, and S3's request id headers.

    Args:
        namespace: Default namespace of response documents; may be empty.
    """

    content_type = "application/xml"
    empty_document = b""

    def __init__(self, namespace: str) -> None:
        self._namespace = f' xmlns="{namespace}"' if namespace else ""
        self._reader = xml_body.new_reader_compiler()
        self._writer = xml_body.new_writer_compiler()

    def body_reader(self, shape: Shape, members: tuple[Member, ...]) -> DocumentReader:  # noqa: ARG002
        """Return a reader of a document with the given members; its root may have any name."""
        read = xml_body.structure_reader(members, self._reader)
        return lambda body: read(xml_tree.parse(body)) if body else {}

    def payload_reader(self, member: Member) -> DocumentReader:
        """Return a reader of a document that is `member` and has its name."""
        read, root_name = self._reader(member.shape), member.wire_name

        def read_document(body: bytes) -> Value:
            root = xml_tree.parse(body)
            if root.name != root_name:
                raise MalformedError(f"The root element is {root.name[:64]}, not {root_name}")
            return read(root)

        return read_document

    def body_writer(self, shape: Shape, members: tuple[Member, ...]) -> DocumentWriter:
        """Return a writer of a document with the given members."""
        if shape.is_unwrapped:
            (member,) = members
            return self._unwrapped_writer(member, shape.xml_name)
        write = xml_body.structure_writer(members, self._writer)
        return self._document_writer(shape.xml_name or shape.name, write)

    def payload_writer(self, member: Member) -> DocumentWriter:
        """Return a writer of a document that is `member`."""
        return self._document_writer(member.wire_name, self._writer(member.shape))

    def request_id_headers(self, request_id: str) -> list[tuple[str, str]]:
        """Return S3's two headers: the request id and the id of the host."""
        return [("x-amz-request-id", request_id), ("x-amz-id-2", request_id)]

    def _document_writer(self, root: str, write: xml_body.Writer) -> DocumentWriter:
        start = f"{xml_body.DECLARATION}<{root}{self._namespace}>"
        end = f"</{root}>"

        def write_document(output: Mapping[str, Any]) -> bytes:
            out = [start]
            write(output, out)
            out.append(end)
            return "".join(out).encode("utf-8")

        return write_document

    def _unwrapped_writer(self, member: Member, root: str) -> DocumentWriter:
        write_member = self._writer(member.shape)

        def write(output: Value, out: list[str]) -> None:
            value = output.get(member.name)
            if value is not None:
                write_member(value, out)

        return self._document_writer(root, write)

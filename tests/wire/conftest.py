"""botocore as the oracle of the wire: a real client whose connection is our code."""

import io
import re
import string
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.awsrequest
import botocore.config
import botocore.loaders
import hypothesis
import hypothesis.strategies as st
import pytest

from openbraket.wire import patterns
from openbraket.wire.errors import ServiceError
from openbraket.wire.http import Request, Response
from openbraket.wire.model import Model
from openbraket.wire.service import Service

hypothesis.settings.register_profile(
    "wire",
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[
        hypothesis.HealthCheck.filter_too_much,
        hypothesis.HealthCheck.too_slow,
    ],
)
Respond = Callable[[Request], Response]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ENDPOINT = "http://127.0.0.1:4567"


class SeenError(Exception):
    """The client's request was seen; there is no response."""


class RawBody(io.BytesIO):
    """What botocore expects of urllib3's response."""

    def stream(self, amt: int = 65536, decode_content: bool | None = None) -> Iterator[bytes]:
        while piece := self.read(amt):
            yield piece


def to_request(prepared: Any) -> Request:
    """Return a prepared botocore request as the server would receive it."""
    parts = urlsplit(prepared.url)
    headers: dict[str, str] = {}
    for name, value in prepared.headers.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        headers[name.lower()] = text
    headers.setdefault("host", parts.netloc)
    body = prepared.body
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    return Request(prepared.method, parts.path or "/", parts.query, headers, bytes(body or b""))


class Oracle:
    """A boto3 client that talks to a function instead of a server."""

    def __init__(self, name: str, service: Service, **config: Any) -> None:
        self.service = service
        self.client = boto3.client(
            name,
            region_name="us-west-2",
            endpoint_url=ENDPOINT,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            config=botocore.config.Config(
                retries={"total_max_attempts": 1},
                parameter_validation=config.pop("parameter_validation", True),
                **config,
            ),
        )
        self.model = self.client.meta.service_model
        self.methods = {v: k for k, v in self.client.meta.method_to_api_mapping.items()}
        self._respond: Respond | None = None
        self.client.meta.events.register("before-send", self._send)

    def _send(self, request: Any, **_: Any) -> Any:
        assert self._respond is not None
        response = self._respond(to_request(request))
        headers = botocore.awsrequest.HeadersDict()
        for name, value in response.headers:
            headers[name] = value
        body = b"" if request.method == "HEAD" else response.body
        return botocore.awsrequest.AWSResponse(request.url, response.status, headers, RawBody(body))

    def call(self, operation: str, params: dict[str, Any], respond: Respond) -> dict[str, Any]:
        """Call an operation; `respond` is the server."""
        self._respond = respond
        return getattr(self.client, self.methods[operation])(**params)

    def parsed(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return what our parser makes of the client's request."""
        seen: list[dict[str, Any]] = []

        def respond(request: Request) -> Response:
            found, labels = self.service.route(request)
            assert found.name == operation
            seen.append(found.parse(request, labels))
            raise SeenError

        with pytest.raises(SeenError):
            self.call(operation, params, respond)
        return seen[0]

    def returned(
        self, operation: str, params: dict[str, Any], output: dict[str, Any]
    ) -> dict[str, Any]:
        """Return what the client makes of our response."""
        result = self.call(
            operation,
            params,
            lambda _: self.service.operations[operation].serialize(output, "request-1"),
        )
        metadata = result.pop("ResponseMetadata")
        assert metadata["RequestId"] == "request-1"
        return result


@pytest.fixture(scope="module", autouse=True)
def _profile() -> Iterator[None]:
    """Use this folder's settings, in this folder only, for what is generated inside a test."""
    before = hypothesis.settings.get_current_profile_name()
    hypothesis.settings.load_profile("wire")
    yield
    hypothesis.settings.load_profile(before)


@pytest.fixture(scope="session")
def braket() -> Service:
    return Service.load("braket")


@pytest.fixture(scope="session")
def s3() -> Service:
    return Service.load("s3")


@pytest.fixture(scope="session")
def sts() -> Service:
    return Service.load("sts")


@pytest.fixture(scope="session")
def logs() -> Service:
    source = botocore.loaders.Loader().load_service_model("logs", "service-2")
    return Service("logs", Model.build(source))


@pytest.fixture(scope="session")
def braket_oracle(braket: Service) -> Oracle:
    return Oracle("braket", braket)


@pytest.fixture(scope="session")
def s3_oracle(s3: Service) -> Oracle:
    return Oracle("s3", s3)


@pytest.fixture(scope="session")
def sts_oracle(sts: Service) -> Oracle:
    return Oracle("sts", sts)


@pytest.fixture(scope="session")
def logs_oracle(logs: Service) -> Oracle:
    return Oracle("logs", logs)


XML_TEXT = st.text(
    st.characters(
        exclude_categories=("Cs", "Cc"),
        include_characters="\t\n\r",
        exclude_characters="\ufffe\uffff",
    ),
    max_size=12,
)
HEADER_TEXT = st.text(string.ascii_letters + string.digits + "-_./=;:\"'", min_size=1, max_size=12)
JSON_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


class Generator:
    """Makes strategies for values of botocore's shapes.

    Args:
        text: Strategy of strings without a pattern.
        skipped: Names of members that are never generated.
        least: Least size of lists and maps; 1 where the wire cannot tell empty from absent.
    """

    def __init__(
        self, text: st.SearchStrategy[str], skipped: tuple[str, ...] = (), least: int = 0
    ) -> None:
        self.text = text
        self.skipped = skipped
        self.least = least

    def structure(self, shape: Any, depth: int = 0) -> st.SearchStrategy[dict[str, Any]]:
        """Return inputs or outputs of `shape`; optional members come and go."""
        if shape is None:
            return st.just({})
        members = {
            name: self._located(member, depth + 1)
            for name, member in shape.members.items()
            if not name.startswith(self.skipped or "\0")
        }
        required = {name: members[name] for name in shape.required_members if name in members}
        optional = {name: value for name, value in members.items() if name not in required}
        if getattr(shape, "is_tagged_union", False):
            return st.one_of([
                st.fixed_dictionaries({name: value}) for name, value in optional.items()
            ])
        if depth > 4:
            optional = {}
        structures = st.fixed_dictionaries(required, optional=optional)
        # Where the wire cannot tell empty from absent, there is no empty structure in a list.
        return structures.filter(bool) if self.least and depth and members else structures

    def _located(self, member: Any, depth: int) -> st.SearchStrategy[Any]:
        location = member.serialization.get("location")
        if location is None:
            return self.value(member, depth)
        header_text = st.text(min_size=1, max_size=20) if location == "uri" else HEADER_TEXT
        if location == "uri":
            header_text = st.text(
                st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20
            )
        inner = Generator(header_text, self.skipped, least=1)
        if member.type_name == "map":
            keys = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=8)
            return st.dictionaries(keys, HEADER_TEXT, min_size=1, max_size=3)
        return inner.value(member, depth)

    def value(self, shape: Any, depth: int = 0) -> st.SearchStrategy[Any]:
        """Return values of any shape."""
        kind, traits = shape.type_name, shape.metadata
        low, high = traits.get("min"), traits.get("max")
        if kind == "structure":
            return self.structure(shape, depth)
        if kind == "list":
            least = max(low or 0, self.least)
            most = min(high or 3, max(least, 3))
            return st.lists(self.value(shape.member, depth + 1), min_size=least, max_size=most)
        if kind == "map":
            least = max(low or 0, self.least)
            keys, values = self.value(shape.key, depth + 1), self.value(shape.value, depth + 1)
            return st.dictionaries(keys, values, min_size=least, max_size=max(least, 3))
        if kind == "string":
            return self._string(shape, low or 0, high)
        if kind in {"integer", "long"}:
            bits = 31 if kind == "integer" else 63
            least = -(2**bits) if low is None else low
            return st.integers(least, 2**bits - 1 if high is None else high)
        if kind in {"float", "double"}:
            return st.floats(allow_nan=False, allow_infinity=False)
        scalars: dict[str, st.SearchStrategy[Any]] = {
            "boolean": st.booleans(),
            "blob": st.binary(max_size=20),
            "timestamp": st.integers(0, 4_000_000_000).map(
                lambda seconds: EPOCH + timedelta(seconds=seconds)
            ),
        }
        return scalars[kind]

    def _string(self, shape: Any, low: int, high: int | None) -> st.SearchStrategy[str]:
        if getattr(shape, "enum", None):
            return st.sampled_from(shape.enum)
        pattern = shape.metadata.get("pattern")
        if pattern:
            translated = f"(?a:{patterns.translate(pattern)})"
            is_slow = low > 1 or r"\p" in pattern
            if is_slow and re.fullmatch(translated, "a" * max(low, 1)):
                # Drawing from the expression until the length fits takes seconds.
                return st.text("abcdefgh", min_size=low, max_size=low + 9)
            printable = st.characters(min_codepoint=32, max_codepoint=126)
            texts = st.from_regex(translated, fullmatch=True, alphabet=printable)
            return texts.filter(lambda text: low <= len(text) <= (high or 10**6))
        if low:
            return st.text(
                string.ascii_letters, min_size=low, max_size=max(low, min(high or 9, low + 9))
            )
        return self.text if high is None else self.text.map(lambda text: text[:high])


@pytest.fixture(scope="session")
def json_values() -> Generator:
    return Generator(JSON_TEXT)


@pytest.fixture(scope="session")
def new_generator() -> type[Generator]:
    return Generator


@pytest.fixture(scope="session")
def xml_text() -> st.SearchStrategy[str]:
    return XML_TEXT


def plain(value: Any) -> Any:
    """Return a botocore value in the wire's terms: times as milliseconds, streams as bytes."""
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.read() if hasattr(value, "read") else value


@pytest.fixture(scope="session")
def to_plain() -> Callable[[Any], Any]:
    return plain


@pytest.fixture(scope="session")
def new_oracle() -> type[Oracle]:
    return Oracle


@pytest.fixture(scope="session")
def from_botocore() -> Callable[[Any], Request]:
    return to_request


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def caught_error() -> Callable[..., ServiceError]:
    """Return a function that calls another and returns the ServiceError it raises."""

    def catch(function: Callable[..., Any], *args: Any, **kwargs: Any) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            function(*args, **kwargs)
        return caught.value

    return catch

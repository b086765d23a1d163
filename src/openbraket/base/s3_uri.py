"""S3 locations as requests write them: `s3://…` and the `https://…` forms."""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

_S3: Final = re.compile(r"s3://([^/]+)/?(.*)", re.DOTALL)
# `https://BUCKET.s3.REGION.amazonaws.com/KEY` and `https://s3.REGION.amazonaws.com/BUCKET/KEY`,
# both also without the region or with it after a hyphen.
_HTTPS: Final = re.compile(
    r"https://(?:(?P<bucket>[^/]+)\.)?s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:/(?P<path>.*))?",
    re.DOTALL,
)


class S3Location(NamedTuple):
    """A bucket, and a key or key prefix in it, which may be empty."""

    bucket: str
    key: str

    def below(self, name: str) -> str:
        """Return the key of a name below this location, taken as a folder."""
        folder = self.key.rstrip("/")
        return f"{folder}/{name}" if folder else name


def parse_s3_uri(text: str) -> S3Location | None:
    """Return the location that a URI names, or None where it names none."""
    if (match := _S3.fullmatch(text)) is not None:
        return S3Location(match[1], match[2])
    match = _HTTPS.fullmatch(text)
    if match is None:
        return None
    path = unquote(match["path"] or "")
    if match["bucket"]:
        return S3Location(match["bucket"], path)
    bucket, _, key = path.partition("/")
    return S3Location(bucket, key) if bucket else None

"""Client tokens: a request that comes twice is answered as the first time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, select

from openbraket.base.errors import StoreError
from openbraket.store.statements import Statement, Upsert
from openbraket.store.tables import client_tokens


class ClientTokenReusedError(StoreError):
    """A client token came again with another request."""


@dataclass(frozen=True, slots=True)
class ClientToken:
    """What identifies a request that may be repeated.

    Attributes:
        account: Twelve-digit account of the caller.
        region: Region of the request.
        operation: Name of the operation; tokens of different operations do not meet.
        token: The client's token.
        request_hash: Digest of everything else in the request.
    """

    account: str
    region: str
    operation: str
    token: str
    request_hash: str


class TokenKey(NamedTuple):
    """What a recorded token is found by; see `ClientToken`."""

    account: str
    region: str
    operation: str
    token: str


_IS_TOKEN = tuple(client_tokens.c[name] == bindparam(name) for name in TokenKey._fields)
_IS_OLD = client_tokens.c.created_at < bindparam("created_before")
_RECALL = Statement(
    select(client_tokens.c.request_hash, client_tokens.c.response_json).where(*_IS_TOKEN)
)
_LIST_OLDER = Statement(
    select(*(client_tokens.c[name] for name in TokenKey._fields))
    .where(_IS_OLD)
    .limit(bindparam("count_max"))
)
_FORGET = Statement(delete(client_tokens).where(*_IS_TOKEN, _IS_OLD))
_RECORD = Upsert(client_tokens)


def recall(connection: Connection, token: ClientToken) -> str | None:
    """Return the recorded response of an earlier request with this token.

    Args:
        connection: Any.
        token: The token and the digest of the request that it came with.

    Returns:
        The response as JSON text, or None where the token is new.

    Raises:
        ClientTokenReusedError: The token was recorded with another request.
    """
    row = _RECALL.first(
        connection,
        account=token.account,
        region=token.region,
        operation=token.operation,
        token=token.token,
    )
    if row is None:
        return None
    request_hash, response_json = row
    if request_hash != token.request_hash:
        raise ClientTokenReusedError(
            f"The client token '{token.token}' was used before with a different request."
        )
    return str(response_json)


def take(
    connection: Connection, token: ClientToken, response_json: str, *, created_at: int
) -> str | None:
    """Record a response for requests that will repeat the token, unless one is recorded.

    Args:
        connection: In the transaction that makes what the response tells.
        token: The token and the digest of the request that it came with.
        response_json: The response as JSON text.
        created_at: Now, milliseconds since the epoch.

    Returns:
        None where the token was new and is recorded now; else the response that was recorded.

    Raises:
        ClientTokenReusedError: The token was recorded with another request.
    """
    is_new = _RECORD.run(
        connection,
        account=token.account,
        region=token.region,
        operation=token.operation,
        token=token.token,
        request_hash=token.request_hash,
        response_json=response_json,
        created_at=created_at,
    )
    return None if is_new else recall(connection, token)


def list_older(connection: Connection, *, created_before: int, limit: int) -> list[TokenKey]:
    """Return tokens that were recorded before a time, at most `limit` of them, in no order.

    Cost: reads all tokens; for a connection of `Database.read_aside`. An index would cost every
    request that records a token.
    """
    rows = _LIST_OLDER.all(connection, created_before=created_before, count_max=limit)
    return [TokenKey(*row) for row in rows]


def forget(connection: Connection, keys: Iterable[TokenKey], *, created_before: int) -> None:
    """Remove tokens, unless they were recorded anew after `created_before`.

    Args:
        connection: In a write transaction.
        keys: The tokens.
        created_before: As given to `list_older`.
    """
    for key in keys:
        _FORGET.run(connection, **key._asdict(), created_before=created_before)

"""Old client tokens go, in pieces, and young ones stay."""

import asyncio

import pytest

from openbraket.server import token_chore
from openbraket.server.token_chore import TOKEN_KEPT_MS, forget_old_tokens
from openbraket.store import tokens
from openbraket.store.tokens import ClientToken
from support.databases import open_database

NOW = 10 * TOKEN_KEPT_MS


@pytest.fixture
def database(tmp_path):
    database = open_database(tmp_path / "data" / "openbraket.sqlite3")
    yield database
    database.close()


def token(number):
    return ClientToken("000000000000", "us-east-1", "CreateJob", str(number), "hash")


def test_tokens_are_kept_for_their_time_and_no_longer(database, monkeypatch):
    monkeypatch.setattr(token_chore, "BATCH_COUNT_MAX", 3)
    monkeypatch.setattr(token_chore, "LISTED_COUNT_MAX", 7)

    def fill(connection):
        for number in range(20):
            at = NOW - TOKEN_KEPT_MS - (number < 17)
            tokens.take(connection, token(number), "{}", created_at=at)

    async def chore():
        await database.write(fill)
        return [await forget_old_tokens(database, now=NOW) for _ in range(2)]

    assert asyncio.run(chore()) == [17, 0]
    with database.read() as connection:
        kept = [n for n in range(20) if tokens.recall(connection, token(n)) is not None]
    assert kept == [17, 18, 19]

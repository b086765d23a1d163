"""What only PostgreSQL does, and set-ups that are refused."""

import asyncio
import sys
import threading

import pytest
from sqlalchemy import text

from openbraket.base.errors import StoreError
from openbraket.blobs import LocalBlobs
from openbraket.server.backup import back_up, check
from openbraket.store.access_keys import AccessKey, add_key, list_keys
from openbraket.store.buckets import Bucket, create_bucket, list_buckets
from openbraket.store.data_directory import IDENTITY_NAME
from openbraket.store.database import DATABASE_NAME, Database, open_beside
from openbraket.store.objects import put_object
from openbraket.store.shared_snapshot import describe_database
from openbraket.store.spending_limits import SpendingLimit, create, of_device, spend
from support.databases import (
    database_url,
    empty_database_url,
    open_database,
    postgresql_only,
    postgresql_server,
)
from support.patience import PATIENCE_S
from support.postgresql import PASSWORD

pytestmark = pytest.mark.anyio
TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
KEY = AccessKey("A", "secret", "000000000000", 1)


def refusal(path, url):
    with pytest.raises(StoreError) as caught:
        Database.open(path / DATABASE_NAME, url=url)
    return str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["mysql://user:hidden@host/name", "postgresql+psycopg://user:hidden@host", "nonsense:hidden@"],
)
def test_address_of_something_else_is_refused_without_its_password(tmp_path, url):
    message = refusal(tmp_path, url)
    assert "postgresql+psycopg://USER:PASSWORD@HOST:5432/NAME" in message
    assert "hidden" not in message


def test_missing_driver_is_named_with_what_installs_it(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "openbraket.store.postgresql", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    message = refusal(tmp_path, "postgresql+psycopg://user@127.0.0.1/name")
    assert "pip install 'openbraket[postgres]'" in message


@postgresql_only
class TestSetUps:
    def test_unreachable_server(self, tmp_path):
        url = "postgresql+psycopg://user:hidden@127.0.0.1:1/name"
        message = refusal(tmp_path, url)
        assert "127.0.0.1" in message
        assert "refused" in message
        assert "hidden" not in message

    def test_wrong_password(self, tmp_path):
        message = refusal(tmp_path, postgresql_server().url(password="hidden"))
        assert "password authentication failed" in message
        assert "hidden" not in message

    def test_database_that_is_not_there(self, tmp_path):
        assert "does not exist" in refusal(tmp_path, postgresql_server().url("nowhere"))

    def test_newer_schema(self, tmp_path):
        database = open_database(tmp_path / DATABASE_NAME)
        database.write_soon(
            lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        ).result(timeout=PATIENCE_S)
        database.close()
        assert "'9999', which this version" in refusal(tmp_path, database_url(tmp_path))

    def test_other_encoding(self, tmp_path):
        with postgresql_server().connect() as connection:
            connection.execute(
                "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
            )
        message = refusal(tmp_path, postgresql_server().url("ascii"))
        assert "encoding SQL_ASCII" in message
        assert "UTF8 are needed" in message

    def test_servers_that_start_together_on_an_empty_database(self, tmp_path):
        url = empty_database_url(tmp_path)
        barrier, opened, errors = threading.Barrier(4), [], []

        def start():
            barrier.wait(PATIENCE_S)
            try:
                opened.append(Database.open(tmp_path / DATABASE_NAME, url=url))
            except StoreError as error:
                errors.append(error)

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        for database in opened:
            database.close()
        assert errors == []
        assert len(opened) == 4

    def test_data_directory_of_another_database(self, tmp_path):
        open_database(tmp_path / "one" / DATABASE_NAME).close()
        open_database(tmp_path / "two" / DATABASE_NAME).close()
        message = refusal(tmp_path / "one", database_url(tmp_path / "two"))
        assert "does not belong to the database" in message
        assert "two" not in message

    def test_fresh_data_directory_for_a_database_in_use(self, tmp_path):
        open_database(tmp_path / "one" / DATABASE_NAME).close()
        message = refusal(tmp_path / "new", database_url(tmp_path / "one"))
        assert "does not belong to the database" in message

    def test_data_directory_with_records_in_sqlite(self, tmp_path):
        Database.open(tmp_path / DATABASE_NAME).close()
        assert "records of its own" in refusal(tmp_path, database_url(tmp_path))

    def test_data_directory_of_postgresql_without_its_address(self, tmp_path):
        open_database(tmp_path / DATABASE_NAME).close()
        assert "--database" in refusal(tmp_path, "")
        assert (tmp_path / IDENTITY_NAME).exists()
        assert not (tmp_path / DATABASE_NAME).exists()

    def test_sqlite_server_beside_one_with_postgresql(self, tmp_path):
        database = open_database(tmp_path / DATABASE_NAME)
        assert "in use by another server" in refusal(tmp_path, "")
        database.close()


@postgresql_only
class TestServers:
    async def test_two_servers_see_each_other(self, tmp_path):
        one, two = (open_database(tmp_path / DATABASE_NAME) for _ in range(2))
        await one.write(lambda connection: add_key(connection, KEY))
        with two.read() as connection:
            assert list_keys(connection) == [KEY]
        one.close()
        two.close()

    async def test_changes_of_two_servers_take_turns(self, tmp_path):
        """Of many who look first and then create, one creates; a limit is never overdrawn."""
        servers = [open_database(tmp_path / DATABASE_NAME) for _ in range(2)]
        limit = SpendingLimit(0, "l", "0", "r", "d", "10", 10, 0, 9, 0, 0, 1, 1)
        await servers[0].write(lambda c: create(c, limit))
        bucket = Bucket("b", "0", "r", 1)
        found = await asyncio.gather(
            *(server.write(lambda c: create_bucket(c, bucket)) for server in servers * 20)
        )
        spent = await asyncio.gather(
            *(server.write(lambda c: spend(c, limit, 1)) for server in servers * 20)
        )
        assert found.count(None) == 1
        assert spent.count(True) == 10
        with servers[1].read() as connection:
            assert len(list_buckets(connection, "0")) == 1
            assert of_device(connection, "0", "r", "d").queued_spend == 10
        for server in servers:
            server.close()

    async def test_writer_that_lost_its_connection_gets_another(self, tmp_path):
        database = open_database(tmp_path / DATABASE_NAME)
        await database.write(lambda connection: add_key(connection, KEY))
        with database.read() as connection:
            connection.exec_driver_sql(TERMINATE)
        await database.write(lambda connection: add_key(connection, AccessKey("B", "s", "0", 1)))
        with database.read() as connection:
            assert len(list_keys(connection)) == 2
        database.close()

    async def test_writer_killed_in_a_transaction_tells_every_caller(self, tmp_path):
        database = open_database(tmp_path / DATABASE_NAME)
        entered, release = threading.Event(), threading.Event()
        blocker = database.write_soon(lambda connection: (entered.set(), release.wait(PATIENCE_S)))
        entered.wait(PATIENCE_S)
        killed = database.submit(
            lambda c: c.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        )
        lost = database.submit(lambda connection: add_key(connection, KEY))
        release.set()
        for future in (killed, lost):
            with pytest.raises(StoreError, match="could not be written"):
                await future
        blocker.result(timeout=PATIENCE_S)
        await database.write(lambda connection: add_key(connection, KEY))
        database.close()

    async def test_change_whose_statement_failed_unseen_is_not_told_as_committed(self, tmp_path):
        database = open_database(tmp_path / DATABASE_NAME)

        def swallow(connection):
            add_key(connection, KEY)
            try:
                add_key(connection, KEY)
            except Exception:
                return

        with pytest.raises(StoreError, match="could not be written"):
            await database.write(swallow)
        with database.read() as connection:
            assert list_keys(connection) == []
        database.close()

    async def test_text_with_a_null_character_is_kept(self, tmp_path):
        database = open_database(tmp_path / DATABASE_NAME)
        await database.write(lambda c: add_key(c, AccessKey("A\0", "s", "0", 1)))
        with database.read() as connection:
            (key,) = list_keys(connection)
        assert key.access_key == "A\1"
        database.close()

    async def test_database_that_is_away_is_not_tried_by_everybody(self, tmp_path):
        database = open_database(tmp_path / DATABASE_NAME)
        await database.write(lambda connection: add_key(connection, KEY))
        with database.read() as connection:
            assert list_keys(connection) == [KEY]
        with database.read() as connection:
            connection.exec_driver_sql(TERMINATE)
        database.backend.is_away = True
        with pytest.raises(StoreError, match="cannot be reached"), database.read():
            pass
        with pytest.raises(StoreError, match="cannot be reached"):
            await database.write(lambda connection: None)
        database.backend.is_away = False
        await database.write(lambda connection: add_key(connection, AccessKey("B", "s", "0", 1)))
        with database.read() as connection:
            assert len(list_keys(connection)) == 2
        database.close()


@postgresql_only
class TestFromOutside:
    def test_state_of_a_database_is_told_and_nothing_changed(self, tmp_path):
        url = empty_database_url(tmp_path)
        assert describe_database(tmp_path, url).endswith(", empty")
        assert list(tmp_path.iterdir()) == []
        Database.open(tmp_path / DATABASE_NAME, url=url).close()
        text = describe_database(tmp_path, url)
        assert "PostgreSQL " in text
        assert text.endswith(", has records")
        assert PASSWORD not in text

    def test_database_that_no_server_could_use_is_refused(self, tmp_path):
        one, two = tmp_path / "one", tmp_path / "two"
        open_database(one / DATABASE_NAME).close()
        with pytest.raises(StoreError, match="does not belong"):
            describe_database(two, database_url(one))
        with open_beside(one / DATABASE_NAME, url=database_url(one)) as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StoreError, match="newer version"):
            describe_database(one, database_url(one))
        with pytest.raises(StoreError, match="revision 9999"):
            check(one, lambda *_: None, reads_contents=False, url=database_url(one))

    def test_check_finds_what_is_wrong_with_contents(self, tmp_path):
        blobs = LocalBlobs(tmp_path)
        url = database_url(tmp_path)
        found = {name: blobs.put(name.encode()) for name in ("gone", "changed", "sound")}
        with open_beside(tmp_path / DATABASE_NAME, url=url) as connection:
            create_bucket(connection, Bucket("b", "0", "r", 1))
            for name, blob in found.items():
                put_object(connection, bucket="b", key=name, blob=blob, last_modified=1)
        assert check(tmp_path, lambda *_: None, reads_contents=True, url=url) == []
        blobs.delete(found["gone"].id)
        blobs.path(found["changed"].id).write_bytes(b"CHANGED")
        findings = check(tmp_path, lambda *_: None, reads_contents=True, url=url)
        assert sorted(finding.partition(":")[2].partition(":")[0] for finding in findings) == [
            "//b/changed",
            "//b/gone",
        ]
        with pytest.raises(StoreError, match="give its address with --database"):
            check(tmp_path, lambda *_: None, reads_contents=False)
        with pytest.raises(StoreError, match="pg_dump"):
            back_up(tmp_path, tmp_path / "copy", lambda *_: None)

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import threading

import pytest
from sqlalchemy import insert, select, text

from openbraket.base.errors import ProgramError, StoreError
from openbraket.store.access_keys import (
    AccessKey,
    add_key,
    delete_key,
    get_key,
    list_keys,
    register,
)
from openbraket.store.database import DATABASE_NAME
from openbraket.store.tables import access_keys
from support.databases import IS_POSTGRESQL, database_url, open_database, sqlite_only
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


def key(name):
    return AccessKey(name, "secret", "000000000000", 1)


def names(database):
    with database.read() as connection:
        return [item.access_key for item in list_keys(connection)]


async def test_write_is_visible_to_reads_once_it_returns(database):
    await database.write(lambda connection: add_key(connection, key("A")))
    assert names(database) == ["A"]


async def test_write_returns_the_result_of_the_work(database):
    assert await database.write(lambda connection: connection.scalar(text("SELECT 42"))) == 42


async def test_work_may_use_core_statements(database):
    statement = insert(access_keys).values(
        access_key="A", secret_key="s", account="0", created_at=1
    )
    await database.write(lambda connection: connection.execute(statement))
    with database.read() as connection:
        assert connection.scalar(select(access_keys.c.secret_key)) == "s"


async def test_failing_write_undoes_its_own_change_and_no_other(database):
    release = threading.Event()
    blocker = database.write_soon(lambda connection: release.wait(PATIENCE_S))

    def fail(connection):
        add_key(connection, key("lost"))
        raise ProgramError("no")

    pending = [
        database.submit(lambda connection: add_key(connection, key("A"))),
        database.submit(fail),
        database.submit(lambda connection: add_key(connection, key("B"))),
        database.submit(lambda connection: add_key(connection, key("A"))),
    ]
    release.set()
    results = await asyncio.gather(*pending, return_exceptions=True)
    blocker.result()
    assert results[0] is None
    assert results[2] is None
    assert isinstance(results[1], ProgramError)
    assert isinstance(results[3], StoreError)
    assert "unique" in str(results[3]).lower()
    assert names(database) == ["A", "B"]


async def test_guard_is_asked_once_a_transaction_and_refuses_only_its_own_changes(database):
    asked = []

    def guard(connection):
        asked.append(names(database))
        if len(asked) > 1:
            raise StoreError("not ours any more")

    guarded = database.guarded(guard)
    release = threading.Event()
    blocker = database.write_soon(lambda connection: release.wait(PATIENCE_S))
    first = [guarded.submit(lambda c, n=n: add_key(c, key(n))) for n in "AB"]
    release.set()
    await asyncio.gather(*first)
    assert len(asked) == 1
    blocker.result()
    release.clear()
    blocker = database.write_soon(lambda connection: release.wait(PATIENCE_S))
    mixed = [
        guarded.submit(lambda connection: add_key(connection, key("C"))),
        database.submit(lambda connection: add_key(connection, key("D"))),
        guarded.submit(lambda connection: add_key(connection, key("E")), is_lasting=False),
    ]
    release.set()
    results = await asyncio.gather(*mixed, return_exceptions=True)
    blocker.result()
    assert [str(result) for result in results] == ["not ours any more", "None", "not ours any more"]
    with pytest.raises(StoreError, match="not ours"):
        await guarded.write(lambda connection: add_key(connection, key("F")))
    with pytest.raises(StoreError, match="not ours"):
        guarded.write_soon(lambda connection: add_key(connection, key("F"))).result(
            timeout=PATIENCE_S
        )
    assert names(guarded) == ["A", "B", "D"]


async def test_concurrent_writes_share_transactions_and_keep_their_order(database):
    release = threading.Event()
    database.write_soon(lambda connection: release.wait(PATIENCE_S))
    order = []
    commits_before = commit_count(database)

    def work(number):
        def append(connection):
            add_key(connection, key(f"{number:03}"))
            order.append(number)

        return append

    pending = [database.submit(work(number)) for number in range(100)]
    release.set()
    await asyncio.gather(*pending)
    assert order == list(range(100))
    assert len(names(database)) == 100
    assert commit_count(database) - commits_before <= 2


def commit_count(database):
    """Changes by one for each commit of the writer."""
    query = "SELECT txid_current()" if IS_POSTGRESQL else "PRAGMA data_version"
    with database.read() as connection:
        return connection.scalar(text(query))


async def test_cancelled_caller_leaves_the_change_committed(database):
    release = threading.Event()
    database.write_soon(lambda connection: release.wait(PATIENCE_S))
    caller = asyncio.create_task(database.write(lambda connection: add_key(connection, key("A"))))
    await asyncio.sleep(0)
    caller.cancel()
    release.set()
    await database.write(lambda connection: None)
    assert names(database) == ["A"]


async def test_read_sees_one_snapshot(database):
    await database.write(lambda connection: add_key(connection, key("A")))
    with database.read() as connection:
        assert len(list_keys(connection)) == 1
        await database.write(lambda other: add_key(other, key("B")))
        assert len(list_keys(connection)) == 1
    assert names(database) == ["A", "B"]


async def test_change_through_a_read_is_undone(database):
    with database.read() as connection:
        add_key(connection, key("A"))
    assert names(database) == []


async def test_read_aside_runs_in_another_thread(database):
    await database.write(lambda connection: add_key(connection, key("A")))
    found, thread = await database.read_aside(
        lambda connection: (get_key(connection, "A"), threading.get_ident())
    )
    assert found == key("A")
    assert thread != threading.get_ident()


async def test_records_survive_reopening(tmp_path):
    path = tmp_path / "data" / DATABASE_NAME
    for name in ("A", "B"):
        database = open_database(path, durability="full")
        await database.write(lambda connection, name=name: add_key(connection, key(name)))
        database.close()
    database = open_database(path, durability="full")
    assert names(database) == ["A", "B"]
    database.close()


@sqlite_only
async def test_passing_changes_share_the_full_durability_of_the_next(tmp_path):
    database = open_database(tmp_path / DATABASE_NAME, durability="full")
    synchronous = []

    def note(connection):
        synchronous.append(connection.scalar(text("PRAGMA synchronous")))

    await database.submit(note, is_lasting=False)
    await database.submit(note)
    await database.submit(note, is_lasting=False)
    database.close()
    assert synchronous == [1, 2, 1]


@sqlite_only
async def test_directory_in_use_refuses_a_second_server(database, tmp_path):
    with pytest.raises(StoreError, match=f"in use by another server \\(process {os.getpid()}\\)"):
        open_database(tmp_path / "data" / DATABASE_NAME, durability="normal")


@sqlite_only
def test_lock_ends_with_the_process_that_held_it(tmp_path):
    code = (
        "import os, pathlib, sys; from openbraket.store.database import Database; "
        "database = Database.open(pathlib.Path(sys.argv[1]), durability='normal'); "
        "os.kill(os.getpid(), 9)"
    )
    path = tmp_path / DATABASE_NAME
    process = subprocess.run([sys.executable, "-c", code, str(path)], timeout=PATIENCE_S)
    assert process.returncode == -9
    open_database(path, durability="normal").close()


async def test_key_registered_beside_a_running_server_is_seen(database, tmp_path):
    register(
        tmp_path / "data",
        "A",
        "secret",
        account="000000000000",
        created_at=1,
        url=database_url(tmp_path / "data"),
    )
    assert names(database) == ["A"]
    assert await database.write(lambda connection: delete_key(connection, "A"))
    assert not await database.write(lambda connection: delete_key(connection, "A"))


async def test_key_can_be_registered_before_the_first_start(tmp_path):
    register(
        tmp_path / "data",
        "A",
        "secret",
        account="000000000000",
        created_at=1,
        url=database_url(tmp_path / "data"),
    )
    database = open_database(tmp_path / "data" / DATABASE_NAME, durability="normal")
    assert names(database) == ["A"]
    database.close()


def test_records_are_readable_by_their_owner_only(database, tmp_path):
    database.write_soon(lambda connection: add_key(connection, key("A"))).result(timeout=PATIENCE_S)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    assert set(modes.values()) == {0o600}, modes


@sqlite_only
async def test_file_that_is_no_database_is_a_store_error(tmp_path):
    (tmp_path / DATABASE_NAME).write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="Cannot open the records"):
        open_database(tmp_path / DATABASE_NAME, durability="normal")


@sqlite_only
async def test_failed_commit_is_told_to_every_caller(database, tmp_path):
    other = sqlite3.connect(tmp_path / "data" / DATABASE_NAME)
    await database.write(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout = 1"))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="could not be written: database is locked"):
        await database.write(lambda connection: add_key(connection, key("A")))
    other.rollback()
    other.close()
    await database.write(lambda connection: add_key(connection, key("B")))
    assert names(database) == ["B"]


def write_and_die(path):
    """Commit twenty keys one after the other in a process that then kills itself."""
    code = (
        "import os, pathlib, sys; from openbraket.store.database import Database; "
        "from openbraket.store.access_keys import AccessKey, add_key; "
        "database = Database.open(pathlib.Path(sys.argv[1]), durability='normal'); "
        "[database.write_soon(lambda c: add_key(c, AccessKey(f'{n:03}', 's', '0', 1))).result(30) "
        "for n in range(20)]; os.kill(os.getpid(), 9)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code, str(path)], timeout=PATIENCE_S).returncode == -9
    )


@sqlite_only
@pytest.mark.parametrize("seed", range(8))
async def test_log_cut_off_anywhere_leaves_a_beginning_of_the_commits(tmp_path, seed):
    rng = random.Random(seed)
    path = tmp_path / DATABASE_NAME
    write_and_die(path)
    log = path.with_name(path.name + "-wal")
    size = log.stat().st_size
    os.truncate(log, rng.randrange(size))
    if seed % 2:
        with log.open("r+b") as file:
            file.seek(rng.randrange(log.stat().st_size + 1))
            file.write(rng.randbytes(64))
    try:
        database = open_database(path, durability="normal")
    except StoreError:
        raise AssertionError(f"seed {seed}: the records cannot be opened") from None
    found = names(database)
    assert found == [f"{number:03}" for number in range(len(found))]
    await database.write(lambda connection: add_key(connection, key("new")))
    with database.read() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    database.close()


def test_future_that_its_owner_cancels_does_not_stop_the_writer(database):
    release = threading.Event()
    database.write_soon(lambda connection: release.wait(PATIENCE_S))
    future = database.write_soon(lambda connection: 1)
    # The thread may be about to resolve it: too late.
    assert not future.cancel()
    release.set()
    assert future.result(timeout=PATIENCE_S) == 1


async def test_closure_that_runs_twice_takes_effect_once(database):
    release, runs = threading.Event(), []
    blocker = database.write_soon(lambda connection: release.wait(PATIENCE_S))

    def add(connection):
        add_key(connection, key("A"))
        runs.append(len(runs) + 1)
        return runs[-1]

    def fail(connection):
        raise ProgramError("no")

    pending = [database.submit(add), database.submit(fail)]
    release.set()
    assert await pending[0] == 2
    with pytest.raises(ProgramError):
        await pending[1]
    blocker.result()
    assert names(database) == ["A"]


async def test_close_commits_what_was_handed_over_and_refuses_more(tmp_path):
    path = tmp_path / DATABASE_NAME
    database = open_database(path, durability="normal")
    futures = [
        database.write_soon(lambda connection, n=n: add_key(connection, key(f"{n:02}")))
        for n in range(50)
    ]
    database.close()
    assert all(future.done() for future in futures)
    with pytest.raises(StoreError, match="closed"):
        await database.write(lambda connection: None)
    with pytest.raises(StoreError, match="closed"), database.read():
        pass
    database = open_database(path, durability="normal")
    assert len(names(database)) == 50
    database.close()


@sqlite_only
def test_import_of_alembic_is_left_to_migrations(tmp_path):
    code = (
        "import pathlib, sys; from openbraket.store.database import Database; "
        "path = pathlib.Path(sys.argv[1]); "
        "Database.open(path, durability='normal').close(); "
        "Database.open(path, durability='normal').close(); "
        "assert 'alembic' not in sys.modules; assert 'numpy' not in sys.modules"
    )
    path = str(tmp_path / DATABASE_NAME)
    subprocess.run([sys.executable, "-c", code, path], timeout=PATIENCE_S, check=True)


def test_write_from_threads_without_an_event_loop(database):
    def worker(base):
        for number in range(20):
            database.write_soon(
                lambda connection: add_key(connection, key(f"{base}-{number}"))  # noqa: B023
            ).result(timeout=PATIENCE_S)

    threads = [threading.Thread(target=worker, args=(base,)) for base in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(database)) == 80

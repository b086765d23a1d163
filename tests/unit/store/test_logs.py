"""Logs: order and bounds."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbraket.store import logs
from openbraket.store.logs import HEAD, TAIL, Position

PLACE = {"account": "000000000000", "region": "us-east-1", "group": "g"}


def make_stream(connection, name="s"):
    logs.create_group(
        connection, account=PLACE["account"], region=PLACE["region"], name="g", created_at=1
    )
    logs.create_stream(connection, **PLACE, name=name, created_at=1)
    return logs.get_stream(connection, **PLACE, name=name)


def stream(database, name="s"):
    with database.read() as connection:
        return logs.get_stream(connection, **PLACE, name=name)


def read_all(database, name="s", **bounds):
    with database.read() as connection:
        found = logs.get_stream(connection, **PLACE, name=name)
        return list(logs.read(connection, found.id, **bounds))


def size(events):
    return sum(len(event.message.encode()) + logs.EVENT_BYTES_EXTRA for event in events)


TIMES = st.integers(0, 6)
PLACES = st.builds(Position, TIMES, st.integers(0, 20)) | st.sampled_from([HEAD, TAIL])


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    batches=st.lists(st.lists(TIMES, min_size=1, max_size=5), max_size=4),
    start=TIMES,
    end=TIMES,
    after=PLACES,
    before=PLACES,
    is_newest_first=st.booleans(),
)
def test_events_come_in_the_order_of_time_and_coming(database, write, batches, **bounds):
    def work(connection):
        found = make_stream(connection)
        logs.delete_stream(connection, found)
        found = make_stream(connection)
        for batch in batches:
            logs.append(connection, found.id, [(at, str(at)) for at in batch], now=9)

    write(work)
    whole = sorted((at, number) for number, at in enumerate((at for b in batches for at in b), 1))
    wanted = [
        place
        for place in whole
        if bounds["start"] <= place[0] < bounds["end"]
        and bounds["after"] < place < bounds["before"]
    ]
    if bounds["is_newest_first"]:
        wanted.reverse()
    assert [event.position for event in read_all(database, **bounds)] == wanted
    found = stream(database)
    assert (found.event_count, found.last_number) == (len(whole), len(whole))
    assert (found.first_at, found.last_at) == (
        (whole[0][0], whole[-1][0]) if whole else (None, None)
    )


def test_stream_loses_its_oldest_events_beyond_its_bound(database, write, monkeypatch):
    monkeypatch.setattr(logs, "STREAM_BYTES_MAX", 10_000)
    monkeypatch.setattr(logs, "TRIM_COUNT", 7)
    for number in range(0, 500, 10):
        batch = [(i, f"é{i}") for i in range(number, number + 10)]
        write(lambda connection, batch=batch: logs.append(
            connection, make_stream(connection).id, batch, now=9
        ))  # fmt: skip
        events, found = read_all(database), stream(database)
        assert size(events) == found.byte_count <= 10_000
        assert (len(events), events[0].at) == (found.event_count, found.first_at)
    assert events[-1].at == 499
    assert [event.at for event in events] == list(range(events[0].at, 500))
    assert found.last_number == 500


def test_one_event_larger_than_the_bound_ends_the_trimming(database, write, monkeypatch):
    monkeypatch.setattr(logs, "STREAM_BYTES_MAX", 100)
    write(lambda connection: logs.append(
        connection, make_stream(connection).id, [(1, "x" * 500)], now=9
    ))  # fmt: skip
    assert stream(database).byte_count <= 100


def test_all_streams_together_are_bounded(database, write, monkeypatch):
    monkeypatch.setattr(logs, "LOG_BYTES_MAX", 20_000)
    monkeypatch.setattr(logs, "_LOOK_BYTES", 1000)
    for number in range(10):

        def work(connection, number=number):
            found = make_stream(connection, f"s{number}")
            logs.append(connection, found.id, [(1, "x" * 74)] * 50, now=number)

        write(work)
    counts = [stream(database, f"s{number}").event_count for number in range(10)]
    assert sum(counts) * 100 <= 20_000
    # Those written longest ago went first.
    assert counts == sorted(counts)
    assert counts[-1] == 50

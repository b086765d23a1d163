"""Many clients, while workers, servers and the database are killed again and again.

`OPENBRAKET_FAULTS_TASKS=10000 OPENBRAKET_FAULTS_JOBS=200` is the full size; it takes a while.
`OPENBRAKET_FAULTS_SEED` chooses the same kills again, though not the same moments.

The records keep the history themselves: triggers write down each change of a status and each
object that is published, whichever server makes it. A client keeps what it was told meanwhile.
"""

import json
import os
import random
import time
import uuid
from collections import Counter

import pytest

from openbraket.engine import job_states
from openbraket.engine.states import TRANSITIONS
from support.storm.clients import SCRIPT_TEXT, Client, JobClient, Watcher, client
from support.storm.houses import PostgresqlHouse, SqliteHouse
from support.storm.told import TERMINAL, steps
from support.tasks import BUCKET

CLIENT_COUNT = 4
TASK_COUNT = int(os.environ.get("OPENBRAKET_FAULTS_TASKS", "300"))
JOB_COUNT = int(os.environ.get("OPENBRAKET_FAULTS_JOBS", "3"))
KILL_COUNT_MIN = 3
# For a machine that is busy with other things; a job takes a second or two of a processor.
WAIT_S = 120 + TASK_COUNT // 5 + 10 * JOB_COUNT


@pytest.mark.slow
@pytest.mark.parametrize("make_house", [SqliteHouse, PostgresqlHouse])
def test_storm_of_kills_loses_nothing_and_doubles_nothing(tmp_path, make_house):
    seed = int(os.environ.get("OPENBRAKET_FAULTS_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    rng = random.Random(seed)
    house = make_house(tmp_path / "data", rng)
    threads = []
    try:
        s3 = client(house.endpoint_urls[0], "s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="script/algorithm.py", Body=SCRIPT_TEXT)
        deadline_s = time.monotonic() + WAIT_S
        creators = make_creators(house.endpoint_urls, deadline_s)
        watcher = Watcher(house.endpoint_urls, creators, random.Random(seed + 1), deadline_s)
        threads = [*creators, watcher]
        for thread in threads:
            thread.start()
        kill_while_alive(house, rng, threads)
        print(f"{WAIT_S - deadline_s + time.monotonic():.0f} s, kills: {dict(house.kills)}")
        check_told(creators, watcher)
        house.stop()
        *task_creators, job_creator = creators
        jobs = {id_of(arn): token for token, arn in job_creator.arns.items()}
        tasks = {id_of(arn): arn for thread in task_creators for arn in thread.accepted}
        check_jobs(house, jobs, watcher.told)
        check_tasks(house, tasks, watcher.told)
    finally:
        for thread in threads:
            thread.deadline_s = 0
            thread.join()
        house.close()


def make_creators(endpoint_urls, deadline_s):
    """Return clients that create the tasks, each with a server of its own first, and the jobs."""
    tokens = [str(uuid.uuid4()) for _ in range(TASK_COUNT + JOB_COUNT)]
    creators = []
    for number in range(CLIENT_COUNT):
        first = number % len(endpoint_urls)
        urls = endpoint_urls[first:] + endpoint_urls[:first]
        creators.append(Client(urls, tokens[number:TASK_COUNT:CLIENT_COUNT], deadline_s))
    return [*creators, JobClient(endpoint_urls, tokens[TASK_COUNT:], deadline_s)]


def kill_while_alive(house, rng, threads):
    """Kill workers, and now and then what they cannot be without, until all threads have ended.

    The latter once some have ended since the last time, or at once: a slow machine gets on, too.
    """
    *_, watcher = threads
    kill_count = ended_count = 0
    next_kill_s = time.monotonic() + rng.uniform(0.3, 1.5)
    while any(thread.is_alive() for thread in threads) or kill_count < KILL_COUNT_MIN:
        time.sleep(10 ** rng.uniform(-2, 0.3))
        house.kill_a_worker()
        is_over = not watcher.is_alive()
        if time.monotonic() > next_kill_s and (is_over or watcher.told.ended_count >= ended_count):
            house.kill_something()
            kill_count += 1
            # Soon at first, then with time for the jobs between.
            gap_s_max = 1.5 if kill_count < KILL_COUNT_MIN else 8
            next_kill_s = time.monotonic() + rng.uniform(0.3, gap_s_max)
            ended_count = watcher.told.ended_count + rng.choice([0, 1, 1, 10])


def id_of(arn):
    return arn.rpartition("/")[2]


def check_told(creators, watcher):
    """Assert that everything was accepted, ended, and was not told otherwise before."""
    assert watcher.failure is None
    assert not watcher.told.wrong
    assert not [error for thread in creators for error in thread.refusals]
    arns = [arn for thread in creators for arn in thread.accepted]
    assert len(arns) == len(set(arns)) == TASK_COUNT + JOB_COUNT, [
        thread.last_error for thread in creators
    ]
    assert not watcher.told.open, "some did not end"


def check_history(history, transitions, statuses, told):
    """Assert that each ended once, by allowed steps, as the client was told."""
    assert {(old, new) for _, old, new in history if old != new} <= steps(transitions)
    ends = [(found, new) for found, _, new in history if new in TERMINAL]
    assert sorted(ends) == sorted(statuses.items())
    assert {id_of(arn): told.statuses[arn] for arn in told.statuses if id_of(arn) in statuses} == (
        statuses
    )


def check_jobs(house, tokens, told):
    """Assert that each job has ended once, and that each that completed has one archive."""
    statuses = dict(house.rows("SELECT id, status FROM jobs"))
    reasons = dict(house.rows("SELECT id, failure_reason FROM jobs"))
    published = Counter(key for (key,) in house.rows("SELECT key FROM published"))
    print(Counter(statuses.values()))
    assert statuses.keys() == tokens.keys()
    history = house.rows("SELECT id, old, new FROM job_history")
    check_history(history, job_states.TRANSITIONS, statuses, told)
    for job_id, token in tokens.items():
        archives = published[f"{token}/output/model.tar.gz"]
        assert archives == 1 if statuses[job_id] == "COMPLETED" else archives <= 1
        assert (statuses[job_id] == "FAILED") == (reasons[job_id] is not None)


def check_tasks(house, arns, told):
    """Assert that each task has ended once, and that each that completed has one result."""
    statuses = dict(house.rows("SELECT id, status FROM quantum_tasks"))
    reasons = dict(house.rows("SELECT id, failure_reason FROM quantum_tasks"))
    published = Counter(key for (key,) in house.rows("SELECT key FROM published"))
    blobs = dict(house.rows("SELECT key, blob_id FROM objects"))
    contents = dict(house.rows("SELECT blob_id, content FROM contents"))
    print(Counter(statuses.values()))
    assert statuses.keys() == arns.keys()
    check_history(house.rows("SELECT id, old, new FROM history"), TRANSITIONS, statuses, told)
    results = {
        f"tests/{task_id}/results.json": arns[task_id]
        for task_id, status in statuses.items()
        if status == "COMPLETED"
    }
    assert {key: count for key, count in published.items() if key.startswith("tests/")} == (
        dict.fromkeys(results, 1)
    )
    for key, arn in results.items():
        blob_id = blobs[key]
        path = house.data_dir / "objects" / blob_id[:2] / blob_id
        document = json.loads(contents.get(blob_id) or path.read_bytes())
        assert document["taskMetadata"]["id"] == arn
    for task_id, status in statuses.items():
        assert (status == "FAILED") == (reasons[task_id] is not None)
        assert status != "FAILED" or "in each of 3 attempts" in reasons[task_id]

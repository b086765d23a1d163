"""Attempts from start to end, with real records, contents and processes."""

import gzip
import io
import tarfile
import threading

import pytest
from prometheus_client import REGISTRY

from openbraket.base.clock import now_ms
from openbraket.engine.jobs.attempt import Attempt
from openbraket.engine.retries import Retry
from openbraket.store import buckets, jobs, quantum_tasks, session_keys
from openbraket.store.buckets import Bucket
from openbraket.store.quantum_tasks import NewTask
from support.job_house import ACCOUNT, BUCKET, HOLD, QPU, REGION, opened

pytestmark = pytest.mark.anyio

WHOLE = [
    "QUEUED_FOR_EXECUTION",
    "STARTING_INSTANCE",
    "DOWNLOADING_DATA",
    "RUNNING",
    "UPLOADING_RESULTS",
]


def members(archive):
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as opened_archive:
        return {
            member.name: opened_archive.extractfile(member).read()
            for member in opened_archive.getmembers()
        }


async def add_task(house, job):
    """Record a waiting quantum task of a job."""
    task = NewTask(
        id=f"task-of-{job.name}",
        account=ACCOUNT,
        region=REGION,
        device_arn=QPU,
        shots=1,
        output_bucket=BUCKET,
        output_directory="x",
        action=b"",
        action_type="action",
        created_at=house.resources.clock(),
        job_arn=job.arn,
    )
    await house.database.write(lambda c: quantum_tasks.create(c, task))
    return task.id


def counted(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0


async def test_metrics_tell_of_jobs_that_wait_run_and_end(data_dir):
    names = ("job_waiting_seconds_count", "job_run_seconds_count")

    def values():
        ended = counted("openbraket_jobs_ended_total", device="local", status="COMPLETED")
        return [ended, *(counted(f"openbraket_{name}", device="local") for name in names)]

    before = values()
    async with opened(data_dir, instance_count_max=1) as house:
        go = data_dir / "go"
        jobs_made = [await house.create(f"while ! [ -e {go} ]; do sleep 0.01; done") for _ in "ab"]
        assert house.dispatcher.running_counts() == {"local": 1}
        assert house.dispatcher.waiting_counts() == {"local": 1}
        on_processor = await house.create("true", device=QPU)
        assert house.dispatcher.waiting_counts() == {"local": 1, QPU: 1}
        go.touch()
        for job in (*jobs_made, on_processor):
            assert (await house.ended(job)).status == "COMPLETED"
        assert not house.dispatcher.waiting_counts() | house.dispatcher.running_counts()
    assert [after - old for after, old in zip(values(), before, strict=True)] == [2, 2, 2]


async def test_job_runs_and_leaves_its_results_lines_and_events(data_dir):
    async with opened(data_dir) as house:
        job = await house.create(
            'echo "one $NUMBER"; mkdir $MODEL/d; echo r > $MODEL/d/r; echo two'
        )
        done = await house.ended(job)
        assert (done.status, done.failure_reason) == ("COMPLETED", None)
        assert house.events(job) == [*WHOLE, "COMPLETED"]
        assert done.billable_ms == done.ended_at - done.started_at
        assert house.lines(job) == ["one 1", "two"]
        archive = house.read(f"{job.name}/data/output/model.tar.gz")
        assert members(archive) == {"d/r": b"r\n"}
        # Nothing of the job is left but its record and its objects.
        assert not (data_dir / "jobs" / job.id).exists()
        with house.database.read() as connection:
            assert jobs.find_by_token(connection, "", account=ACCOUNT, region=REGION) is None


async def test_job_has_keys_of_its_role_and_a_token_only_while_it_runs(data_dir):
    async with opened(data_dir) as house:
        job = await house.create(
            'echo "$AWS_ACCESS_KEY_ID $AMZN_BRAKET_JOB_TOKEN $AWS_REGION"; sleep 60'
        )
        await house.wait(lambda: house.lines(job))
        access_key, token, region = house.lines(job)[0].split()
        assert region == REGION

        def found():
            with house.database.read() as connection:
                return (
                    session_keys.get_key(connection, access_key),
                    jobs.find_by_token(connection, token, account=ACCOUNT, region=REGION),
                )

        key, owner = found()
        assert (key.account, key.job_id, owner.id) == (ACCOUNT, job.id, job.id)
        assert len(token) <= 128
        await house.cancel(job)
        assert (await house.ended(job)).status == "CANCELLED"
        assert found() == (None, None)


async def test_failure_gives_the_reason_and_no_archive_where_nothing_was_written(data_dir):
    async with opened(data_dir) as house:
        text = "FileNotFoundError: no 'fake_file'"
        job = await house.create(f'printf "{text}" > ml/output/failure; exit 1')
        done = await house.ended(job)
        assert done.status == "FAILED"
        assert done.failure_reason == f"AlgorithmError: {text}, exit code: 1"
        assert house.events(job) == [*WHOLE, "FAILED"]
        assert house.keys(f"{job.name}/") == [f"{job.name}/script.sh"]


async def test_failed_job_keeps_what_it_has_written(data_dir):
    async with opened(data_dir) as house:
        job = await house.create("echo half > $MODEL/half; exit 3")
        done = await house.ended(job)
        assert "exit code: 3" in done.failure_reason
        archive = house.read(f"{job.name}/data/output/model.tar.gz")
        assert members(archive) == {"half": b"half\n"}


async def test_links_out_of_the_model_directory_are_not_followed(data_dir):
    async with opened(data_dir) as house:
        job = await house.create(
            "ln -s /etc/passwd $MODEL/a; ln -s /etc $MODEL/b; mkfifo $MODEL/c; echo x > $MODEL/d"
        )
        assert (await house.ended(job)).status == "COMPLETED"
        assert list(members(house.read(f"{job.name}/data/output/model.tar.gz"))) == ["d"]


async def test_run_time_beyond_the_limit_ends_the_job(data_dir):
    async with opened(data_dir) as house:
        job = await house.create(
            "echo kept > $MODEL/kept; sleep 60", stoppingCondition={"maxRuntimeInSeconds": 1}
        )
        done = await house.ended(job)
        assert done.status == "FAILED"
        assert "max_runtime" in done.failure_reason
        expected = [*WHOLE[:-1], "MAX_RUNTIME_EXCEEDED", "UPLOADING_RESULTS", "FAILED"]
        assert house.events(job) == expected
        assert house.read(f"{job.name}/data/output/model.tar.gz") is not None


async def test_input_channels_and_checkpoints_are_there_and_checkpoints_go_back(data_dir):
    async with opened(data_dir) as house:
        await house.put("in/deep/a.csv", b"data", is_inline=True)
        await house.put("cp/kept", b"kept")
        await house.put("cp-other/foreign", b"foreign")
        channel = {
            "channelName": "table",
            "dataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/in/"}},
        }
        job = await house.create(
            "cat $INPUT/table/deep/a.csv $CHECKPOINTS/kept; echo; echo $(ls $CHECKPOINTS);"
            f"echo first > $CHECKPOINTS/new; {HOLD};"
            "echo second > $CHECKPOINTS/new; mkdir $CHECKPOINTS/d; echo last > $CHECKPOINTS/d/last",
            inputDataConfig=[channel],
            checkpointConfig={"s3Uri": f"s3://{BUCKET}/cp", "localPath": "/opt/jobs/checkpoints"},
        )
        await house.wait(lambda: house.read("cp/new") == b"first\n")
        assert house.get(job).status == "RUNNING"
        await house.let_go(job)
        assert (await house.ended(job)).status == "COMPLETED"
        assert house.lines(job) == ["datakept", "kept"]
        assert house.read("cp/new") == b"second\n"
        assert house.read("cp/d/last") == b"last\n"
        assert house.keys("cp/") == ["cp/d/last", "cp/kept", "cp/new"]
        # What was replaced is gone, contents too.
        contents = [path for path in (data_dir / "objects").rglob("*") if path.is_file()]
        assert len(contents) == len(house.keys()) - 1


async def test_job_loses_nothing_to_commits_that_report_a_failure_and_took_effect(
    data_dir, monkeypatch
):
    monkeypatch.setattr("openbraket.engine.jobs.dispatcher.RECORDS", Retry(0, 0))
    # Long enough for new lines to come between a change and its repetition.
    monkeypatch.setattr("openbraket.engine.jobs.attempt.RECORDS", Retry(0.15, 5))
    async with opened(data_dir, has_doubts=True) as house:
        job = await house.create(
            "for i in 1 2 3 4 5 6 7 8; do echo line $i; echo $i > $CHECKPOINTS/$i; sleep 0.1; done;"
            "echo r > $MODEL/r",
            checkpointConfig={"s3Uri": f"s3://{BUCKET}/cp", "localPath": "/opt/jobs/checkpoints"},
        )
        done = await house.ended(job)
        assert (done.status, done.failure_reason, done.attempt) == ("COMPLETED", None, 1)
        assert house.runtime.started == [(job.name, 1)]
        assert house.events(job) == [*WHOLE, "COMPLETED"]
        assert house.lines(job) == [f"line {number}" for number in range(1, 9)]
        written = [house.read(f"cp/{number}") for number in range(1, 9)]
        assert written == [f"{number}\n".encode() for number in range(1, 9)]
        assert members(house.read(f"{job.name}/data/output/model.tar.gz")) == {"r": b"r\n"}


async def test_deposed_leader_lets_a_job_go_on(data_dir):
    """Where servers share the records, losing the lead is no stop of the service."""
    async with opened(data_dir) as house:
        job = await house.create(f"{HOLD}; echo on")
        await house.wait(lambda: house.events(job)[-1:] == ["RUNNING"])
        await house.dispatcher.stop(keeps_jobs=True)
        assert house.get(job).status == "RUNNING"
        await house.let_go(job)
        house.runtime.wait_for_all()
    async with opened(data_dir) as house:
        assert (await house.ended(job)).status == "COMPLETED"
        assert house.lines(job) == ["on"]


async def test_files_of_a_job_are_no_links_to_contents(data_dir):
    async with opened(data_dir) as house:
        await house.put("in/a", b"data")
        channel = {
            "channelName": "c",
            "dataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/in/a"}},
        }
        job = await house.create("echo changed >> $INPUT/c/a", inputDataConfig=[channel])
        assert (await house.ended(job)).status == "COMPLETED"
        assert house.read("in/a") == b"data"


@pytest.mark.parametrize(
    ("keys", "uri", "words"),
    [
        ([], "missing/", "No data found for channel 'c'"),
        (["in/../../escape"], "in/", "is no file name"),
        (["in/a", "in/a/b"], "in/", "cannot be written to the job's volume"),
    ],
)
async def test_input_that_cannot_be_staged_fails_the_job_with_the_reason(
    data_dir, keys, uri, words
):
    async with opened(data_dir) as house:
        for key in keys:
            await house.put(key, b"data")
        channel = {
            "channelName": "c",
            "dataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/{uri}"}},
        }
        job = await house.create("echo ran", inputDataConfig=[channel])
        done = await house.ended(job)
        assert done.status == "FAILED"
        assert words in done.failure_reason
        assert house.runtime.started == []


async def test_input_larger_than_the_volume_is_refused_before_it_is_copied(data_dir):
    async with opened(data_dir, disk_bytes_max=1000) as house:
        job = await house.create("#" * 2000)
        done = await house.ended(job)
        assert "the job's volume" in done.failure_reason.replace("its volume", "the job's volume")
        assert "1000" in done.failure_reason


async def test_bucket_that_has_become_another_accounts_is_neither_read_nor_written(data_dir):
    async with opened(data_dir, instance_count_max=0) as house:
        await house.put("in/secret", b"theirs")
        channel = {
            "channelName": "c",
            "dataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/in/"}},
        }
        job = await house.create("echo ran", inputDataConfig=[channel])

        def give_away(connection):
            buckets.delete_bucket(connection, BUCKET)
            buckets.create_bucket(connection, Bucket(BUCKET, "111111111111", REGION, 2))

        await house.database.write(give_away)
    async with opened(data_dir) as house:
        done = await house.ended(job)
        assert done.failure_reason == f"ClientError: The bucket {BUCKET} no longer exists"
        assert house.runtime.started == []


async def test_cancel_interrupts_the_copying_of_a_large_object(data_dir, monkeypatch):
    copied = threading.Event()
    monkeypatch.setattr("openbraket.engine.jobs.staging.PIECE_BYTES", 1)
    async with opened(data_dir) as house:
        wanted = Attempt._is_wanted

        def is_wanted(attempt):
            copied.set()
            return wanted(attempt)

        monkeypatch.setattr(Attempt, "_is_wanted", is_wanted)
        job = await house.create("#" * (64 << 20))
        await house.wait(copied.is_set)
        await house.cancel(job)
        assert (await house.ended(job)).status == "CANCELLED"
        assert house.runtime.started == []
        assert not (data_dir / "jobs" / job.id).exists()


async def test_cancel_ends_a_running_job_and_its_tasks(data_dir):
    async with opened(data_dir) as house:
        job = await house.create("echo kept > $MODEL/kept; echo up; sleep 60")
        await house.wait(lambda: house.lines(job) == ["up"])
        task_id = await add_task(house, job)
        await house.cancel(job)
        done = await house.ended(job)
        assert done.status == "CANCELLED"
        assert house.events(job) == [*WHOLE, "CANCELLED"]
        assert house.cancelled_tasks == [task_id]
        assert house.read(f"{job.name}/data/output/model.tar.gz") is not None


async def test_cancel_of_a_waiting_job_keeps_it_from_starting(data_dir):
    async with opened(data_dir, instance_count_max=1) as house:
        first = await house.create(f"echo up; {HOLD}")
        second = await house.create("echo ran")
        third = await house.create("echo ran")
        await house.wait(lambda: house.lines(first))
        await house.cancel(second)
        await house.let_go(first)
        assert (await house.ended(third)).status == "COMPLETED"
        assert house.get(second).status == "CANCELLED"
        assert [name for name, _ in house.runtime.started] == [first.name, third.name]


async def test_failed_instance_ends_the_others_and_gives_the_reason(data_dir):
    async with opened(data_dir) as house:
        job = await house.create('[ "$NUMBER" = 2 ] && exit 7; sleep 60', instances=3)
        done = await house.ended(job)
        assert "exit code: 7" in done.failure_reason
        assert house.dispatcher.instance_count == 0


async def test_results_of_all_instances_are_united(data_dir):
    async with opened(data_dir) as house:
        job = await house.create(
            "echo $NUMBER > $MODEL/same; echo x > $MODEL/of$NUMBER; echo line $NUMBER", instances=2
        )
        assert (await house.ended(job)).status == "COMPLETED"
        archive = house.read(f"{job.name}/data/output/model.tar.gz")
        assert members(archive) == {"of1": b"x\n", "of2": b"x\n", "same": b"1\n"}
        assert [house.lines(job, instance) for instance in (1, 2)] == [["line 1"], ["line 2"]]


async def test_supervisor_that_dies_fails_the_job_with_a_reason(data_dir):
    async with opened(data_dir) as house:
        job = await house.create("echo up; sleep 2")
        await house.wait(lambda: house.lines(job))
        house.runtime.kill(job.name)
        done = await house.ended(job)
        assert done.status == "FAILED"
        assert "algo-1 ended unexpectedly" in done.failure_reason


async def test_runtime_that_cannot_start_fails_the_job_with_its_words(data_dir):
    async with opened(data_dir) as house:

        def refuse(directory, spec, instance):
            raise OSError("no more processes")

        house.runtime.start = refuse
        job = await house.create("echo ran")
        done = await house.ended(job)
        assert done.status == "FAILED"
        assert "no more processes" in done.failure_reason


async def test_output_bucket_that_has_gone_fails_the_job(data_dir):
    async with opened(data_dir) as house:
        job = await house.create(
            "echo r > $MODEL/r", outputDataConfig={"s3Path": "s3://gone-since/x"}
        )
        done = await house.ended(job)
        assert done.status == "FAILED"
        assert "bucket gone-since" in done.failure_reason


async def test_job_behind_another_of_a_processor_waits_for_priority(data_dir):
    async with opened(data_dir) as house:
        first = await house.create(f"{HOLD}; echo 1", device=QPU)
        second = await house.create("echo 2", device=QPU)
        await house.wait(lambda: "RUNNING" in house.events(first))
        assert house.events(second) == ["WAITING_FOR_PRIORITY"]
        await house.let_go(first)
        assert (await house.ended(second)).status == "COMPLETED"
        assert house.get(second).started_at >= house.get(first).ended_at
        assert house.events(second) == ["WAITING_FOR_PRIORITY", *WHOLE, "COMPLETED"]


async def test_job_without_tasks_loses_its_processor_to_the_next(data_dir):
    async with opened(data_dir, inactivity_s=0.2) as house:
        idle = await house.create("sleep 60", device=QPU)
        following = await house.create("echo 2", device=QPU)
        assert (await house.ended(following)).status == "COMPLETED"
        assert house.get(idle).status == "RUNNING"
        assert house.events(idle)[-1] == "DEPRIORITIZED_DUE_TO_INACTIVITY"
        assert house.get(idle).deprioritized_at is not None


async def test_job_with_a_live_task_keeps_its_processor(data_dir, monkeypatch):
    monkeypatch.setattr("openbraket.engine.jobs.attempt.INACTIVITY_LOOK_S", 0)
    ahead_ms = 0
    async with opened(data_dir, clock=lambda: now_ms() + ahead_ms, inactivity_s=1000) as house:
        condition = {"maxRuntimeInSeconds": 10_000}
        job = await house.create(f"echo up; {HOLD}", device=QPU, stoppingCondition=condition)
        await house.wait(lambda: house.lines(job))
        await add_task(house, job)
        looks = []
        look = Attempt._look_for_activity

        async def count(attempt):
            await look(attempt)
            looks.append(ahead_ms)

        monkeypatch.setattr(Attempt, "_look_for_activity", count)
        ahead_ms = 2_000_000
        await house.wait(lambda: ahead_ms in looks)
        assert house.get(job).deprioritized_at is None
        await house.let_go(job)
        assert (await house.ended(job)).status == "COMPLETED"


async def test_lines_of_any_length_and_bytes_are_kept(data_dir):
    async with opened(data_dir) as house:
        job = await house.create(
            "head -c 60000 /dev/zero | tr '\\0' x; echo; echo; printf '\\377 half\\n'"
        )
        assert (await house.ended(job)).status == "COMPLETED"
        long, empty, half = house.lines(job)
        assert long == "x" * 60_000
        assert (empty, half) == ("", "\ufffd half")


async def test_twenty_jobs_run_side_by_side(data_dir):
    async with opened(data_dir, instance_count_max=20, poll_s=0.1) as house:
        made = [await house.create(f"echo up; {HOLD}") for _ in range(20)]
        await house.wait(lambda: all(house.lines(job) for job in made))
        assert house.dispatcher.running_count == 20
        for job in made:
            await house.let_go(job)
        for job in made:
            assert (await house.ended(job)).status == "COMPLETED"
        assert list((data_dir / "jobs").iterdir()) == []

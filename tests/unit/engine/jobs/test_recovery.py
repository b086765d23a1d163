"""What a new server process makes of the jobs that the last one left."""

import os
import shutil

import pytest

from openbraket.engine.jobs import dispatcher as job_dispatcher
from openbraket.engine.jobs.attempt import Attempt
from support.job_house import HOLD, SmallRuntime, opened

pytestmark = pytest.mark.anyio

COUNTS = "i=0; while [ ! -e go ]; do i=$((i+1)); echo $i; sleep 0.02; done; echo done $$"


def go(data_dir, job):
    (data_dir / "jobs" / job.id / "1" / "algo-1" / "go").touch()


async def test_running_job_is_found_again_and_its_lines_go_on(data_dir):
    runtime = SmallRuntime()
    async with opened(data_dir, runtime, ends_with_server=False) as house:
        job = await house.create(COUNTS)
        await house.wait(lambda: len(house.lines(job)) >= 3)
    async with opened(data_dir, SmallRuntime()) as house:
        known = len(house.lines(job))
        assert house.get(job).status == "RUNNING"
        await house.wait(lambda: len(house.lines(job)) > known + 2)
        assert house.runtime.started == []
        go(data_dir, job)
        assert (await house.ended(job)).status == "COMPLETED"
        *numbers, last = house.lines(job)
        assert [int(number) for number in numbers] == list(range(1, len(numbers) + 1))
        assert last.startswith("done")
        assert house.events(job).count("RUNNING") == 1
    runtime.wait_for_all()


async def test_job_that_ended_meanwhile_is_completed_with_its_results(data_dir):
    runtime = SmallRuntime()
    async with opened(data_dir, runtime, ends_with_server=False) as house:
        job = await house.create(f"echo up; {HOLD}; echo r > $MODEL/r")
        await house.wait(lambda: house.lines(job))
    (data_dir / "jobs" / job.id / "1" / "algo-1" / "go").write_text("go\n")
    runtime.wait_for_all()
    async with opened(data_dir) as house:
        assert (await house.ended(job)).status == "COMPLETED"
        assert house.keys(f"{job.name}/data") == [f"{job.name}/data/output/model.tar.gz"]


async def test_job_that_died_meanwhile_fails_with_a_reason(data_dir, monkeypatch):
    monkeypatch.setattr("openbraket.engine.jobs.watched.LAUNCH_GRACE_S", 0)
    runtime = SmallRuntime()
    async with opened(data_dir, runtime, ends_with_server=False) as house:
        job = await house.create("echo up; sleep 2")
        await house.wait(lambda: house.lines(job))
    runtime.kill(job.name)
    runtime.wait_for_all()
    async with opened(data_dir) as house:
        done = await house.ended(job)
        assert done.status == "FAILED"
        assert "ended unexpectedly" in done.failure_reason
        assert house.runtime.started == []


async def test_cancel_that_a_crash_interrupted_is_finished(data_dir):
    runtime = SmallRuntime()
    async with opened(data_dir, runtime, ends_with_server=False) as house:
        job = await house.create("echo up; sleep 60")
        await house.wait(lambda: house.lines(job))
        house.dispatcher.job_cancelled = lambda job_id: None
        await house.cancel(job)
    async with opened(data_dir) as house:
        assert (await house.ended(job)).status == "CANCELLED"
    runtime.wait_for_all()


async def test_job_that_was_begun_and_not_launched_runs_once(data_dir, monkeypatch):
    async def crash(self):
        raise SystemError("the server dies here")

    with monkeypatch.context() as patch:
        patch.setattr(Attempt, "run", crash)
        async with opened(data_dir, ends_with_server=False) as house:
            job = await house.create("echo ran")
            await house.wait(lambda: house.get(job).status == "RUNNING")
    async with opened(data_dir) as house:
        done = await house.ended(job)
        assert (done.status, done.attempt) == ("COMPLETED", 1)
        assert house.lines(job) == ["ran"]
        assert house.runtime.started == [(job.name, 1)]


class Killed(BaseException):
    """Ends whatever it is thrown in, as SIGKILL does."""


async def test_instance_that_the_launch_had_not_come_to_is_started_by_the_next_server(data_dir):
    class Dying(SmallRuntime):
        def start(self, directory, spec, instance):
            if instance == 2:
                raise Killed
            super().start(directory, spec, instance)

    runtime = Dying()
    async with opened(data_dir, runtime, ends_with_server=False) as house:
        job = await house.create("echo ran", instances=2)
        await house.wait(lambda: runtime.started == [(job.name, 1)])
    async with opened(data_dir) as house:
        done = await house.ended(job)
        assert (done.status, done.failure_reason, done.attempt) == ("COMPLETED", None, 1)
        assert house.runtime.started == [(job.name, 2)]
    runtime.wait_for_all()


async def test_job_whose_directory_has_gone_fails_after_the_launch(data_dir):
    runtime = SmallRuntime()
    async with opened(data_dir, runtime) as house:
        job = await house.create("echo up; sleep 1")
        await house.wait(lambda: house.lines(job))
        shutil.rmtree(data_dir / "jobs" / job.id)
        done = await house.ended(job)
        assert done.status == "FAILED"
        assert "ended unexpectedly" in done.failure_reason


async def test_stop_of_the_server_may_end_its_jobs(data_dir):
    async with opened(data_dir, ends_with_server=True) as house:
        job = await house.create("echo up; sleep 60")
        await house.wait(lambda: house.lines(job))
    async with opened(data_dir) as house:
        done = house.get(job)
        assert (done.status, "service was stopped" in done.failure_reason) == ("FAILED", True)


async def test_waiting_jobs_start_in_order_after_a_restart(data_dir):
    async with opened(data_dir, instance_count_max=0) as house:
        made = [await house.create("echo ran") for _ in range(3)]
    async with opened(data_dir, instance_count_max=1) as house:
        for job in made:
            assert (await house.ended(job)).status == "COMPLETED"
        assert [name for name, _ in house.runtime.started] == [job.name for job in made]


async def test_directories_of_ended_jobs_are_swept_and_failed_ones_kept_when_asked(data_dir):
    async with opened(data_dir, failed_kept_s=1000) as house:
        job = await house.create("exit 1")
        await house.ended(job)
        assert (data_dir / "jobs" / job.id / "1" / "algo-1" / "log").exists()
    jobs_dir = data_dir / "jobs"
    (jobs_dir / "active").mkdir()
    os.utime(jobs_dir / "active", (1, 1))
    os.utime(jobs_dir / job.id, (1, 1))
    assert job_dispatcher.sweep(jobs_dir, {"active"}, older_than=0.5) == 0
    assert job_dispatcher.sweep(jobs_dir, {"active"}, older_than=2) == 1
    assert [path.name for path in jobs_dir.iterdir()] == ["active"]


async def test_launched_job_without_its_directory_does_not_run_again(data_dir, monkeypatch):
    """As after a backup is restored."""
    monkeypatch.setattr("openbraket.engine.jobs.watched.LAUNCH_GRACE_S", 0)
    runtime = SmallRuntime()
    async with opened(data_dir, runtime, ends_with_server=False) as house:
        job = await house.create("echo up; sleep 2")
        await house.wait(lambda: house.lines(job))
    house.runtime.kill(job.name)
    runtime.wait_for_all()
    shutil.rmtree(data_dir / "jobs")
    async with opened(data_dir) as house:
        done = await house.ended(job)
        assert (done.status, house.runtime.started) == ("FAILED", [])
        assert "ended unexpectedly" in done.failure_reason

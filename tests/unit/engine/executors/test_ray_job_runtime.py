"""When the runtime on Ray takes an instance for alive, without a cluster."""

import os

import pytest

from openbraket.engine.executors.ray.job_runtime import AWAY_S_MAX, STOP_AWAY_S_MAX, RayRuntime
from openbraket.jobs.directory import ENDED, RUNNING, InstanceState, JobDirectory
from openbraket.jobs.liveness import start_ticks


class Cluster:
    """What the runtime asks of the executor."""

    def __init__(self):
        self.away_s = 0.0
        self.attended = []
        self.stopped = []

    def attend(self, path):
        self.attended.append(path)

    def stop_job(self, path):
        self.stopped.append(path)


@pytest.fixture
def directory(tmp_path):
    directory = JobDirectory(tmp_path / "id" / "1")
    directory.instance(1).path.mkdir(parents=True)
    return directory


def test_started_instance_is_alive_and_looked_after_until_it_has_ended(directory):
    cluster = Cluster()
    runtime = RayRuntime(cluster)
    runtime.start(directory, None, 1)
    # Also by a server that did not start it.
    assert RayRuntime(cluster).is_alive(directory, 1)
    assert cluster.attended == [directory.path, directory.path]
    runtime.stop(directory, 1)
    assert directory.instance(1).stop_path.exists()
    assert cluster.stopped == [directory.path]
    directory.instance(1).write_state(InstanceState(ENDED, 1, 1, 1.0))
    assert not runtime.is_alive(directory, 1)
    assert len(cluster.attended) == 2


@pytest.mark.parametrize("limit_s", [AWAY_S_MAX, STOP_AWAY_S_MAX])
def test_instances_of_a_cluster_that_stays_away_end_with_the_reason(directory, limit_s):
    cluster = Cluster()
    runtime = RayRuntime(cluster)
    runtime.start(directory, None, 1)
    if limit_s == STOP_AWAY_S_MAX:
        runtime.stop(directory, 1)
    cluster.away_s = limit_s
    assert runtime.is_alive(directory, 1)
    cluster.away_s = limit_s + 1
    assert not runtime.is_alive(directory, 1)
    state = directory.instance(1).state()
    assert (state.phase, state.reason) == (ENDED, "lost")
    assert state.message == f"The Ray cluster could not be reached for {limit_s:g} s"


def test_instance_that_another_runtime_started_never_goes_to_the_cluster(directory):
    cluster = Cluster()
    runtime = RayRuntime(cluster)
    assert not runtime.is_alive(directory, 1)
    own = InstanceState(RUNNING, os.getpid(), start_ticks(os.getpid()), 1.0)
    directory.instance(1).write_state(own)
    assert runtime.is_alive(directory, 1)
    assert cluster.attended == []

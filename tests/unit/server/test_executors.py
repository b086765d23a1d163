"""Where jobs run and reach the service, by the operator's settings."""

import pytest

from openbraket.base.errors import StoreError
from openbraket.cli.main import JobRuntime, default_job_runtime
from openbraket.server.executors import (
    RAY_SILENCE_S_MAX,
    SERVICE_FILE,
    ExecutorError,
    build_executor,
    build_job_runtime,
)
from openbraket.server.jobs import by_address
from openbraket.server.settings import Settings

CLUSTER = "127.0.0.1:1"


def build(settings):
    executor = build_executor(settings, preload=())
    return executor, build_job_runtime(settings, executor)


def test_jobs_run_where_the_tasks_run_unless_told_otherwise(tmp_path):
    assert default_job_runtime("local") is JobRuntime.PROCESS
    assert default_job_runtime(CLUSTER) is JobRuntime.RAY
    assert build(Settings(tmp_path))[1].name == "process"
    pytest.importorskip("ray", reason="Ray is not installed")
    assert build(Settings(tmp_path, executor=CLUSTER, job_runtime="ray"))[1].name == "ray"
    assert build(Settings(tmp_path, executor=CLUSTER))[1].name == "process"


def test_jobs_on_a_cluster_need_its_address(tmp_path):
    with pytest.raises(ExecutorError, match="--job-runtime ray needs --executor"):
        build(Settings(tmp_path, job_runtime="ray"))


def test_service_keeps_its_name_on_clusters(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed")
    settings = Settings(tmp_path, executor=CLUSTER)
    names = {build(settings)[0]._settings["service"] for _ in range(2)}
    assert names == {(tmp_path / SERVICE_FILE).read_text()}
    (tmp_path / SERVICE_FILE).write_text("another")
    with pytest.raises(StoreError, match="holds no name"):
        build(settings)


def test_names_of_hosts_become_addresses_where_no_certificate_names_them():
    assert by_address("http://localhost:4567").endswith(":4567")
    assert "localhost" not in by_address("http://localhost:4567")
    assert by_address("https://localhost:4567") == "https://localhost:4567"
    assert by_address("http://10.0.0.7") == "http://10.0.0.7"
    assert by_address("") == ""


def test_silence_ends_the_part_on_the_cluster_only_where_another_server_may_lead(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed")
    alone = build(Settings(tmp_path, executor=CLUSTER))[0]
    shared = Settings(tmp_path, executor=CLUSTER, database_url="postgresql+psycopg://h/d")
    limits = [one._settings["silence_s_max"] for one in (alone, build(shared)[0])]
    assert limits == [0, RAY_SILENCE_S_MAX]

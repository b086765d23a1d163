"""Functions decorated as hybrid jobs: each argument of the decorator, through to the result."""

import functools
import http.server
import importlib
import threading
import uuid

import boto3
import numpy as np
import pytest
from braket.aws import AwsQuantumJob, AwsSession
from braket.jobs import hybrid_job
from braket.jobs.config import CheckpointConfig, InstanceConfig, S3DataSourceConfig
from braket.jobs_data import PersistedJobDataFormat

import openbraket.testing
from support.job_scripts import wait_for_end
from support.tasks import BUCKET
from support.wheels import write_wheel

POLL_S = 0.2


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """The address of a folder with the one package that can be installed."""
    folder = tmp_path_factory.mktemp("wheels")
    write_wheel(folder, "wanted", "1.5", "number = 15")
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def service(index):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", index)
        with openbraket.testing.start(options=("--workers", "1")) as running:
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            yield running


@pytest.fixture
def folder(service, tmp_path, monkeypatch):
    """The SDK writes into the current folder; jobs link their input to the same names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def name():
    return "job-" + uuid.uuid4().hex[:12]


def test_everything_that_a_decorated_function_may_ask_for(folder, name, braket, s3):
    (folder / "of_the_user.py").write_text("def triple(number):\n    return 3 * number\n")
    of_the_user = importlib.import_module("of_the_user")
    (folder / "table.csv").write_text("1,2")
    (folder / "tables").mkdir()
    (folder / "tables" / "inner.csv").write_text("3,4")
    s3.put_object(Bucket=BUCKET, Key=f"{name}/far/far.csv", Body=b"5,6")
    earlier = f"s3://{BUCKET}/{name}/checkpoints"
    s3.put_object(Bucket=BUCKET, Key=f"{name}/checkpoints/earlier", Body=b"kept")

    @hybrid_job(
        device="local:braket/default",
        job_name=name,
        include_modules=of_the_user,
        dependencies=["wanted==1.5"],
        input_data={
            "file": "table.csv",
            "folder": "tables",
            "far": f"s3://{BUCKET}/{name}/far",
        },
        checkpoint_config=CheckpointConfig(localPath="/opt/jobs/kept", s3Uri=earlier),
        instance_config=InstanceConfig(instanceType="ml.m5.xlarge", volumeSizeInGb=2),
        tags={"made-by": "decorator"},
        aws_session=AwsSession(),
    )
    def collect(number, word, scale: float = 1.0, **options):
        import inspect
        from pathlib import Path

        import wanted
        from braket.jobs import get_checkpoint_dir, get_input_data_dir, get_job_device_arn

        def inner(value):
            return value + 1  # a remark that only the source has

        checkpoints = Path(get_checkpoint_dir())
        (checkpoints / "later").write_text("new")
        return {
            "triple": of_the_user.triple(number),
            "word": word,
            "options": options,
            "scale": scale,
            "wanted": wanted.number,
            "file": Path("table.csv").read_text(),
            "folder": Path("tables/inner.csv").read_text(),
            "far": Path(get_input_data_dir("far"), "far.csv").read_text(),
            "device": get_job_device_arn(),
            "checkpoint": (checkpoints / "earlier").read_text(),
            "checkpoints_at": str(checkpoints),
            "source": inspect.getsource(inner),
            "inner": inner(1),
            "written": sorted(path.name for path in Path().iterdir()),
        }

    job = collect(7, "a", scale=0.5, mode="fast")
    assert isinstance(job, AwsQuantumJob)
    metadata = wait_for_end(braket, job.arn)
    assert metadata["status"] == "COMPLETED", metadata.get("failureReason")
    result = job.result()
    assert "only the source has" in result.pop("source")
    assert result == {
        "triple": 21,
        "word": "a",
        "options": {"mode": "fast"},
        "scale": 0.5,
        "wanted": 15,
        "file": "1,2",
        "folder": "3,4",
        "far": "5,6",
        "device": "local:braket/default",
        "checkpoint": "kept",
        "checkpoints_at": "/opt/jobs/kept",
        "inner": 2,
        "written": ["table.csv", "tables"],
    }
    assert metadata["hyperParameters"] == {
        "number": "7",
        "word": "a",
        "scale": "0.5",
        "mode": "fast",
    }
    assert metadata["tags"] == {"made-by": "decorator"}
    assert metadata["instanceConfig"]["instanceType"] == "ml.m5.xlarge"
    channels = {channel["channelName"] for channel in metadata["inputDataConfig"]}
    assert channels == {"file", "folder", "far", "_braket_job_decorator_inner_function_source"}
    later = s3.get_object(Bucket=BUCKET, Key=f"{name}/checkpoints/later")["Body"].read()
    assert later == b"new"
    # Links to the input are no results.
    assert {path.name for path in folder.iterdir()} >= {"table.csv", "tables"}


def test_pickled_result_requirements_file_and_one_input(folder, name, braket, s3):
    (folder / "requirements.txt").write_text("# what the function needs\nwanted\n")
    s3.put_object(Bucket=BUCKET, Key=f"{name}/one/one.csv", Body=b"1")

    @hybrid_job(
        device=None,
        job_name=name,
        dependencies=folder / "requirements.txt",
        input_data=S3DataSourceConfig(f"s3://{BUCKET}/{name}/one", content_type="text/csv"),
        data_format=PersistedJobDataFormat.PICKLED_V4,
        aws_session=AwsSession(),
    )
    def pickle(values):
        import os
        from pathlib import Path

        import numpy
        import wanted

        here = [path.name for path in Path(os.environ["AMZN_BRAKET_INPUT_DIR"], "input").iterdir()]
        return {"sum": numpy.asarray(values) * wanted.number, "input": tuple(here)}

    job = pickle(np.arange(3))
    metadata = wait_for_end(braket, job.arn)
    assert metadata["status"] == "COMPLETED", metadata.get("failureReason")
    with pytest.raises(RuntimeError, match=r"[Pp]ickle"):
        job.result()
    result = job.result(allow_pickle=True)
    assert result["sum"].tolist() == [0, 15, 30]
    assert result["input"] == ("one.csv",)
    assert metadata["deviceConfig"] == {"device": "local:none/none"}
    assert metadata["inputDataConfig"][0]["contentType"] == "text/csv"


def test_exception_of_a_decorated_function_is_the_reason(folder, name, braket):
    @hybrid_job(
        device=None, job_name=name, wait_until_complete=True, quiet=True, aws_session=AwsSession()
    )
    def fail(depth):
        raise ValueError(f"depth {depth} is too large")

    job = fail(depth=3)
    metadata = wait_for_end(braket, job.arn)
    assert (
        metadata["failureReason"]
        == "AlgorithmError: ValueError: depth 3 is too large, exit code: 1"
    )
    assert job.result() == {}

import pytest

from openbraket.base.s3_uri import S3Location
from openbraket.engine.jobs.credentials import assumed_role_arn, new_credentials
from openbraket.engine.jobs.instance_types import memory_bytes
from openbraket.engine.jobs.settings import JobSettings, instance_count_default
from openbraket.engine.jobs.specification import build_spec
from support.job_house import QPU, ROLE, waiting

CONFIGURATION = {
    "algorithmSpecification": {
        "scriptModeConfig": {
            "entryPoint": "module:run", "s3Uri": "s3://bucket/a/source.tar.gz",
            "compressionType": "GZIP",
        },
        "containerImage": {"uri": "image"},
    },
    "checkpointConfig": {"localPath": "/opt/jobs/checkpoints", "s3Uri": "s3://bucket/cp"},
    "hyperParameters": {"a": "1"},
    "inputDataConfig": [
        {
            "channelName": "c", "contentType": "text/csv",
            "dataSource": {"s3DataSource": {"s3Uri": "s3://bucket/in/"}},
        }
    ],
    "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 7, "instanceCount": 1},
    "outputDataConfig": {"s3Path": "s3://bucket/out"},
    "stoppingCondition": {"maxRuntimeInSeconds": 60},
}  # fmt: skip


@pytest.mark.parametrize(
    ("instance_type", "gib"),
    [
        ("ml.m5.large", 8),
        ("ml.m5.4xlarge", 64),
        ("ml.m4.16xlarge", 256),
        ("ml.c4.xlarge", 7.5),
        ("ml.c5.18xlarge", 144),
        ("ml.c5n.18xlarge", 192),
        ("ml.p3.2xlarge", 61),
        ("ml.g6e.48xlarge", 1536),
        ("ml.t3.2xlarge", 32),
        ("ml.new.large", 8),
    ],
)
def test_memory_of_instance_types(instance_type, gib):
    assert memory_bytes(instance_type) == gib * 2**30


def test_instances_side_by_side_go_by_processors_and_memory():
    def count(processors, gib):
        return instance_count_default(processor_count=processors, memory_bytes=int(gib * 2**30))

    assert (count(2, 20), count(8, 20), count(2, 2), count(1, 0.1)) == (20, 40, 4, 1)


def test_specification_carries_the_whole_configuration(data_dir):
    settings = JobSettings(data_dir=data_dir, disk_bytes_max=2**30, environment={"A": "1"})
    spec = build_spec(waiting(1), CONFIGURATION, settings, {"B": "2"}, attempt=3)
    assert (spec.script_file, spec.entry_point) == ("source.tar.gz", "module:run")
    assert (spec.compression_type, spec.image_uri) == ("GZIP", "image")
    assert spec.checkpoint_path == "/opt/jobs/checkpoints"
    assert (spec.attempt, spec.hyperparameters) == (3, {"a": "1"})
    assert spec.channels[0].content_type == "text/csv"
    assert spec.environment == {"A": "1", "B": "2"}
    limits = spec.limits
    assert (limits.memory_bytes, limits.disk_bytes) == (8 * 2**30, 2**30)
    assert limits.runtime_seconds == 60


def test_reservation_becomes_the_variables_that_the_sdk_reads(data_dir):
    arn = "arn:aws:braket:us-east-1:000000000000:reservation/r"
    reserved = {"arn": arn, "type": "RESERVATION_TIME_WINDOW_ARN"}
    configuration = CONFIGURATION | {"associations": [reserved]}
    spec = build_spec(waiting(1, QPU), configuration, JobSettings(data_dir=data_dir), {}, attempt=1)
    assert spec.environment == {
        "AMZN_BRAKET_RESERVATION_DEVICE_ARN": QPU,
        "AMZN_BRAKET_RESERVATION_TIME_WINDOW_ARN": arn,
    }


def test_job_without_a_script_has_an_image_only(data_dir):
    configuration = CONFIGURATION | {"algorithmSpecification": {"containerImage": {"uri": "i"}}}
    spec = build_spec(waiting(1), configuration, JobSettings(data_dir=data_dir), {}, attempt=1)
    assert (spec.script_file, spec.script_s3_uri, spec.image_uri) == ("", "", "i")


def test_credentials_differ_and_name_the_role_and_the_job():
    first, second = (new_credentials(waiting(1), ROLE, now=1) for _ in range(2))
    assert first.key.access_key != second.key.access_key
    assert first.job_token != second.job_token
    assert assumed_role_arn(first.key) == (
        "arn:aws:sts::000000000000:assumed-role/AmazonBraketJobsExecutionRole/job-1"
    )
    variables = first.environment("eu-north-1")
    assert variables["AWS_REGION"] == variables["AWS_DEFAULT_REGION"] == "eu-north-1"


@pytest.mark.parametrize(
    ("key", "below"), [("", "a"), ("x", "x/a"), ("x/", "x/a"), ("x/y", "x/y/a"), ("/x", "/x/a")]
)
def test_key_below_a_location(key, below):
    assert S3Location("bucket", key).below("a") == below

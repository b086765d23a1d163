"""Scripts and requests that go wrong, while another job runs on beside them all."""

import uuid

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import openbraket.testing
from support.job_scripts import create_job, job_lines, wait_for_end, wait_until
from support.jobs import job_request, put_script
from support.tasks import BUCKET

OPTIONS = ("--workers", "1", "--job-disk", "0.1", "--job-log", "1")
UNDISTURBED = """
import os, time
number = 0
while not os.path.exists(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"] + "/go"):
    number += 1
    print("line", number, flush=True)
    time.sleep(0.1)
print("last", number)
"""
FORKS = """
import os, signal
while os.fork():
    pass
os.setsid()
signal.pause()
"""
LEAVES = """
import os, signal, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.pause()
    print("alive", flush=True)
    signal.pause()
"""
MANY_FILES = """
import os
block, number = b"x" * (1 << 22), 0
while True:
    with open(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"] + f"/{number}", "wb") as file:
        file.write(block)
    number += 1
"""
PRINTS = """
import os
block = (b"y" * 99 + b"\\n") * 10_000
for _ in range(100):
    written = 0
    while written < len(block):
        written += os.write(1, block[written:])
"""
# What each script does, and what its job is to say.
WRONG = {
    "forks": (FORKS, "AlgorithmError: The job had ", "processes; the limit is 1024"),
    "leaves": (LEAVES, None, None),
    "disk": (MANY_FILES, "AlgorithmError: The job wrote ", "bytes; the limit is 107374182 bytes"),
    "one-file": (
        "with open('big', 'wb') as file:\n    file.truncate(10 * 10**9)",
        "AlgorithmError: OSError: [Errno 27] File too large",
        "exit code: 1",
    ),
    "prints": (
        PRINTS,
        None,
        None,
    ),
    "137": ("import os\nos._exit(137)", "AlgorithmError: The script was killed", "exit code: 137"),
    "killed": (
        "import os\nos.kill(os.getpid(), 9)", "AlgorithmError: The script was killed",
        "exit code: 137",
    ),
    "exit-3": ("raise SystemExit(3)", "AlgorithmError: ", "exit code: 3"),
}  # fmt: skip


@pytest.fixture(scope="module")
def service():
    with (
        pytest.MonkeyPatch.context() as patch,
        openbraket.testing.start(options=OPTIONS) as running,
    ):
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture(scope="module", autouse=True)
def undisturbed(service):
    """A job that runs beside all others, and ends as if nothing had been."""
    braket, s3, logs = (boto3.client(name) for name in ("braket", "s3", "logs"))
    checkpoints = {"s3Uri": f"s3://{BUCKET}/undisturbed"}
    arn = create_job(braket, s3, "undisturbed", UNDISTURBED, checkpointConfig=checkpoints)
    wait_until(lambda: job_lines(logs, "undisturbed"))
    yield
    job_id = arn.rpartition("/")[2]
    (path,) = (service.data_dir / "jobs" / job_id).glob("*/shared/checkpoints")
    (path / "go").touch()
    job = wait_for_end(braket, arn)
    assert job["status"] == "COMPLETED", job
    lines = [line.split() for line in job_lines(logs, "undisturbed")]
    numbers = [int(words[1]) for words in lines if words and words[0] == "line"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert ["last", str(len(numbers))] in lines
    # Nothing of the other jobs is left but their records.
    wait_until(lambda: not list((service.data_dir / "jobs").iterdir()))


@pytest.fixture(scope="module")
def ended(service, undisturbed):
    """All the wrong jobs, which run beside each other, when they have ended."""
    braket, s3 = boto3.client("braket"), boto3.client("s3")
    arns = {
        name: create_job(braket, s3, f"wrong-{name}", script)
        for name, (script, *_) in WRONG.items()
    }
    return {name: wait_for_end(braket, arn) for name, arn in arns.items()}


@pytest.mark.parametrize("name", [name for name, wanted in WRONG.items() if wanted[1]])
def test_script_that_goes_wrong_fails_its_job_with_the_reason(ended, name):
    job = ended[name]
    assert job["status"] == "FAILED"
    _, first, last = WRONG[name]
    assert job["failureReason"].startswith(first)
    assert job["failureReason"].endswith(last)
    assert job["events"][-1]["eventType"] == "FAILED"
    assert job["events"][-1]["message"] == job["failureReason"]


def test_processes_left_behind_end_with_their_job(ended, service):
    assert ended["leaves"]["status"] == "COMPLETED"


def test_output_beyond_the_limit_is_left_out_and_the_job_goes_on(ended, service):
    assert ended["prints"]["status"] == "COMPLETED"
    lines = job_lines(boto3.client("logs"), "wrong-prints")
    assert f"Output beyond {1 << 20} bytes is left out." in lines
    assert sum(map(len, lines)) < (1 << 20) + 1000


@pytest.fixture
def name():
    return "job-" + uuid.uuid4().hex[:12]


def test_requirements_that_cannot_be_installed_are_the_reason(service, name, s3, braket):
    from support.instances import archive

    files = {"algorithm.py": "print('ran')", "requirements.txt": "--no-index\nno-such-thing==1\n"}
    s3.put_object(Bucket=BUCKET, Key=f"{name}/source.tar.gz", Body=archive(files))
    script = {
        "entryPoint": "algorithm",
        "s3Uri": f"s3://{BUCKET}/{name}/source.tar.gz",
        "compressionType": "GZIP",
    }
    algorithm = {"scriptModeConfig": script}
    missing = {"scriptModeConfig": script | {"entryPoint": "nowhere:main"}}
    function = {"scriptModeConfig": script | {"entryPoint": "algorithm:nothing"}}
    arns = [
        braket.create_job(**job_request(jobName=f"{name}-{n}", algorithmSpecification=given))[
            "jobArn"
        ]
        for n, given in enumerate((algorithm, missing, function))
    ]
    first = wait_for_end(braket, arns[0])
    assert first["failureReason"] == (
        "AlgorithmError: The requirements could not be installed: "
        "No matching distribution found for no-such-thing==1"
    )
    assert all(wait_for_end(braket, arn)["status"] == "FAILED" for arn in arns)


@pytest.mark.parametrize(
    ("entry_point", "words"),
    [
        ("nowhere", "nowhere"),
        ("nowhere:main", "No module named 'nowhere'"),
        ("algorithm:nothing", "nothing"),
    ],
)
def test_entry_point_that_does_not_exist_is_the_reason(
    service, name, s3, braket, entry_point, words
):
    key = f"{name}/algorithm.py"
    script = {"entryPoint": entry_point, "s3Uri": f"s3://{BUCKET}/{key}", "compressionType": "NONE"}
    arn = create_job(
        braket, s3, name, "print('ran')", algorithmSpecification={"scriptModeConfig": script}
    )
    job = wait_for_end(braket, arn)
    assert job["status"] == "FAILED"
    assert job["failureReason"].startswith("AlgorithmError: ")
    assert words in job["failureReason"]


def test_script_that_is_no_archive_is_the_reason(service, name, s3, braket):
    script = {
        "entryPoint": "algorithm", "s3Uri": f"s3://{BUCKET}/{name}/algorithm.py",
        "compressionType": "GZIP",
    }  # fmt: skip
    arn = create_job(
        braket, s3, name, "print('ran')", algorithmSpecification={"scriptModeConfig": script}
    )
    assert "cannot be unpacked" in wait_for_end(braket, arn)["failureReason"]


def test_script_that_goes_before_its_job_starts_is_the_reason(service, name, s3, braket):
    channel = {
        "channelName": "c",
        "dataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/{name}/nothing/"}},
    }
    arn = create_job(braket, s3, name, "print('ran')", inputDataConfig=[channel])
    job = wait_for_end(braket, arn)
    assert job["failureReason"].startswith("ClientError: No data found for channel 'c'")


REFUSED = {
    "missing script": (
        {"algorithmSpecification": {"scriptModeConfig": {
            "entryPoint": "m", "s3Uri": f"s3://{BUCKET}/nothing"}}}, "does not exist"),
    "bad role": ({"roleArn": "role/mine"}, "roleArn"),
    "long name": ({"jobName": "n" * 51}, "jobName"),
    "many hyperparameters": ({"hyperParameters": {f"h{n}": "1" for n in range(101)}}, "100"),
    "reservation": (
        {"deviceConfig": {"device": "arn:aws:braket:us-east-1::device/qpu/quera/Aquila"},
         "associations": [{"arn": "arn:aws:braket:us-east-1:000000000000:reservation/r",
                           "type": "RESERVATION_TIME_WINDOW_ARN"}]},
        "Reservation arn is invalid: arn:aws:braket:us-east-1:000000000000:reservation/r"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_request_is_refused(service, s3, case):
    changes, words = REFUSED[case]
    put_script(s3)
    client = boto3.client("braket", config=Config(parameter_validation=False))
    with pytest.raises(ClientError) as caught:
        client.create_job(**job_request(**changes))
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert words in caught.value.response["Error"]["Message"]

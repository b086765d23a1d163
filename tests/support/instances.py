"""Instances of hybrid jobs without a service: a directory, a script and real processes."""

import io
import os
import select
import socket
import tarfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from openbraket.jobs.directory import InstanceState, JobDirectory, read_log
from openbraket.jobs.process import ProcessRuntime
from openbraket.jobs.spec import JobSpec, Limits
from openbraket.jobs.users import USER_IDS_DEFAULT
from support.patience import PATIENCE_S

GREET = """
import os, socket
def greet(text):
    to = socket.create_connection(("127.0.0.1", int(os.environ["TEST_PORT"])))
    to.sendall(text.encode() + b"\\n")
    return to
"""


def archive(files):
    """Return a gzip-compressed tar archive of name to text."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as opened:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            opened.addfile(member, io.BytesIO(text.encode()))
    return target.getvalue()


class Ear:
    """Hears what scripts say with `GREET`, so that tests need not ask again and again."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE_S)
        self.port = self._listener.getsockname()[1]
        self._connections = []

    def hear(self):
        """Wait for one process; return its words and the connection."""
        connection, _address = self._listener.accept()
        connection.settimeout(PATIENCE_S)
        self._connections.append(connection)
        words = b""
        while not words.endswith(b"\n"):
            words += connection.recv(1)
        return words.decode().strip(), connection

    def close(self):
        for connection in (*self._connections, self._listener):
            connection.close()


@dataclass
class Run:
    """One attempt of a job."""

    directory: JobDirectory
    spec: JobSpec
    ear: Ear
    runtime: ProcessRuntime = field(default_factory=ProcessRuntime)

    def start(self):
        for number in range(1, self.spec.instance_count + 1):
            self.runtime.start(self.directory, self.spec, number)
        return self

    def wait(self, number=1) -> InstanceState:
        """Wait until the supervisor is gone and return its last word."""
        instance = self.directory.instance(number)
        pid = instance.state().supervisor_pid
        if self.runtime.is_alive(self.directory, number):
            descriptor = os.pidfd_open(pid)
            try:
                ready, _, _ = select.select([descriptor], [], [], PATIENCE_S)
            finally:
                os.close(descriptor)
            if not ready:
                instance.request_stop()
                raise TimeoutError(f"algo-{number} still runs:\n{self.text(number)}")
        assert not self.runtime.is_alive(self.directory, number)
        return instance.state()

    def lines(self, number=1):
        records, _offset = read_log(self.directory.instance(number).log, 0, bytes_max=1 << 30)
        return [record.text for record in records]

    def text(self, number=1):
        errors = self.directory.instance(number).path / "supervisor.err"
        return "\n".join(self.lines(number)) + errors.read_text()


class Workplace:
    """Makes attempts below one data directory and ends what is left of them."""

    def __init__(self, data: Path, environments: Path, ear: Ear):
        self.data = data
        self.environments = environments
        self.ear = ear
        self.runs = []

    def job(self, script, **members) -> Run:
        """Prepare an attempt; `script` is a file's text, or bytes of an archive."""
        job_id = str(uuid.uuid4())
        directory = JobDirectory(self.data / "jobs" / job_id / "1")
        is_archive = isinstance(script, bytes)
        name = "source.tar.gz" if is_archive else "main.py"
        wanted = {
            "compression_type": "GZIP" if is_archive else "NONE",
            "entry_point": "main",
            "limits": Limits(),
            "script_file": name,
            "environment": {},
            "device_arn": "local:none/none",
            "user_ids": USER_IDS_DEFAULT,
        } | members
        wanted["environment"] = {"TEST_PORT": str(self.ear.port)} | wanted["environment"]
        spec = JobSpec(
            job_arn=f"arn:aws:braket:us-east-1:000000000000:job/{job_id}",
            job_id=job_id,
            job_name="a-job",
            attempt=1,
            script_s3_uri=f"s3://bucket/{name}",
            output_s3_path="s3://bucket/jobs/a-job/data",
            data_directory=str(self.data),
            environments_directory=str(self.environments),
            **wanted,
        )
        directory.prepare(spec)
        content = script if is_archive else (GREET + script).encode()
        (directory.script / name).write_bytes(content)
        run = Run(directory, spec, self.ear)
        self.runs.append(run)
        return run

    def close(self):
        for run in self.runs:
            for number in range(1, run.spec.instance_count + 1):
                if run.runtime.is_alive(run.directory, number):
                    run.runtime.stop(run.directory, number)
                    run.wait(number)
        self.ear.close()

"""The temporary keys and the job token of one attempt."""

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from openbraket.base.ids import parse_arn
from openbraket.store import jobs, session_keys
from openbraket.store.jobs import Job
from openbraket.store.session_keys import SessionKey

# Temporary keys begin with it, and no other key does.
ACCESS_KEY_PREFIX: Final = "ASOB"
_SESSION_NAME_LENGTH_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an attempt's clients sign and submit with.

    Attributes:
        key: The temporary key.
        job_token: What its quantum tasks carry; the records keep a hash of it.
    """

    key: SessionKey
    job_token: str

    def environment(self, region: str) -> dict[str, str]:
        """Return the variables that give them to the job's clients."""
        return {
            "AWS_ACCESS_KEY_ID": self.key.access_key,
            "AWS_SECRET_ACCESS_KEY": self.key.secret_key,
            "AWS_SESSION_TOKEN": self.key.session_token,
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
            "AMZN_BRAKET_JOB_TOKEN": self.job_token,
        }


def new_credentials(job: Job, role_arn: str, *, now: int) -> Credentials:
    """Return fresh credentials of a job's role and account; nothing is recorded yet.

    Args:
        job: The job.
        role_arn: The role that it acts as.
        now: Milliseconds since the epoch.
    """
    key = SessionKey(
        access_key=ACCESS_KEY_PREFIX + secrets.token_hex(8).upper(),
        secret_key=secrets.token_urlsafe(30),
        session_token=secrets.token_urlsafe(48),
        account=job.account,
        role_arn=role_arn,
        session_name=job.name[:_SESSION_NAME_LENGTH_MAX],
        job_id=job.id,
        created_at=now,
    )
    return Credentials(key, secrets.token_urlsafe(64))


def record(connection: Connection, job: Job, credentials: Credentials, *, attempt: int) -> bool:
    """Make credentials the only ones of an attempt.

    Args:
        connection: In a write transaction.
        job: The job.
        credentials: The new ones.
        attempt: The attempt that they are for.

    Returns:
        Whether the attempt still holds the job; where not, nothing is recorded.
    """
    if not jobs.renew_token(connection, job.id, credentials.job_token, attempt=attempt):
        return False
    session_keys.delete_keys(connection, job.id)
    session_keys.add_key(connection, credentials.key)
    return True


def assumed_role_arn(key: SessionKey) -> str:
    """Return the ARN of a key's session, as STS gives it."""
    role = parse_arn(key.role_arn)
    name = key.role_arn if role is None else role.name
    return f"arn:aws:sts::{key.account}:assumed-role/{name.rpartition('/')[2]}/{key.session_name}"

"""The temporary access keys of active jobs, each with the identity of its job's role."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select

from openbraket.store.statements import Statement
from openbraket.store.tables import session_keys


@dataclass(frozen=True, slots=True)
class SessionKey:
    """One temporary key.

    Attributes:
        access_key: The public part, as it stands in a request's credential scope.
        secret_key: The secret that requests are signed with.
        session_token: What must come with each request beside the signature.
        account: Twelve-digit account that the key acts for.
        role_arn: The role that it acts as.
        session_name: The name of the role's session: the job's.
        job_id: The job; the key goes with it.
        created_at: Milliseconds since the epoch.
    """

    access_key: str
    secret_key: str
    session_token: str
    account: str
    role_arn: str
    session_name: str
    job_id: str
    created_at: int


_COLUMNS = tuple(session_keys.c[name] for name in SessionKey.__dataclass_fields__)
_ADD = Statement(insert(session_keys))
_GET = Statement(select(*_COLUMNS).where(session_keys.c.access_key == bindparam("access_key")))
_DELETE = Statement(delete(session_keys).where(session_keys.c.job_id == bindparam("of_job")))


def add_key(connection: Connection, key: SessionKey) -> None:
    """Record a new key."""
    values = {name: getattr(key, name) for name in SessionKey.__dataclass_fields__}
    _ADD.run(connection, **values)


def get_key(connection: Connection, access_key: str) -> SessionKey | None:
    """Return a key, or None where there is none, or no longer."""
    row = _GET.first(connection, access_key=access_key)
    return None if row is None else SessionKey(*row)


def delete_keys(connection: Connection, job_id: str) -> None:
    """Remove the keys of a job."""
    _DELETE.run(connection, of_job=job_id)

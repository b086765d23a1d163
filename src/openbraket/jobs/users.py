"""Users of jobs: ids without an account, one for each running job, where the server is root.

The kernel exempts root from its limit of processes and root's files from nobody, so a job of a
server that runs as root has a user of its own. Its id comes from a range; who uses it holds a lock
on a file of that id for as long as any of its supervisors lives, and nobody takes an id of which
processes are left. The locks die with their processes, so a crash leaves nothing to clear up.

All instances of a job have one user: they share checkpoints and input.
"""

import contextlib
import fcntl
import os
import pwd
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from openbraket.jobs import namespaces as ns
from openbraket.jobs.directory import JobDirectory

# Between the ids that systemd gives to containers' and to services' passing users, and within the
# 65,536 that most containers have.
USER_IDS_DEFAULT = (60_706, 61_183)
USER_ID_MAX = 2**32 - 3
# Of user 65534 are the files of everybody that a container does not know.
NOBODY = 65_534
USER_NAME = "job"
LOCKS = Path("/run/openbraket/job-users")
STRIKE_SECONDS_MAX = 1.0
STRIKES_MAX = 100
_PAUSE_SECONDS = 0.002
_END_LEFT = """
import sys
sys.path.append(sys.argv[1])
from openbraket.jobs.users import end_processes
end_processes(int(sys.argv[2]))
"""
END_LEFT_SECONDS_MAX = 120
WARDEN_SECONDS_MAX = 10.0


class NoUserError(Exception):
    """No job can have a user of its own here; the message says why."""


class UsersBusyError(Exception):
    """All users of jobs are in use; the message is for the job's owner."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the processes of a job are.

    Attributes:
        user_id: The user's and the group's id.
        group_ids: Further groups, those that accelerators belong to.
        instance_count: How many instances of the job have this user.
    """

    user_id: int
    group_ids: tuple[int, ...] = ()
    instance_count: int = 1


def read_user_ids(text: str) -> tuple[int, int] | None:
    """Return the range of ids that an operator chose.

    Args:
        text: `FIRST-LAST`, or `none` for no users of jobs.

    Returns:
        The first and the last id, None for `none`.

    Raises:
        ValueError: If it is no such range, or one with root, nobody or an account in it.
    """
    if text == "none":
        return None
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and first.isascii()):
        raise ValueError(f"{text!r} is neither a range FIRST-LAST of user ids nor `none`")
    ids = range(int(first), int(last) + 1)
    if not ids or ids[0] < 1 or ids[-1] > USER_ID_MAX:
        raise ValueError(f"{text!r} is not a range of user ids within 1 and {USER_ID_MAX}")
    taken = {NOBODY: "nobody"} | {entry.pw_uid: entry.pw_name for entry in pwd.getpwall()}
    for user_id, name in taken.items():
        if user_id in ids:
            raise ValueError(f"{text!r} has the id {user_id} of the account {name} in it")
    return ids[0], ids[-1]


class JobUser:
    """A user that a job has, until `end`.

    Attributes:
        user_id: Its id.
        is_first: Whether no other instance of the job had it before this one.
    """

    def __init__(self, user_id: int, lock: int, directory: JobDirectory, *, is_first: bool) -> None:
        """Take over a lock.

        Args:
            user_id: The id.
            lock: Descriptor of its locked file.
            directory: The attempt's.
            is_first: See the class.
        """
        self.user_id = user_id
        self.is_first = is_first
        self._lock = lock
        self._directory = directory

    def end(self) -> None:
        """Let go of the user; the last instance first ends every process that is left of it."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # the directory may be gone
                stack.enter_context(_mutex(self._directory))
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                end_processes(self.user_id)
            fcntl.flock(self._lock, fcntl.LOCK_UN)
        os.close(self._lock)


def claim(
    directory: JobDirectory, user_ids: tuple[int, int], *, job_id: str, data_directory: str
) -> JobUser:
    """Take a user for a job, the one that another instance of it has where there is one.

    Args:
        directory: The attempt's.
        user_ids: The first and the last id to choose from.
        job_id: Where in the range to begin follows from it.
        data_directory: Takes the locks where `/run` cannot be written to.

    Returns:
        The user, locked.

    Raises:
        NoUserError: If the ids do not exist here.
        UsersBusyError: If all are in use.
        OSError: If no lock can be made.
    """
    first, last = user_ids
    if not (_is_mapped("uid", first, last) and _is_mapped("gid", first, last)):
        raise NoUserError(f"the user ids {first} to {last} do not exist in this container")
    folder = _locks_folder(data_directory)
    count = last - first + 1
    start = zlib.crc32(job_id.encode())
    with _mutex(directory) as mutex:
        known = directory.user_id()
        if known is not None and (lock := _lock_again(folder, known, directory)) is not None:
            return JobUser(known, lock, directory, is_first=False)
        for step in range(count):
            user_id = first + (start + step) % count
            lock = _lock_new(folder, user_id, directory)
            if lock is not None:
                os.pwrite(mutex, b"%-10d" % user_id, 0)
                return JobUser(user_id, lock, directory, is_first=True)
    raise UsersBusyError(f"All {count} user ids from {first} to {last} are in use")


@contextlib.contextmanager
def _mutex(directory: JobDirectory) -> Iterator[int]:
    """Let one instance of a job at a time take its user or let go of it."""
    descriptor = os.open(directory.user_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _locks_folder(data_directory: str) -> Path:
    for folder in (LOCKS, Path(data_directory, "job-users")):
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            return folder
    raise NoUserError(f"neither {LOCKS} nor a folder in {data_directory} can be made")


def _open_lock(folder: Path, user_id: int) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(folder / str(user_id), flags, 0o600)


def _lock_new(folder: Path, user_id: int, directory: JobDirectory) -> int | None:
    """Lock an id that nobody uses; None where somebody does."""
    lock = _open_lock(folder, user_id)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not live_processes(user_id):
            os.ftruncate(lock, 0)
            os.pwrite(lock, bytes(directory.path), 0)
            # Another may come between; then this one is refused.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return lock
    os.close(lock)
    return None


def _lock_again(folder: Path, user_id: int, directory: JobDirectory) -> int | None:
    """Lock the id that a job has; None where another job has it by now."""
    lock = _open_lock(folder, user_id)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.pread(lock, 4096, 0) == bytes(directory.path):
            return lock
    os.close(lock)
    return None


def end_left(directory: JobDirectory, data_directory: str) -> None:
    """End what is left of a job whose supervisors are all gone; for the server.

    Args:
        directory: The attempt's.
        data_directory: As for `claim`.

    Raises:
        OSError: If that cannot be found out, or what watched over the job does not end.
        NoUserError: If there is no folder for locks.
        subprocess.SubprocessError: If they cannot be ended.
    """
    user_id = directory.user_id()
    if user_id is None or os.geteuid() != 0:
        return
    lock = _lock_again(_locks_folder(data_directory), user_id, directory)
    if lock is None:
        return
    try:
        _wait_for_wardens(lock)
        # The server has threads, and so should not fork.
        package = str(Path(__file__).resolve().parents[2])
        subprocess.run(  # noqa: S603  (our own command)
            [sys.executable, "-I", "-S", "-c", _END_LEFT, package, str(user_id)],
            check=True,
            timeout=END_LEFT_SECONDS_MAX,
            stdin=subprocess.DEVNULL,
        )
    finally:
        os.close(lock)


def _wait_for_wardens(lock: int) -> None:
    """Lock an id for ourselves; wardens, which hold it too, end after their supervisors.

    Raises:
        BlockingIOError: One does not end.
    """
    deadline = time.monotonic() + WARDEN_SECONDS_MAX
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def end_processes(user_id: int) -> None:
    """Kill all processes of a user and wait until they are gone.

    Args:
        user_id: A job's.

    Raises:
        OSError: If some cannot be killed.
    """
    for _ in range(STRIKES_MAX):
        # First of all: some may be in no list of processes for long enough to be read from it.
        strike(user_id)
        deadline = time.monotonic() + STRIKE_SECONDS_MAX
        while time.monotonic() < deadline:
            if not live_processes(user_id):
                return
            time.sleep(_PAUSE_SECONDS)
    raise OSError(f"processes of the user {user_id} cannot be killed")


def strike(user_id: int) -> None:
    """Kill all processes of a user in one step, which no fork escapes; needs root and one thread.

    A process of that user itself sends the signal, to all that it may signal. While the kernel does
    that no process can be made.

    Args:
        user_id: A job's.

    Raises:
        ValueError: If it is root's.
    """
    if user_id < 1:
        raise ValueError(f"the user {user_id} is no job's")
    striker = os.fork()
    if striker == 0:
        try:
            ns.give_up_rights(user_id)
            # With any right left, this would end the machine.
            if os.getresuid() == (user_id,) * 3 and not ns.has_capabilities():
                os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    deadline = time.monotonic() + STRIKE_SECONDS_MAX
    while os.waitpid(striker, os.WNOHANG)[0] == 0:
        if time.monotonic() >= deadline:
            # Stopped by those that it was to kill; the next will be faster.
            os.kill(striker, signal.SIGKILL)
            os.waitpid(striker, 0)
            return
        time.sleep(_PAUSE_SECONDS)


def live_processes(user_id: int) -> list[int]:
    """Return the processes of a user; not those of which only the exit status is left.

    Args:
        user_id: Its id.

    Returns:
        Process ids.

    Cost:
        About 15 microseconds for each process of the machine.
    """
    wanted = b"\nUid:\t%d\t" % user_id
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - plain names
        if name.isdigit():
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{name}/status").read_bytes()
                # The owner of the folder in `/proc` would be root's for some.
                if wanted in text and b"\nState:\tZ" not in text and b"\nState:\tX" not in text:
                    found.append(int(name))
    return found


def _is_mapped(kind: str, first: int, last: int) -> bool:
    """Return whether a range of ids exists in this process's user namespace."""
    try:
        text = Path(f"/proc/self/{kind}_map").read_text()
    except OSError:
        return True
    for line in text.splitlines():
        begin, _outside, count = map(int, line.split())
        if begin <= first and last < begin + count:
            return True
    return False

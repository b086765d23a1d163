"""One command and all that it starts, in a tree of processes that ends as one.

The supervisor forks a *warden*, which runs the command, adopts its orphans, watches what the tree
uses and reports through a pipe. Where the machine allows namespaces, the warden is the first
process of its own process namespace, so the kernel kills the tree with it; between the two there
is then a *porter*, which does nothing but wait. A tree never outlives its supervisor: the kernel
kills porter and warden with their parents, and a warden without a namespace kills its tree when the
supervisor's end of a pipe closes.
"""

import contextlib
import json
import os
import resource
import select
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from openbraket.jobs import namespaces as ns
from openbraket.jobs import tree
from openbraket.jobs.users import Identity, strike
from openbraket.jobs.view import FileView, apply

WATCH_SECONDS = 0.1
# A folder of the machine that does not answer, as of a lost file server, must not hold up jobs.
START_SECONDS_MAX = 30
CANNOT_RUN = 127
# Before other processes when the machine itself runs out of memory.
_OOM_SCORE = "500"
# Behind the watch, which looks only now and then; the kernel counts threads, too, and does not
# apply it to root.
_PROCESS_SLACK = 2
# How much more of a busy processor than the job's processes the warden gets where it may, so that
# thousands of them cannot keep it from ending them.
_WARDEN_NICENESS = -15

USER, ROOT, PLAIN = "user", "root", "plain"
_NAMESPACES = ns.CLONE_NEWNS | ns.CLONE_NEWPID | ns.CLONE_NEWIPC | ns.CLONE_NEWUTS


def modes(identity: Identity | None = None) -> tuple[str, ...]:
    """Return the ways to try, the best first, in which this user can have private views.

    Args:
        identity: Who the processes in them are to be; None for this process's user.
    """
    if os.geteuid() != 0:
        return (USER,)
    # In a user namespace root keeps no capability over the machine; another user has none anyway.
    return (USER, ROOT) if identity is None else (ROOT, USER)


@dataclass(frozen=True, slots=True)
class Command:
    """What is run, and what it may use.

    Attributes:
        arguments: Program and arguments; the program is a path.
        environment: All its variables.
        folder: Working directory, as the program sees it.
        view: The files it sees; taken no notice of by `PLAIN`.
        memory_bytes: Resident memory of the tree.
        process_count: Processes alive at once.
        file_bytes: Size of any one file.
        identity: Who the processes are; None for the supervisor's user.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    view: FileView | None
    memory_bytes: int
    process_count: int
    file_bytes: int
    identity: Identity | None = None


class NotAllowedError(Exception):
    """The machine does not allow namespaces in this way."""


class Contained:
    """A running command.

    Attributes:
        output: Descriptor of what it prints, both streams in order; not blocking.
        status: Descriptor of the warden's reports.
        exit_code: Of the command, 128 + n for signal n; None before it ended.
        excess: The limit for which the warden ended it.
        trouble: Why the command could not be run; None where it ran.
        is_over: Whether nothing more will be reported.
    """

    def __init__(self, command: Command, mode: str) -> None:
        """Start it.

        Args:
            command: What to run.
            mode: `USER`, `ROOT` or `PLAIN`.

        Raises:
            NotAllowedError: If the machine does not allow the mode; nothing runs then.
            OSError: If no process can be started.
        """
        self.exit_code: int | None = None
        self.excess: tree.Excess | None = None
        self.trouble: str | None = None
        self.is_over = False
        self._reports = b""
        self._striker = _Striker(command, mode)
        self.output, output = os.pipe2(os.O_CLOEXEC)
        self.status, status = os.pipe2(os.O_CLOEXEC)
        line, self._line = os.pipe2(os.O_CLOEXEC)
        supervisor = os.getpid()
        if command.identity is not None:
            # Else the job could not open its own `/dev/stdout`.
            os.fchown(output, command.identity.user_id, command.identity.user_id)
        if os.fork() == 0:
            code = 1
            try:
                for descriptor in (self.output, self.status, self._line):
                    os.close(descriptor)
                _Warden(command, mode, output, status, line, supervisor).run()
            except OSError as error:
                _report(status, refused=str(error))
            finally:
                os._exit(code)
        for descriptor in (output, status, line):
            os.close(descriptor)
        os.set_blocking(self.output, False)
        refused = self._wait_for_start()
        if refused is not None:
            self.close()
            raise NotAllowedError(refused)

    def _wait_for_start(self) -> str | None:
        poll = select.poll()
        poll.register(self.status, select.POLLIN)
        while True:
            if not poll.poll(START_SECONDS_MAX * 1000):
                return f"preparing the job's view took more than {START_SECONDS_MAX} seconds"
            text = os.read(self.status, 4096)
            if not text:
                return "the process that prepares the job's view ended"
            self._reports += text
            if b"\n" in self._reports:
                first, _, self._reports = self._reports.partition(b"\n")
                refused: str | None = json.loads(first).get("refused")
                self._take_reports()
                return refused

    def read_status(self) -> None:
        """Take in what the warden says; to be called when `status` can be read."""
        text = os.read(self.status, 4096)
        self.is_over = not text
        self._reports += text
        self._take_reports()

    def _take_reports(self) -> None:
        *whole, self._reports = self._reports.split(b"\n")
        for line in whole:
            report = json.loads(line)
            self.exit_code = report.get("exited", self.exit_code)
            self.trouble = report.get("trouble", self.trouble)
            if "reason" in report:
                self.excess = tree.Excess(report["reason"], report["message"])

    def kill(self) -> None:
        """Kill the tree; returns when no process of it is left."""
        self._striker.strike()
        tree.kill_descendants(os.getpid())

    def close(self) -> None:
        """Kill what is left and let go of the pipes."""
        self.kill()
        for descriptor in (self.output, self.status, self._line):
            os.close(descriptor)


def _report(descriptor: int, **members: object) -> None:
    with contextlib.suppress(OSError):
        os.write(descriptor, json.dumps(members).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class _Striker:
    """Ends at once what descends from nobody any more, where only its user tells what is a job's.

    Not where another instance of the job has the same user; the last of them does it.
    """

    command: Command
    mode: str

    def strike(self) -> None:
        identity = self.command.identity
        if self.mode == PLAIN and identity is not None and identity.instance_count == 1:
            strike(identity.user_id)


@dataclass(frozen=True, slots=True)
class _Warden:
    command: Command
    mode: str
    output: int
    status: int
    line: int
    supervisor: int

    def run(self) -> NoReturn:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        niceness = os.getpriority(os.PRIO_PROCESS, 0)
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, niceness + _WARDEN_NICENESS)
        if self.mode == PLAIN:
            ns.adopt_orphans()
            ns.keep_privileges_from_growing()
        else:
            self._enter_namespaces()
            if self.command.view is not None:
                apply(self.command.view)
            self._become_job()
            ns.die_with_parent()
        awake, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        main = os.fork()
        if main == 0:
            signal.set_wakeup_fd(-1)
            self._execute(niceness)
        os.close(self.output)
        if self.mode == PLAIN and self.command.identity is not None:
            # How much memory a process uses only its own user may know.
            ns.look_as(self.command.identity.user_id)
        ns.hide_from_trace()
        _report(self.status, started=True)
        found: list[tree.Excess] = []
        threading.Thread(target=self._watch_memory, args=(found, wake), daemon=True).start()
        self._watch(main, awake, found)

    def _become_job(self) -> None:
        identity = self.command.identity
        if identity is None:
            ns.give_up_rights()
        else:
            ns.give_up_rights(identity.user_id, identity.group_ids)

    def _enter_namespaces(self) -> None:
        """Return in the first process of a new process namespace; the porter waits for it."""
        identity = self.command.identity
        if self.mode == USER and identity is not None:
            ns.enter_user_namespace(_NAMESPACES, identity.user_id, identity.group_ids)
        elif self.mode == USER:
            ns.enter_user_namespace(_NAMESPACES)
        else:
            ns.unshare(_NAMESPACES)
        first = os.fork()
        if first == 0:
            return
        for descriptor in (self.output, self.status, self.line):
            os.close(descriptor)
        ns.die_with_parent()
        if os.getppid() == self.supervisor:
            os.waitpid(first, 0)
        os._exit(0)

    def _execute(self, niceness: int) -> NoReturn:
        identity = self.command.identity
        try:
            os.setsid()
            os.setpriority(os.PRIO_PROCESS, 0, niceness)
            ns.show_to_trace()
            for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
            if self.mode == PLAIN and identity is not None:
                self._become_job()
            _lower_limit(resource.RLIMIT_FSIZE, self.command.file_bytes)
            _lower_limit(resource.RLIMIT_CORE, 0)
            if self.mode == USER or identity is not None:
                count = 1 if identity is None else identity.instance_count
                count *= self.command.process_count * _PROCESS_SLACK
                _lower_limit(resource.RLIMIT_NPROC, count)
            nothing = os.open("/dev/null", os.O_RDONLY)
            for source, target in ((nothing, 0), (self.output, 1), (self.output, 2)):
                os.dup2(source, target)
            os.chdir(self.command.folder)
            arguments = list(self.command.arguments)
            os.execve(  # noqa: S606  (what this module is for)
                arguments[0], arguments, dict(self.command.environment)
            )
        except (OSError, ValueError) as error:
            _report(self.status, trouble=f"{self.command.arguments[0]} cannot be run: {error}")
        finally:
            os._exit(CANNOT_RUN)

    def _watch(self, main: int, awake: int, found: list[tree.Excess]) -> NoReturn:
        poll = select.poll()
        poll.register(self.line, select.POLLIN)
        poll.register(awake, select.POLLIN)
        next_look = time.monotonic() + WATCH_SECONDS
        while True:
            wait = max(next_look - time.monotonic(), 0)
            ready = [descriptor for descriptor, _event in poll.poll(wait * 1000)]
            if self.line in ready:
                self._end()
            if awake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(awake, 4096)
                self._reap(main)
            self._end_if(found[0] if found else None)
            if time.monotonic() >= next_look:
                self._end_if(tree.check_count(self._pids(), self.command.process_count))
                next_look = time.monotonic() + WATCH_SECONDS

    def _reap(self, main: int) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == main:
                    code = os.waitstatus_to_exitcode(status)
                    _report(self.status, exited=code if code >= 0 else 128 - code)
                    self._end()

    def _pids(self) -> list[int]:
        if self.mode == PLAIN:
            return tree.descendants(os.getpid())
        return tree.pids_of_namespace()

    def _watch_memory(self, found: list[tree.Excess], wake: int) -> None:
        """Look at the memory again and again; in a thread, as a single look may take long."""
        while not found:
            time.sleep(WATCH_SECONDS)
            excess = tree.check_memory(self._pids(), self.command.memory_bytes)
            if excess is not None:
                found.append(excess)
                os.write(wake, b"!")

    def _end_if(self, excess: tree.Excess | None) -> None:
        if excess is not None:
            _report(self.status, reason=excess.reason, message=excess.message)
            self._end()

    def _end(self) -> NoReturn:
        """End with the whole tree: without a namespace by hand, else the kernel does it."""
        if self.mode == PLAIN:
            _Striker(self.command, self.mode).strike()
            tree.kill_descendants(os.getpid())
        os._exit(0)


def _lower_limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))

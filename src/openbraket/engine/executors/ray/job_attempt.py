"""One attempt of a hybrid job on the cluster: a placement group, and an actor for each instance.

Both are detached and named after the attempt, so they outlive the bridge and the server, and are
found again. A file in the attempt's directory says that the instances may have begun; it is written
before the first one is told to. So what has not begun is started again after any crash, and what
has begun is found or has died: nothing runs twice.
"""

import asyncio
import contextlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Final, TypeVar

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.placement_group import (
    PlacementGroup,
    get_placement_group,
    placement_group,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from openbraket import __version__
from openbraket.engine.executors.ray.job_instance import (
    InstanceActor,
    LostError,
    Mirror,
    has_ended,
    lost_sentence,
)
from openbraket.engine.executors.ray.nodes import GRACE_S, Nodes
from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.node import staged_pieces
from openbraket.jobs.spec import JobSpec

T = TypeVar("T")

# What Ray sets aside for an instance; its limit is that of its type.
INSTANCE_BYTES: Final = 512 << 20
LOOK_S: Final = 0.5
RETRY_S: Final = 2.0
# How often an attempt that has not begun is tried before the job fails.
TRIES_MAX: Final = 5
# How long an instance that is to stop may take before its process is killed.
STOP_S_MAX: Final = 20.0
FINISH_S_MAX: Final = 15.0
_BEGUN: Final = "begun.json"
_ACTOR = ray.remote(concurrency_groups={"news": 1, "control": 2})(InstanceActor)  # type: ignore[call-overload]


class _EndError(Exception):
    """Nothing has begun and nothing will.

    Attributes:
        reason: As in `InstanceState`.
        message: For the job's owner.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def group_name(service: str, directory: Path) -> str:
    """Return the name of an attempt's placement group.

    Args:
        service: Names this service on the cluster.
        directory: The attempt's, `…/<job uuid>/<attempt>`.
    """
    return f"{service}-job-{directory.parent.name}-{directory.name}"


class JobAttempt:
    """One attempt, seen to its end.

    Args:
        directory: The attempt's, on this machine, staged.
        service: Names this service on the cluster.
        nodes: The cluster's.
        files: Does what blocks.
        warn: Called with what the operator should know.
    """

    def __init__(
        self,
        directory: JobDirectory,
        *,
        service: str,
        nodes: Nodes,
        files: Executor,
        warn: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._name = group_name(service, directory.path)
        self._nodes = nodes
        self._files = files
        self._warn = warn
        self._spec: JobSpec | None = None
        self._stopping = asyncio.Event()
        self._began_s = time.monotonic()

    def stop(self) -> None:
        """End the instances, whatever they do."""
        self._stopping.set()

    async def see(self) -> None:
        """See the attempt to its end, whatever goes wrong on the way, and leave nothing."""
        for tries in itertools.count(1):
            try:
                await self._see()
            except (FileNotFoundError, NotADirectoryError):
                # The job is over, or somebody else has removed its files.
                await self._end_all("lost", "The job's files are gone")
                break
            except _EndError as error:
                await self._end_all(error.reason, error.message)
                break
            except Exception as error:
                text = " ".join(f"{type(error).__name__}: {error}".split())[:1000]
                self._warn(f"job {self._directory.path.parent.name}: {text}")
                # What has begun is not given up as long as the cluster may come back.
                if self._is_unwanted() or (tries >= TRIES_MAX and self._read_begun() is None):
                    await self._end_all("lost", f"The job cannot be run on the Ray cluster: {text}")
                    break
                await asyncio.sleep(RETRY_S)
            else:
                break
        await self._remove()

    async def _see(self) -> None:
        """Start the instances or find them, and follow those that have not ended.

        Raises:
            _EndError: None has begun, and none will.
            OSError: The directory cannot be read or written.
            Exception: Whatever Ray raises when the cluster is gone.
        """
        self._spec = spec = await self._run(self._directory.spec)
        numbers = range(1, spec.instance_count + 1)
        if all([await self._run(has_ended, self._directory, number) for number in numbers]):
            return
        begun = await self._run(self._read_begun)
        actors: dict[int, Any] = {}
        if begun is None:
            actors = await self._launch(spec)
            begun = await self._run(self._read_begun)
        else:
            for number in numbers:
                with contextlib.suppress(ValueError):
                    actors[number] = await self._run(ray.get_actor, self._actor_name(number))
        followed = [
            asyncio.create_task(self._follow(number, actors.get(number), begun or []))
            for number in numbers
        ]
        try:
            await asyncio.gather(*followed)
        finally:
            for task in followed:
                task.cancel()
            await asyncio.wait(followed)

    async def _follow(self, number: int, actor: Any, addresses: list[str]) -> None:  # noqa: ANN401
        """See one instance to its end."""
        if await self._run(has_ended, self._directory, number):
            return
        following = asyncio.create_task(self._bring(number, actor, addresses))
        stopping = asyncio.create_task(self._stop_when_wanted(number, actor))
        try:
            await asyncio.wait((following, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                message = f"Instance algo-{number} did not stop within {STOP_S_MAX:g} s"
                await self._run(self._directory.instance(number).write_ended, "stopped", message)
                return
            await following
        except LostError as error:
            await self._run(self._directory.instance(number).write_ended, "lost", str(error))
        finally:
            following.cancel()
            stopping.cancel()

    async def _bring(self, number: int, actor: Any, addresses: list[str]) -> None:  # noqa: ANN401
        if actor is None:
            raise LostError(
                f"Instance algo-{number} was lost: its process is not on the Ray cluster any more"
            )
        mirror = Mirror(self._directory, number, actor, files=self._files, warn=self._warn)
        try:
            await mirror.know_checkpoints()
            # Again after a crash between the note and the call; once it is begun this does nothing.
            spec = await self._run(self._directory.spec)
            await actor.begin.remote(spec.to_json(), addresses)
            await mirror.follow()
        except RayTaskError as error:
            text = str(error.cause or error).strip().splitlines()[-1]
            raise LostError(f"Instance algo-{number} cannot run on its node: {text}") from error
        except RayActorError as error:
            raise LostError(lost_sentence(number, error)) from error

    async def _stop_when_wanted(self, number: int, actor: Any) -> None:  # noqa: ANN401
        """Return when an instance was told to stop and has not for too long."""
        instance = self._directory.instance(number)
        # Also asked by a file, which outlives this process.
        while not self._stopping.is_set() and not instance.stop_path.exists():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_S)
        if actor is not None:
            with contextlib.suppress(RayError, TimeoutError):
                await asyncio.wait_for(_result(actor.stop.remote()), STOP_S_MAX)
        await asyncio.sleep(STOP_S_MAX)

    # Start.

    async def _launch(self, spec: JobSpec) -> dict[int, Any]:
        """Place the instances, send them their files, and note that they may begin.

        Raises:
            _EndError: They cannot be placed, or are not wanted any more.
            OSError: A staged file cannot be read, or the note not written.
            Exception: Whatever Ray raises when an instance or the cluster is gone.
        """
        numbers = range(1, spec.instance_count + 1)
        memory_bytes = min(spec.limits.memory_bytes, INSTANCE_BYTES)
        group = await self._run(self._group, spec.instance_count, memory_bytes)
        actors = {
            number: await self._run(self._actor, group, number, memory_bytes) for number in numbers
        }
        found = await self._wait_for_place(spec, actors.values(), memory_bytes)
        for description in found:
            if description["version"] != __version__:
                raise _EndError(
                    "lost",
                    f"The node {description['address']} of the Ray cluster has OpenBraket "
                    f"{description['version']}, the server {__version__}",
                )
        pieces = staged_pieces(self._directory)
        while (message := await self._run(next, pieces, None)) is not None:
            await asyncio.gather(*(_result(actor.put.remote(message)) for actor in actors.values()))
            if self._is_unwanted():
                raise _EndError("stopped", "The job was stopped")
        is_spread = len({description["node"] for description in found}) > 1
        addresses = [description["address"] for description in found] if is_spread else []
        await self._run(self._write_begun, addresses)
        return actors

    async def _wait_for_place(
        self, spec: JobSpec, actors: Iterable[Any], memory_bytes: int
    ) -> list[dict[str, Any]]:
        """Return what the instances say once all are there.

        Raises:
            _EndError: They cannot be placed, or are not wanted any more.
            RayError: One cannot be started.
        """
        waiting = asyncio.gather(*(_result(actor.describe.remote()) for actor in actors))
        seen_s = time.monotonic()
        try:
            while True:
                done, _ = await asyncio.wait((waiting,), timeout=LOOK_S)
                if done:
                    return list(waiting.result())
                now = time.monotonic()
                if self._is_unwanted():
                    raise _EndError("stopped", "The job was stopped")
                if self._nodes.thread_count(1, memory_bytes, {}):
                    seen_s = now
                if now - seen_s > GRACE_S:
                    raise _EndError(
                        "lost", f"No node of the Ray cluster has {memory_bytes} bytes of memory"
                    )
                if now - self._began_s > spec.limits.runtime_seconds:
                    raise _EndError(
                        "max_runtime",
                        "The Ray cluster had no room for the job within its limit of "
                        f"{spec.limits.runtime_seconds:g} seconds",
                    )
        finally:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await waiting

    def _group(self, count: int, memory_bytes: int) -> PlacementGroup:
        with contextlib.suppress(ValueError):
            found: PlacementGroup = get_placement_group(self._name)
            return found
        # No processors: the job's own tasks could need the last ones.
        bundles = [{"memory": float(memory_bytes)} for _ in range(count)]
        idle = ", ".join(self._nodes.without_processors)
        selectors = [{"ray.io/node-id": f"!in({idle})"}] * count if idle else None
        made: PlacementGroup = placement_group(
            bundles,
            strategy="SPREAD",
            name=self._name,
            lifetime="detached",
            bundle_label_selector=selectors,
        )
        return made

    def _actor(self, group: PlacementGroup, number: int, memory_bytes: int) -> Any:  # noqa: ANN401
        name = self._actor_name(number)
        with contextlib.suppress(ValueError):
            return ray.get_actor(name)
        return _ACTOR.options(
            name=name,
            lifetime="detached",
            num_cpus=0,
            memory=memory_bytes,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=PlacementGroupSchedulingStrategy(
                placement_group=group, placement_group_bundle_index=number - 1
            ),
        ).remote(name, number)

    def _actor_name(self, number: int) -> str:
        return f"{self._name}-algo-{number}"

    def _is_unwanted(self) -> bool:
        return self._stopping.is_set() or self._directory.instance(1).stop_path.exists()

    def _read_begun(self) -> list[str] | None:
        try:
            addresses: list[str] = json.loads((self._directory.path / _BEGUN).read_bytes())
        except FileNotFoundError:
            return None
        return addresses

    def _write_begun(self, addresses: list[str]) -> None:
        aside = self._directory.path / f"{_BEGUN}.new"
        with aside.open("w") as file:
            json.dump(addresses, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._directory.path / _BEGUN)

    # End.

    async def _end_all(self, reason: str, message: str) -> None:
        for folder in self._directory.path.glob("algo-*"):
            number = int(folder.name.removeprefix("algo-"))
            with contextlib.suppress(OSError):
                await self._run(self._directory.instance(number).write_ended, reason, message)

    async def _remove(self) -> None:
        """Remove the instances' files on their nodes, their processes and their places."""
        count = 0 if self._spec is None else self._spec.instance_count
        await asyncio.gather(*(self._finish(number) for number in range(1, count + 1)))
        await self._run(remove_group, self._name)

    async def _finish(self, number: int) -> None:
        with contextlib.suppress(RayError, ValueError, TimeoutError):
            actor = await self._run(ray.get_actor, self._actor_name(number))
            await asyncio.wait_for(_result(actor.finish.remote()), FINISH_S_MAX)

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._files, work, *arguments)


def remove_group(name: str) -> None:
    """Remove a placement group, and kill what runs in it; blocks."""
    # There is none, or the cluster is gone.
    with contextlib.suppress(ValueError, RayError):
        remove_placement_group(get_placement_group(name))


async def _result(reference: Any) -> Any:  # noqa: ANN401  (Ray's references have no type)
    return await reference

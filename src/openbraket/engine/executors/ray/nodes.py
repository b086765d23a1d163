"""What a cluster's nodes can give, and which attempts they can hold."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from openbraket.engine.executors.base import Capacity

# A node that is away for less may come back: what only it can hold waits so long.
GRACE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Node:
    """A node with processors.

    Attributes:
        thread_count: Its processors.
        memory_bytes: What Ray gives to workers there, in bytes.
        resources: All its resources by Ray's names.
    """

    thread_count: int
    memory_bytes: int
    resources: Mapping[str, float]


class Nodes:
    """The nodes that are there, and those of the last minute.

    Args:
        resources: Further resources that the tasks of a device need, by its ARN and Ray's names.
        clock: Seconds, monotonic.

    Attributes:
        without_processors: Ids of nodes that are to run nothing, as a head often is.
    """

    def __init__(
        self,
        resources: Mapping[str, Mapping[str, float]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resources = resources or {}
        self._clock = clock
        self._seen: dict[str, tuple[float, Node]] = {}
        self._present: list[Node] = []
        self.without_processors: tuple[str, ...] = ()

    def update(self, found: Iterable[Mapping[str, Any]]) -> Capacity:
        """Take in what `ray.nodes()` gave and return what there is now."""
        now = self._clock()
        self._present = []
        self.without_processors = ()
        for entry in found:
            resources = entry["Resources"]
            if not entry["Alive"]:
                continue
            if resources.get("CPU", 0) < 1:
                self.without_processors += (entry["NodeID"],)
                continue
            node = Node(int(resources["CPU"]), int(resources.get("memory", 0)), resources)
            self._present.append(node)
            self._seen[entry["NodeID"]] = (now, node)
        self._seen = {
            name: (seen_s, node)
            for name, (seen_s, node) in self._seen.items()
            if now - seen_s < GRACE_S
        }
        recent = [node for _, node in self._seen.values()]
        return Capacity(
            memory_bytes=sum(node.memory_bytes for node in self._present),
            thread_count=sum(node.thread_count for node in self._present),
            task_memory_bytes=max((node.memory_bytes for node in recent), default=0),
            task_thread_count=max((node.thread_count for node in recent), default=1),
            # One may always try: it waits for a node to come back, or fails with the reason.
            device_counts={
                arn: max(1, sum(_count(node, needed) for node in self._present))
                for arn, needed in self._resources.items()
            },
        )

    def thread_count(self, wanted: int, memory_bytes: int, resources: Mapping[str, float]) -> int:
        """Return how many threads an attempt can have on one node; 0 where no node can hold it.

        Args:
            wanted: How many it wants.
            memory_bytes: What it needs, in bytes.
            resources: Further resources that it needs, by Ray's names.
        """
        return max(
            (
                min(wanted, node.thread_count)
                for _, node in self._seen.values()
                if node.memory_bytes >= memory_bytes
                and all(node.resources.get(name, 0) >= count for name, count in resources.items())
            ),
            default=0,
        )


def _count(node: Node, needed: Mapping[str, float]) -> int:
    """Return how many attempts with these resources a node can hold."""
    return min(int(node.resources.get(name, 0) / amount) for name, amount in needed.items())

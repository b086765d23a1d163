"""The queue of hybrid jobs: which one starts next.

Jobs start in the order of acceptance. A device with priority, a quantum processor, runs one job at
a time; the jobs behind wait without holding up those of other devices. Where the first job that
could start finds too few free instances, nothing overtakes it.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable

from openbraket.engine.jobs.counting import counts
from openbraket.store.jobs import Job


class JobQueue:
    """Waiting jobs and the instances in use.

    Args:
        instance_count_max: Instances of all jobs that run side by side.
        has_priority: Whether a device, by ARN, runs one job at a time.
    """

    def __init__(self, instance_count_max: int, *, has_priority: Callable[[str], bool]) -> None:
        self._instance_count_max = instance_count_max
        self._has_priority = has_priority
        # Waiting jobs in order, for each device that may be busy or closed; `local:` ones together.
        self._lanes: dict[str, list[tuple[int, str]]] = {}
        self._waiting: dict[str, Job] = {}
        self._instance_count = 0
        self._running: dict[str, Job] = {}
        # Which job holds a device's priority.
        self._holders: dict[str, str] = {}
        self._closed: frozenset[str] = frozenset()

    def __len__(self) -> int:
        """Return how many jobs wait."""
        return len(self._waiting)

    @property
    def instance_count(self) -> int:
        """How many instances are in use."""
        return self._instance_count

    def waiting_counts(self) -> Counter[str]:
        """Return how many jobs wait, by the device's label in metrics."""
        return counts(self._waiting.values())

    def running_counts(self) -> Counter[str]:
        """Return how many jobs have begun and not ended, in the same way."""
        return counts(self._running.values())

    def add(self, job: Job) -> None:
        """Take in a job that waits."""
        if job.id not in self._waiting:
            self._waiting[job.id] = job
            insort(self._lanes.setdefault(_lane(job), []), (job.seq, job.id))

    def discard(self, job_id: str) -> Job | None:
        """Take a job out and return it, or None where it does not wait."""
        job = self._waiting.pop(job_id, None)
        if job is not None:
            lane = self._lanes[_lane(job)]
            del lane[bisect_left(lane, (job.seq, job.id))]
            if not lane:
                del self._lanes[_lane(job)]
        return job

    def close(self, device_arns: frozenset[str]) -> None:
        """Let exactly these devices start no jobs; what runs there goes on."""
        self._closed = device_arns

    def first(self) -> Job | None:
        """Return the job that starts next, or None where none can now.

        Cost: linear in the devices that have waiting jobs, not in the jobs.
        """
        heads = [
            lane[0]
            for device, lane in self._lanes.items()
            if device not in self._holders and device not in self._closed
        ]
        if not heads:
            return None
        job = self._waiting[min(heads)[1]]
        # One that wants more than there is gets all of it.
        wanted = min(job.instance_count, self._instance_count_max)
        if wanted == 0 or self._instance_count + wanted > self._instance_count_max:
            return None
        return job

    def start(self, job: Job) -> None:
        """Take a job out of the queue and give it its instances and its device's priority."""
        self.discard(job.id)
        self._running[job.id] = job
        self._instance_count += min(job.instance_count, self._instance_count_max)
        if self._has_priority(job.device_arn) and job.deprioritized_at is None:
            self._holders.setdefault(job.device_arn, job.id)

    def release(self, job_id: str) -> None:
        """Take the device's priority from a running job."""
        job = self._running.get(job_id)
        if job is not None and self._holders.get(job.device_arn) == job_id:
            del self._holders[job.device_arn]

    def end(self, job_id: str) -> None:
        """Take back everything from a job that has ended, or not started after all."""
        self.release(job_id)
        job = self._running.pop(job_id, None)
        if job is not None:
            self._instance_count -= min(job.instance_count, self._instance_count_max)


def _lane(job: Job) -> str:
    return job.device_arn if job.device_arn.startswith("arn:") else ""

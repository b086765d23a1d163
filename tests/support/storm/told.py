"""What clients were told, and whether it stays true."""

from openbraket.engine import job_states, states

TERMINAL = {str(status) for status in states.TERMINAL}


def steps(transitions):
    """Return the allowed changes of a status, as pairs."""
    return {(str(s), str(t.target)) for t in transitions for s in t.sources}


def _may_follow(transitions):
    """Return the statuses that may be seen one after the other, as pairs."""
    pairs = steps(transitions)
    while more := {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs:
        pairs |= more
    return pairs | {(status, status) for pair in pairs for status in pair}


_TASK_MAY_FOLLOW = _may_follow(states.TRANSITIONS)
_JOB_MAY_FOLLOW = _may_follow(job_states.TRANSITIONS)


class Told:
    """The last status that a client was told of each task or job.

    A RUNNING task whose worker died is QUEUED again, for the next attempt; nothing else goes
    backwards, and of a job nothing at all.

    Attributes:
        open: The ARNs that the client was not told the end of.
        ended_count: How many it was told the end of.
        statuses: The last status told, by ARN.
        wrong: What contradicted something told before.
        cancel_asked: ARNs whose cancelling was asked for, answered or not.
        cancel_told: Those whose cancelling was promised.
    """

    def __init__(self):
        self.open = []
        self.ended_count = 0
        self.statuses = {}
        self.wrong = []
        self.cancel_asked = set()
        self.cancel_told = set()

    def accept(self, arn):
        self.open.append(arn)
        self.statuses[arn] = "QUEUED" if ":job/" in arn else "CREATED"

    def close(self, place):
        """Count the one at a place of `open` as ended."""
        self.open[place] = self.open[-1]
        self.open.pop()
        self.ended_count += 1

    def promise_cancel(self, arn, status):
        self.cancel_told.add(arn)
        self.see(arn, status)

    def see(self, arn, status):
        allowed = _JOB_MAY_FOLLOW if ":job/" in arn else _TASK_MAY_FOLLOW
        before = self.statuses[arn]
        if (before, status) not in allowed:
            self.wrong.append(f"{arn} was {before}, then {status}")
        if status in TERMINAL and arn in self.cancel_told and status != "CANCELLED":
            self.wrong.append(f"{arn} ended {status}, though its cancelling was promised")
        if status == "CANCELLED" and arn not in self.cancel_asked:
            self.wrong.append(f"{arn} was cancelled by nobody")
        self.statuses[arn] = status

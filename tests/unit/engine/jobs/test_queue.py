from openbraket.engine.jobs.queue import JobQueue
from support.job_house import QPU, waiting

SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"


def queue(count=3, jobs=()):
    made = JobQueue(count, has_priority=QPU.__eq__)
    for job in jobs:
        made.add(job)
    return made


def start_all(made):
    started = []
    while (job := made.first()) is not None:
        made.start(job)
        started.append(job.seq)
    return started


def test_jobs_start_in_the_order_of_acceptance_up_to_the_limit():
    made = queue(3, [waiting(seq) for seq in (5, 2, 9, 1)])
    assert start_all(made) == [1, 2, 5]
    assert (len(made), made.instance_count) == (1, 3)
    made.end("id-2")
    assert start_all(made) == [9]


def test_quantum_processor_runs_one_job_at_a_time_and_holds_up_nobody_else():
    made = queue(
        9, [waiting(1, QPU), waiting(2, QPU), waiting(3), waiting(4, SV1), waiting(5, SV1)]
    )
    assert start_all(made) == [1, 3, 4, 5]
    made.end("id-1")
    assert start_all(made) == [2]


def test_released_priority_goes_to_the_next_job_once():
    made = queue(9, [waiting(seq, QPU) for seq in (1, 2, 3)])
    assert start_all(made) == [1]
    made.release("id-1")
    assert start_all(made) == [2]
    # What job 1 no longer has, its end cannot take from job 2.
    made.end("id-1")
    assert start_all(made) == []
    made.end("id-2")
    assert start_all(made) == [3]


def test_closed_device_starts_nothing():
    made = queue(9, [waiting(1, SV1), waiting(2)])
    made.close(frozenset({SV1}))
    assert start_all(made) == [2]
    made.close(frozenset())
    assert start_all(made) == [1]


def test_job_of_many_instances_is_not_overtaken():
    made = queue(4, [waiting(1, instances=3), waiting(2, instances=3), waiting(3)])
    assert start_all(made) == [1]
    made.end("id-1")
    assert start_all(made) == [2, 3]


def test_job_that_wants_more_instances_than_there_are_runs_alone():
    made = queue(2, [waiting(1, instances=5), waiting(2)])
    assert start_all(made) == [1]
    made.end("id-1")
    assert start_all(made) == [2]
    assert made.instance_count == 1


def test_no_instances_let_every_job_wait():
    assert start_all(queue(0, [waiting(1), waiting(2, QPU)])) == []


def test_discarded_job_does_not_start():
    made = queue(9, [waiting(1), waiting(2)])
    assert made.discard("id-1").seq == 1
    assert made.discard("id-1") is None
    assert start_all(made) == [2]

"""The life cycle of tasks: queue, dispatcher, attempts and leases.

Reaches `runners` only inside a worker process, by name.
"""

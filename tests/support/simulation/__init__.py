"""The engine in a world of its own: one seed decides the clock, the disk, the workers, the crashes.

Nothing waits: time is a number, the records are SQLite in memory, contents are a dictionary, and
there is no thread. `schedule.run` goes through one seed's world and checks what must hold.
"""

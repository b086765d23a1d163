"""How long a test waits for what must happen."""

# Nothing that works takes so long, on any machine: what ends a test sooner is the event itself.
PATIENCE_S = 180

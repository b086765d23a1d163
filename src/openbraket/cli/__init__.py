"""The `openbraket` command. Talks to the rest through `server` and `testing`; no service logic."""

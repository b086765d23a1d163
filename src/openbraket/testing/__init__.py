"""A service for the length of a test: `openbraket.testing.start()` and the pytest plug-in.

Nothing the service itself needs.
"""

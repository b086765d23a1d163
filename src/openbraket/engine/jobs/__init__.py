"""Hybrid jobs seen by the service: their queue, their attempts, their way to an end.

What runs inside an instance, and how, is `openbraket.jobs`; no process is started or killed here
but through its runtimes.
"""

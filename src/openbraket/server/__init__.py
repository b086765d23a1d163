"""The ASGI application, settings and start-up; the handler list is the architecture.

No operation's logic.
"""

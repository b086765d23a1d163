"""A service for the length of a test: `openbraket.testing.start()` and the pytest plug-in.

Nothing that the service itself needs may live here.
"""

from openbraket.testing.service import Service, ServiceStartError, client_environment, launch, start

__all__ = ["Service", "ServiceStartError", "client_environment", "launch", "start"]

"""OpenBraket: a quantum cloud on your own machines that speaks Amazon Braket's wire protocol."""

__version__ = "0.1.0"

"""The one tree of errors that OpenBraket raises outside the wire.

`services` maps this tree to the service's modeled errors; nothing else does.
"""


class OpenBraketError(Exception):
    """Base of every error that OpenBraket raises on purpose."""


class ProgramError(OpenBraketError):
    """The caller's program is wrong.

    Args:
        message: What was wrong, the value, and what was expected; one line.
        line: 1-based line in the program's source, if known.
        column: 1-based column in the program's source, if known.
    """

    def __init__(self, message: str, *, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        """Return the message in the service's own form, `[line N] message`."""
        return self.message if self.line is None else f"[line {self.line}] {self.message}"


class LimitError(OpenBraketError):
    """A request is valid but larger than a named limit; the message has both numbers."""


class NumericsError(OpenBraketError):
    """A computation did not converge or lost its invariants."""


class StoreError(OpenBraketError):
    """The records or the objects could not be read or written."""


class LeaseLostError(OpenBraketError):
    """The attempt no longer holds its task; its outcome must be dropped."""

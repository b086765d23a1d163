"""The text of a program, and errors that point into it."""

from openbraket.base.errors import ProgramError


class Source:
    """A program's text; positions are character offsets, turned into lines only for errors.

    Attributes:
        text: The whole program.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def locate(self, position: int) -> tuple[int, int]:
        """Return the 1-based line and column of a character offset."""
        before = self.text[:position].replace("\r\n", "\n").replace("\r", "\n")
        return before.count("\n") + 1, len(before) - before.rfind("\n")

    def error(self, message: str, position: int) -> ProgramError:
        """Return (not raise) the error of `message` at a character offset."""
        line, column = self.locate(position)
        return ProgramError(message, line=line, column=column)

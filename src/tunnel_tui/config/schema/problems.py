"""Where the checks put the mistakes they find in one file."""

from tunnel_tui.model import Problem

SHOWN = 60
"""Characters of an offending value that a message repeats."""


class Report:
    """The problems of one file."""

    __slots__ = ("file", "problems")

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def fatal(self, line: int, key: str, message: str, value: str = "", allowed: str = "") -> None:
        """Note a mistake with which the file cannot be put into force."""
        shown = value if len(value) <= SHOWN else value[: SHOWN - 1] + "…"
        allowed = "" if allowed in message else allowed
        self.problems.append(Problem(self.file, line, key, message, shown, allowed))

    def warning(self, line: int, key: str, message: str, allowed: str = "") -> None:
        """Note something that a person should know but that stops nothing."""
        self.problems.append(Problem(self.file, line, key, message, "", allowed, fatal=False))

"""A configuration as it was read: its tunnels, and every mistake."""

from typing import NamedTuple

from tunnel_tui.model import Problem, TunnelSpec


class Config(NamedTuple):
    """What a configuration file says.

    Attributes:
        tunnels: those that are fine, also where others are not.
        problems: fatal ones and warnings, in the order of lines.
        text_digest: SHA-256 of the bytes; empty where the file could not be read.
    """

    file: str
    tunnels: tuple[TunnelSpec, ...]
    problems: tuple[Problem, ...]
    text_digest: str

    @property
    def valid(self) -> bool:
        """True where no problem is fatal: the file may be put into force."""
        return not any(problem.fatal for problem in self.problems)

    def by_hash(self) -> dict[str, TunnelSpec]:
        """The tunnels, found by their hash."""
        return {spec.hash: spec for spec in self.tunnels}

"""A tunnel's log that a test has written, for what reads logs."""

from pathlib import Path

from tunnel_tui.settings import Settings
from tunnel_tui.ssh.log.forward_state import ForwardStateReader

NAME = "tunnel-x.log"


def reader_of(log: Path) -> ForwardStateReader:
    """Make a reader of a log with the name NAME, in a directory of its own."""
    assert log.name == NAME
    place = str(log.parent)
    return ForwardStateReader(Settings("", "", "", place, f"{place}/data", ""), "x")

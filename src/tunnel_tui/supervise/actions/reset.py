"""A fresh start: nothing is left of an earlier life, and both places have their modes."""

import os

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Outcome
from tunnel_tui.settings import Settings
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.process.tunnel_log import make_log_directory
from tunnel_tui.supervise.stop.stop import stop_tunnels
from tunnel_tui.system import files

STATE_MODE = 0o666
_GRACE = 3.0


def begin_afresh(settings: Settings) -> list[Outcome]:
    """End what still runs (outside a container something may), then clear state file and logs.

    Raises:
        TunnelTuiError: the state file or the log directory cannot be used; says why.
    """
    outcomes = stop_tunnels(settings, None, grace=_GRACE)
    StateFile.of(settings).clear()
    prepare(settings)
    return [outcome for outcome in outcomes if outcome.verb != "not running"]


def prepare(settings: Settings) -> None:
    """See that the state file and the log directory exist, with modes 666 and 1777 where ours.

    Raises:
        TunnelTuiError: one of them cannot be used; says why.
    """
    try:
        descriptor = files.open_shared(settings.state_file, create_mode=STATE_MODE)
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                os.fchmod(descriptor, STATE_MODE)
        finally:
            os.close(descriptor)
        make_log_directory(settings)
        files.make_directory(settings.data_dir, 0o700)
    except OSError as error:
        raise TunnelTuiError(
            "the watcher cannot work here",
            f"{error.filename or settings.state_file}: {error.strerror or error}",
            "check owner and mode, or choose other places: tunnel-tui config",
        ) from error

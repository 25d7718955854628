"""The last wish counts: a start that still waits for its turn must not undo a later stop."""

import threading
import time
from collections.abc import Iterable

_stopped: dict[str, float] = {}
_all_stopped = 0.0
_lock = threading.Lock()


def now() -> float:
    """Say when a wish is uttered: monotonic seconds."""
    return time.monotonic()


def note_stop(hashes: Iterable[str] | None, asked: float | None = None) -> None:
    """Remember that somebody wants these tunnels (None: all) stopped, since `asked` (None: now).

    Known to this process alone, as the starts that wait in it are.
    """
    global _all_stopped
    moment = now() if asked is None else asked
    with _lock:
        if hashes is None:
            _all_stopped = max(_all_stopped, moment)
            return
        for tunnel_hash in hashes:
            _stopped[tunnel_hash] = max(moment, _stopped.get(tunnel_hash, 0.0))


def is_outdated(tunnel_hash: str, asked: float) -> bool:
    """Say whether a start that was asked for at `asked` has been overtaken by a stop."""
    return max(_all_stopped, _stopped.get(tunnel_hash, 0.0)) > asked

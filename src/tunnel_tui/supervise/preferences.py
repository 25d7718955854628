"""What a person decided once and for all, in one small file beside the history."""

import json
import os
from enum import StrEnum

from tunnel_tui.settings import Settings
from tunnel_tui.system import files

_SIBLINGS = "after_login"


class Siblings(StrEnum):
    """What to do after a login with the other tunnels of its host."""

    ASK = "ask"
    ALWAYS = "always"
    NEVER = "never"


def preferences_file(settings: Settings) -> str:
    """Say where the decisions are kept; without the file, everything is asked."""
    return os.path.join(settings.data_dir, "preferences.json")


def siblings_after_login(settings: Settings) -> Siblings:
    """Look up what was decided; `ASK` where nothing was, or nobody can read it."""
    try:
        return Siblings(str(_read(settings).get(_SIBLINGS, Siblings.ASK)))
    except ValueError:
        return Siblings.ASK


def remember_siblings(settings: Settings, decision: Siblings) -> None:
    """Keep a decision.

    Raises:
        OSError, FileRefusedError: the file or its directory cannot be written.
    """
    kept = _read(settings) | {_SIBLINGS: decision.value}
    files.make_directory(settings.data_dir, 0o700)
    text = json.dumps(kept, indent=2) + "\n"
    files.write_atomic(preferences_file(settings), text.encode(), 0o600)


def _read(settings: Settings) -> dict[str, object]:
    try:
        with open(preferences_file(settings), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

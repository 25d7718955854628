"""What a person decided once and for all about logins; it stands in the settings file."""

import os
from enum import StrEnum

from tunnel_tui.config.preferences import load_preferences, remember
from tunnel_tui.settings import Settings

_SIBLINGS = "attach_siblings"


class Siblings(StrEnum):
    """What to do after a login with the other tunnels of its host."""

    ASK = "ask"
    ALWAYS = "always"
    NEVER = "never"


def preferences_file(settings: Settings) -> str:
    """Say where the decisions are kept; without the file, everything is asked."""
    return settings.settings_file or os.path.join(settings.data_dir, "settings.yaml")


def siblings_after_login(settings: Settings) -> Siblings:
    """Look up what was decided; `ASK` where nothing was, or nobody can read it."""
    return Siblings(load_preferences(preferences_file(settings)).attach_siblings)


def remember_siblings(settings: Settings, decision: Siblings) -> None:
    """Keep a decision.

    Raises:
        OSError, FileRefusedError: the file or its directory cannot be written.
    """
    remember(preferences_file(settings), _SIBLINGS, decision.value)

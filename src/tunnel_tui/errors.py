"""Typed errors that a person can act on: a title, the detail, and what to do."""


class TunnelTuiError(Exception):
    """Something went wrong in a way that a person can do something about.

    Attributes:
        title: what happened, a few words, without a full stop.
        detail: the particulars (file, line, pid, what the system said).
        advice: what to do now; may be empty.
    """

    def __init__(self, title: str, detail: str = "", advice: str = "") -> None:
        super().__init__(title, detail, advice)
        self.title = title
        self.detail = detail
        self.advice = advice

    def __str__(self) -> str:
        text = f"{self.title}: {self.detail}" if self.detail else self.title
        return f"{text} ({self.advice})" if self.advice else text


class ConfigError(TunnelTuiError):
    """The configuration file cannot be used as it stands."""


class ConfigChangedError(ConfigError):
    """Somebody else saved the configuration file while it was being edited."""


class StateFileError(TunnelTuiError):
    """The state file cannot be read or written."""


class FileRefusedError(TunnelTuiError):
    """A file is a symlink, not a regular file, or belongs to somebody else."""


class PortBusyError(TunnelTuiError):
    """The listener's local port is held by another process."""


class SpawnError(TunnelTuiError):
    """ssh or autossh could not be started."""


class UnknownTunnelError(TunnelTuiError):
    """No tunnel goes by this name or hash."""


class AmbiguousTunnelError(TunnelTuiError):
    """More than one tunnel goes by this name or hash prefix."""


class InteractiveTunnelError(TunnelTuiError):
    """The tunnel needs a person at a prompt and cannot be started like this."""


class NotOursError(TunnelTuiError):
    """A process is not the one that was registered and must not be signalled."""


class StopFailedError(TunnelTuiError):
    """A process survived TERM and KILL."""


class LockHeldError(TunnelTuiError):
    """Another process holds the lock."""

"""The full-screen app: widgets show, screens arrange, the engine decides."""

import os

_RATE = "TEXTUAL_FPS"


def _shorten_frames() -> None:
    """Let two pictures follow each other within 2 ms instead of 17.

    A key that comes right after a picture waits for the next but one: with the 60 a second that
    are usual in Textual (textual.constants) that is up to 33 ms; with 240 it was what a key beside
    a flooded log waited for most. There are no more pictures than before: one for each change. The
    variable is read once and not passed on to what we start.
    """
    if _RATE in os.environ:
        return
    os.environ[_RATE] = "480"
    import textual.constants  # noqa: F401

    del os.environ[_RATE]


_shorten_frames()

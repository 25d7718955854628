"""When Python looks for garbage: not while the app is being built, and never through all of it.

A search through everything that Textual and the style sheets made takes longer than three frames,
and it comes at any moment: between a key and its answer, too.
"""

import gc

from textual._styles_cache import StylesCache

THRESHOLDS = (5000, 20, 20)
"""Fewer, larger looks at what is young (gc.set_threshold)."""
PAUSE = 30.0
"""Seconds between two searches through all that came later: then each takes a few milliseconds."""


def put_off() -> None:
    """Search for no garbage until `resume`."""
    gc.disable()


def resume() -> None:
    """Search again where it was put off, but no more through what there is now: that stays."""
    if gc.isenabled():
        return
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()


def tidy() -> None:
    """Let go of the widgets that are gone: toasts, dialogs, what a pane showed before.

    They refer to each other, so only a search finds them; left to the thresholds it would come
    after twenty minutes or more, and take as long as a key may. And Textual remembers the drawn
    lines of the last thousand widgets, as arguments of a function whose results it keeps.
    """
    if not gc.get_freeze_count():
        return  # nothing was set aside: it would go through everything
    forget = getattr(StylesCache.get_inner_outer, "cache_clear", None)
    if forget is not None:
        forget()
    gc.collect()

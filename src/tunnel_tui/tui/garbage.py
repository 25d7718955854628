"""When Python looks for garbage: not while the app is being built, and never through all of it.

A search through everything that Textual and the style sheets made takes longer than three frames,
and it comes at any moment: between a key and its answer, too.
"""

import gc

THRESHOLDS = (5000, 20, 20)
"""Fewer, larger looks at what is young (gc.set_threshold)."""


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

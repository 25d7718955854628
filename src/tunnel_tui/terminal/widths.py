"""How many cells a character takes, and which characters are not shown at all."""

import re
import unicodedata
from functools import lru_cache

from pyte.screens import wcwidth

DROPPED = -1
REPLACEMENT = "\ufffd"

# Runs of characters that take one cell and never combine: the fast path of drawing.
SIMPLE = re.compile(
    "[ -~\u00a1-\u00ac\u00ae-\u02ff\u0400-\u0482\u048a-\u0500"
    "\u2010-\u2027\u2030-\u205e\u2190-\u2319\u2500-\u25fc\ufffd]+"
)


@lru_cache(maxsize=8192)
def classify(character: str) -> tuple[str, int]:
    """Return what to show for a character and its cells: 2, 1, 0 (combines) or `DROPPED`.

    Controls, format characters (bidirectional overrides, joiners), variation selectors and line
    separators are dropped: they would make the width of a line uncertain or disguise its text.
    Joined emoji are shown one after the other.
    """
    code = ord(character)
    category = unicodedata.category(character)
    if category in ("Cc", "Cf", "Cs", "Zl", "Zp") or _is_modifier(code):
        return character, DROPPED
    if category == "Cn":
        return REPLACEMENT, 1
    if 0x1F1E6 <= code <= 0x1F1FF:  # regional indicators: two of them make a flag of two cells
        return character, 1
    return character, max(0, wcwidth(character))


def _is_modifier(code: int) -> bool:
    """Tell variation selectors and skin tones, which change another character's look."""
    return 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or 0x1F3FB <= code <= 0x1F3FF

"""What one cell of the terminal shows, and how SGR sequences change it."""

from functools import lru_cache
from typing import Any, NamedTuple

DEFAULT_COLOUR = "default"
PALETTE = tuple(f"color({index})" for index in range(256))
MAX_PENS = 64  # styles whose cells are kept; a hostile child may use millions
MAX_CELLS = 2048  # cells that a pen keeps
MAX_CLUSTER = 8  # code points in one cell; a million combining marks must not pile up in it


class Style(NamedTuple):
    """The look of a cell. Colours are `default`, `color(0)`…`color(255)` or `#rrggbb`."""

    fg: str = DEFAULT_COLOUR
    bg: str = DEFAULT_COLOUR
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    blink: bool = False
    reverse: bool = False
    conceal: bool = False
    strike: bool = False


PLAIN = Style()


class Cell(NamedTuple):
    """One cell: a character with its combining marks, or "" right of a wide character."""

    data: str
    style: Style = PLAIN


BLANK = Cell(" ")
Row = list[Cell]


class CellCache(dict[str, Cell]):
    """Makes the cells of one style, each only once; forgets them when there are too many."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.style = style

    def __missing__(self, character: str) -> Cell:
        if len(self) >= MAX_CELLS:
            self.clear()
        cell = Cell(" " if self.style.conceal else character, self.style)
        self[character] = cell
        return cell


class Pens:
    """The pens in use, a bounded number of them."""

    def __init__(self) -> None:
        self._pens: dict[Style, CellCache] = {}

    def pen(self, style: Style) -> CellCache:
        """Return the pen that writes in a style."""
        pen = self._pens.get(style)
        if pen is None:
            if len(self._pens) >= MAX_PENS:
                self._pens.clear()
            pen = self._pens[style] = CellCache(style)
        return pen


def erased(style: Style) -> Cell:
    """Return what erasing leaves behind: a blank that keeps the background (xterm's bce)."""
    return BLANK if style.bg == DEFAULT_COLOUR else Cell(" ", Style(bg=style.bg))


_SWITCHES: dict[int, dict[str, Any]] = {
    1: {"bold": True},
    2: {"dim": True},
    3: {"italic": True},
    4: {"underline": True},
    5: {"blink": True},
    6: {"blink": True},
    7: {"reverse": True},
    8: {"conceal": True},
    9: {"strike": True},
    21: {"underline": True},
    22: {"bold": False, "dim": False},
    23: {"italic": False},
    24: {"underline": False},
    25: {"blink": False},
    27: {"reverse": False},
    28: {"conceal": False},
    29: {"strike": False},
}


@lru_cache(maxsize=512)
def apply_sgr(style: Style, text: str) -> Style:
    """Return the style after `CSI <text> m`; what is not understood changes nothing.

    Args:
        style: The style before.
        text: The parameters as sent: ECMA-48 numbers, `:` between sub-parameters (ISO 8613-6).
    """
    fields = text.split(";")[:32]
    position = 0
    while position < len(fields):
        field = fields[position]
        position += 1
        if ":" in field:
            style = _apply_colon(style, field)
            continue
        code = number(field)
        if code in (38, 48):
            values = [number(value) for value in fields[position : position + 4]]
            colour, used = _colour(values)
            position += used
            style = _paint(style, code, colour)
        else:
            style = _apply_code(style, code)
    return style


def number(text: str, limit: int = 9999) -> int:
    """Read a parameter: ASCII digits, empty for 0, clamped."""
    return min(int(text[:8]), limit) if text.isascii() and text.isdigit() else 0


def _apply_code(style: Style, code: int) -> Style:
    if code == 0:
        return PLAIN
    if code in _SWITCHES:
        return style._replace(**_SWITCHES[code])
    if code in (39, 49):
        return _paint(style, code - 1, DEFAULT_COLOUR)
    for first, bright, target in ((30, 0, 38), (40, 0, 48), (90, 8, 38), (100, 8, 48)):
        if first <= code < first + 8:
            return _paint(style, target, PALETTE[code - first + bright])
    return style


def _apply_colon(style: Style, field: str) -> Style:
    """Apply one code with sub-parameters: `4:3` (curly underline), `38:2::r:g:b`, `48:5:n`."""
    parts = field.split(":")
    code = number(parts[0])
    if code == 4:
        return style._replace(underline=number(parts[1]) != 0)
    if code not in (38, 48):
        return style
    values = [number(part) for part in parts[1:]]
    if values and values[0] == 2 and len(values) > 4:
        del values[1]  # the colour space, mostly empty
    return _paint(style, code, _colour(values[:4])[0])


def _colour(values: list[int]) -> tuple[str, int]:
    """Read `5;n` or `2;r;g;b`; return the colour ("" if there is none) and the fields used."""
    if len(values) >= 2 and values[0] == 5:
        return (PALETTE[values[1]] if values[1] < len(PALETTE) else "", 2)
    if len(values) >= 4 and values[0] == 2:
        if max(values[1:4]) > 255:
            return "", 4
        return "#{:02x}{:02x}{:02x}".format(*values[1:4]), 4
    return "", len(values)


def _paint(style: Style, code: int, colour: str) -> Style:
    if not colour:
        return style
    return style._replace(fg=colour) if code == 38 else style._replace(bg=colour)

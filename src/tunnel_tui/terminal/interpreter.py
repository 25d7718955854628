"""What each control and escape sequence does; whatever is not listed here does nothing."""

from collections.abc import Callable
from functools import lru_cache

from pyte import charsets

from tunnel_tui.terminal.cells import PLAIN, apply_sgr, number
from tunnel_tui.terminal.page import Page
from tunnel_tui.terminal.replies import Replies
from tunnel_tui.terminal.widths import classify

MAX_LABEL = 80
CHARSETS = {"B": charsets.LAT1_MAP, "0": charsets.VT100_MAP}

Action = Callable[[int, int], None]


@lru_cache(maxsize=512)
def two_numbers(parameters: str) -> tuple[int, int]:
    """Return the first two parameters, 0 where they are missing."""
    first, _, rest = parameters.partition(";")
    return number(first), number(rest.partition(";")[0])


class Interpreter:
    """The tokenizer's handler: acts on a page, keeps the modes."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.replies = Replies(page)
        self.label = ""
        self.app_cursor = False
        self.bracketed = False
        self.reversed = False
        self._actions = self._motions() | self._changes()

    def text(self, text: str) -> None:
        """Write text."""
        self.page.draw(text)

    def control(self, character: str) -> None:
        """Act on a C0 control."""
        page = self.page
        if character in "\n\v\f":
            page.linefeed()
        elif character == "\r":
            page.carriage_return()
        elif character == "\b":
            page.cursor_back()
        elif character == "\t":
            page.tab()
        elif character == "\x0e":
            page.shift_out()
        elif character == "\x0f":
            page.shift_in()

    def escape(self, intermediates: str, final: str) -> None:
        """Act on an escape sequence without parameters."""
        page = self.page
        if intermediates in ("(", ")") and final in CHARSETS:
            name = "g0_charset" if intermediates == "(" else "g1_charset"
            setattr(page, name, CHARSETS[final])
        elif (intermediates, final) == ("#", "8"):
            page.alignment_display()
        elif not intermediates:
            actions: dict[str, Callable[[], None]] = {
                "7": page.save_cursor,
                "8": page.restore_cursor,
                "D": page.index,
                "E": self._next_line,
                "H": page.set_tab_stop,
                "M": page.reverse_index,
                "c": self._reset,
            }
            action = actions.get(final)
            if action is not None:
                action()

    def string(self, kind: str, payload: str) -> None:
        """Keep the window title as a harmless label (OSC 0 and 2); drop everything else."""
        code, _, text = payload.partition(";")
        if kind == "OSC" and code in ("0", "2"):
            shown = "".join(character for character in text if classify(character)[1] > 0)
            self.label = shown.strip()[:MAX_LABEL]

    def csi(self, prefix: str, parameters: str, intermediates: str, final: str) -> None:
        """Act on a control sequence."""
        if not prefix and not intermediates:
            if final == "m":
                self.page.style = apply_sgr(self.page.style, parameters)
            elif final in "hl":
                self._set_modes(parameters, final == "h")
            elif final in self._actions and not (final == "T" and ";" in parameters):
                self._actions[final](*two_numbers(parameters))
        elif prefix == "?" and not intermediates and final in "hl":
            for code in parameters.split(";")[:16]:
                self._set_private_mode(number(code), final == "h")
        elif (prefix, intermediates, final) == ("", "!", "p"):
            self._soft_reset()

    def _motions(self) -> dict[str, Action]:
        page = self.page
        return {
            "A": lambda count, _: page.cursor_up(count),
            "B": lambda count, _: page.cursor_down(count),
            "C": lambda count, _: page.cursor_forward(count),
            "D": lambda count, _: page.cursor_back(count),
            "E": lambda count, _: page.cursor_down1(count),
            "F": lambda count, _: page.cursor_up1(count),
            "G": lambda column, _: page.cursor_to_column(column),
            "H": page.cursor_position,
            "I": lambda count, _: page.tab(count or 1),
            "Z": lambda count, _: page.back_tab(count or 1),
            "`": lambda column, _: page.cursor_to_column(column),
            "a": lambda count, _: page.cursor_forward(count),
            "d": lambda line, _: page.cursor_to_line(line),
            "e": lambda count, _: page.cursor_down(count),
            "f": page.cursor_position,
            "r": page.set_margins,
            "s": lambda *_: page.save_cursor(),
            "u": lambda *_: page.restore_cursor(),
        }

    def _changes(self) -> dict[str, Action]:
        page = self.page
        return {
            "@": lambda count, _: page.insert_characters(count),
            "J": lambda how, _: page.erase_in_display(how),
            "K": lambda how, _: page.erase_in_line(how),
            "L": lambda count, _: page.insert_lines(count),
            "M": lambda count, _: page.delete_lines(count),
            "P": lambda count, _: page.delete_characters(count),
            "S": lambda count, _: page.scroll_up(count or 1),
            "T": lambda count, _: page.scroll_down(count or 1),
            "X": lambda count, _: page.erase_characters(count),
            "c": self.replies.identity,
            "n": self.replies.status,
            "b": lambda count, _: page.draw(page.last * min(count or 1, page.columns)),
            "g": lambda how, _: page.clear_tab_stop(how),
        }

    def _set_modes(self, parameters: str, on: bool) -> None:
        for code in parameters.split(";")[:16]:
            if code == "4":
                self.page.insert = on
            elif code == "20":
                self.page.newline = on

    def _set_private_mode(self, code: int, on: bool) -> None:
        page = self.page
        if code == 1:
            self.app_cursor = on
        elif code == 5:
            self.reversed = on
            page.dirty.update(range(page.lines))
        elif code == 6:
            page.origin = on
            page.cursor_position()
        elif code == 7:
            page.autowrap = on
        elif code == 25:
            page.cursor.hidden = not on
        elif code in (47, 1047, 1049):
            (page.enter_alternate if on else page.leave_alternate)(code == 1049)
        elif code == 1048:
            (page.save_cursor if on else page.restore_cursor)()
        elif code == 2004:
            self.bracketed = on

    def _next_line(self) -> None:
        self.page.index()
        self.page.carriage_return()

    def _soft_reset(self) -> None:
        """Return to sane modes without touching what is shown (DECSTR)."""
        page = self.page
        page.style, page.margins, page.saved, page.charset = PLAIN, None, None, 0
        page.g0_charset = page.g1_charset = charsets.LAT1_MAP
        page.origin, page.insert, page.autowrap, page.cursor.hidden = False, False, True, False
        self.app_cursor = False

    def _reset(self) -> None:
        self.page.reset()
        self.app_cursor, self.bracketed, self.reversed = False, False, False

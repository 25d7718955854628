"""The characters that carry meaning, and their ASCII twins."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from tunnel_tui.model import State


class Glyphs(NamedTuple):
    """One set of characters. Every badge is unique by glyph and by word, without colour."""

    badges: Mapping[State, str]
    arrow: str
    rule: str
    cursor: str
    mark: str
    good: str
    bad: str
    open: str
    dot: str
    cut: str
    down: str
    up: str
    again: str
    bar_full: str
    bar_empty: str
    unfolded: str
    folded: str
    middle: str
    last: str
    spark: str
    ascii: bool = False


UNICODE = Glyphs(
    badges={
        State.RUNNING: "●",
        State.STARTING: "◐",
        State.STOPPED: "○",
        State.DEAD: "✗",
        State.INTERACTIVE: "◆",
    },
    arrow="⇒",
    rule="─",
    cursor="▌",
    mark="▎",
    good="✓",
    bad="✗",
    open="○",
    dot="·",
    cut="…",
    down="↓",
    up="↑",
    again="↻",
    bar_full="━",
    bar_empty="─",
    unfolded="▾",
    folded="▸",
    middle="├",
    last="└",
    spark=" ▁▂▃▄▅▆▇█",
)
ASCII = Glyphs(
    badges={
        State.RUNNING: "*",
        State.STARTING: "~",
        State.STOPPED: "-",
        State.DEAD: "x",
        State.INTERACTIVE: "?",
    },
    arrow="=>",
    rule="-",
    cursor=">",
    mark="!",
    good="+",
    bad="x",
    open="-",
    dot="-",
    cut="~",
    down="in",
    up="out",
    again="re",
    bar_full="#",
    bar_empty=".",
    unfolded="v",
    folded=">",
    middle="|",
    last="`",
    spark=" .,:;ox%#",
    ascii=True,
)


def choose_glyphs(environment: Mapping[str, str]) -> Glyphs:
    """Take ASCII where it is asked for or where the terminal cannot show more.

    `TUNNEL_TUI_ASCII=1` asks for it. A locale that names another character set than UTF-8
    and the Linux console get it too. No locale at all does not: `docker exec` gives none, and the
    terminal at the other end is a modern one.
    """
    asked = environment.get("TUNNEL_TUI_ASCII", "")
    if asked:
        return UNICODE if asked.lower() in {"0", "no", "false"} else ASCII
    locale = (
        environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG") or ""
    )
    charset = locale.partition(".")[2].partition("@")[0].lower().replace("-", "")
    foreign = bool(charset) and charset != "utf8"
    console = environment.get("TERM", "") in {"linux", "vt100", "vt220", "dumb"}
    return ASCII if foreign or console else UNICODE


def current_glyphs() -> Glyphs:
    """Take the set that suits this process's environment."""
    return choose_glyphs(os.environ)

"""The look: one calm dark surface; colour only where it means something."""

from collections.abc import Mapping

from textual.theme import Theme

_QUIET = {
    "footer-key-foreground": "#6cc6d9",
    "block-cursor-text-style": "none",
    "input-cursor-background": "#c9d1e8",
    "scrollbar": "#2b3247",
    "scrollbar-hover": "#3a4360",
    "scrollbar-active": "#46527a",
    "scrollbar-background": "#12151d",
    "scrollbar-background-hover": "#12151d",
    "scrollbar-background-active": "#12151d",
}
NIGHT = Theme(
    name="tunnel-night",
    primary="#6cc6d9",
    secondary="#b79af2",
    accent="#6cc6d9",
    success="#8ccf7e",
    warning="#e5b567",
    error="#f27983",
    foreground="#c9d1e8",
    background="#12151d",
    surface="#12151d",
    panel="#1a1e2a",
    boost="#232a3c",
    variables={
        **_QUIET,
        "tone-name": "#e4e9f7",
        "tone-dim": "#8891ad",
        "tone-faint": "#5d6884",
        "line": "#2e364b",
        "line-live": "#6cc6d9",
        "cursor": "#232b40",
        "cursor-calm": "#1b2130",
    },
)
DAY = Theme(
    name="tunnel-day",
    dark=False,
    primary="#0b6b81",
    secondary="#6b3fb5",
    accent="#0b6b81",
    success="#2d7a1f",
    warning="#8a5a00",
    error="#b3202c",
    foreground="#2b3040",
    background="#f7f7f4",
    surface="#f7f7f4",
    panel="#ebebe6",
    boost="#dcdcd6",
    variables={
        "footer-key-foreground": "#0b6b81",
        "block-cursor-text-style": "none",
        "input-cursor-background": "#2b3040",
        "input-cursor-foreground": "#f7f7f4",
        "scrollbar": "#c8c8c2",
        "scrollbar-hover": "#b0b0aa",
        "scrollbar-active": "#8f8f8a",
        "scrollbar-background": "#f7f7f4",
        "scrollbar-background-hover": "#f7f7f4",
        "scrollbar-background-active": "#f7f7f4",
        "tone-name": "#10131c",
        "tone-dim": "#5a6072",
        "tone-faint": "#878c9c",
        "line": "#c4c4be",
        "line-live": "#0b6b81",
        "cursor": "#dfe6ea",
        "cursor-calm": "#ecedea",
    },
)
CONTRAST = Theme(
    name="tunnel-contrast",
    primary="#00e5ff",
    secondary="#e0b0ff",
    accent="#00e5ff",
    success="#5dff5d",
    warning="#ffd75f",
    error="#ff8a8a",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
    boost="#303030",
    variables={
        "footer-key-foreground": "#00e5ff",
        "block-cursor-text-style": "none",
        "input-cursor-background": "#ffffff",
        "scrollbar": "#a0a0a0",
        "scrollbar-hover": "#d0d0d0",
        "scrollbar-active": "#ffffff",
        "scrollbar-background": "#000000",
        "scrollbar-background-hover": "#000000",
        "scrollbar-background-active": "#000000",
        "tone-name": "#ffffff",
        "tone-dim": "#e4e4e4",
        "tone-faint": "#c0c0c0",
        "line": "#a0a0a0",
        "line-live": "#00e5ff",
        "cursor": "#004f80",
        "cursor-calm": "#303030",
    },
)
SIXTEEN = Theme(
    name="tunnel-16",
    ansi=True,
    primary="ansi_cyan",
    secondary="ansi_magenta",
    accent="ansi_cyan",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_white",
        "block-cursor-text-style": "none",
        "input-cursor-background": "ansi_white",
        "input-cursor-foreground": "ansi_black",
        "scrollbar": "ansi_bright_black",
        "scrollbar-hover": "ansi_white",
        "scrollbar-active": "ansi_white",
        "scrollbar-background": "ansi_default",
        "scrollbar-background-hover": "ansi_default",
        "scrollbar-background-active": "ansi_default",
        "tone-name": "ansi_default",
        "tone-dim": "ansi_default",
        "tone-faint": "ansi_bright_black",
        "line": "ansi_bright_black",
        "line-live": "ansi_cyan",
        "cursor": "ansi_default",
        "cursor-calm": "ansi_default",
    },
)
_OWN = "ansi_default"
PLAIN = Theme(
    name="tunnel-plain",
    ansi=True,
    primary=_OWN,
    secondary=_OWN,
    accent=_OWN,
    success=_OWN,
    warning=_OWN,
    error=_OWN,
    foreground=_OWN,
    background=_OWN,
    surface=_OWN,
    panel=_OWN,
    boost=_OWN,
    variables=dict.fromkeys(SIXTEEN.variables, _OWN)
    | {"block-cursor-text-style": "reverse", "input-cursor-text-style": "reverse"},
)
"""No colour at all: glyphs, words, bold and reverse carry everything."""
THEMES = (NIGHT, DAY, CONTRAST, SIXTEEN, PLAIN)
BY_WORD = {
    "dark": NIGHT,
    "light": DAY,
    "high-contrast": CONTRAST,
    "terminal": SIXTEEN,
    "plain": PLAIN,
}
"""What the settings file calls them."""


def choose_theme(environment: Mapping[str, str]) -> Theme:
    """Take the terminal's own 16 colours where it has no more, or none at all.

    `docker exec` gives TERM=xterm and nothing else, whatever the terminal can do.
    """
    if environment.get("NO_COLOR"):
        return PLAIN
    if environment.get("COLORTERM", "").lower() in {"truecolor", "24bit"}:
        return NIGHT
    terminal = environment.get("TERM", "")
    many = terminal.endswith(("256color", "-direct")) or terminal in {"xterm-kitty", "alacritty"}
    return NIGHT if many else SIXTEEN

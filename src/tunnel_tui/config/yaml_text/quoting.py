"""Values → YAML text, in the quotes that stood there before where that is possible."""

import re

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*(?: [A-Za-z0-9_./@+-]+)*")
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_BARE = frozenset({"remote_port", "local_port", "interactive"})
"""Keys whose values other readers may take for a number or a truth value."""


def render_scalar(key: str, text: str, style: str = "") -> str:
    """Write a text so that any YAML reader takes it for this text.

    Args:
        key: ports and truth values may stand without quotes.
        text: the value.
        style: the quote that stood there before, or empty.
    """
    if style == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    if style != '"' and _may_be_plain(key, text):
        return text
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _may_be_plain(key: str, text: str) -> bool:
    if key in _BARE and (_NUMBER.fullmatch(text) or text in ("true", "false")):
        return True
    return bool(_PLAIN.fullmatch(text)) and text.lower() not in _WORDS


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable() or character == "\u200d":  # the joiner inside emoji
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def render_list(key: str, items: tuple[str, ...]) -> str:
    """Write a list on one line."""
    return "[" + ", ".join(render_scalar(key, item, '"') for item in items) + "]"

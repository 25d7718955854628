"""What a key or a paste sends to a child, in the words of xterm's terminfo entry.

Keys come by the names that Textual gives them, which are the same with and without the kitty
keyboard protocol; only the accompanying character differs (`ctrl+c` has that control or none).
"""

import unicodedata

_CURSOR = {"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F"}
_TILDE = {
    "insert": 2,
    "delete": 3,
    "pageup": 5,
    "pagedown": 6,
    "f5": 15,
    "f6": 17,
    "f7": 18,
    "f8": 19,
    "f9": 20,
    "f10": 21,
    "f11": 23,
    "f12": 24,
}
_SS3 = {"f1": "P", "f2": "Q", "f3": "R", "f4": "S"}
_PLAIN = {
    "enter": "\r",
    "return": "\r",
    "tab": "\t",
    "escape": "\x1b",
    "backspace": "\x7f",
    "space": " ",
}
_NAMES = {
    "slash": "/",
    "backslash": "\\",
    "at": "@",
    "minus": "-",
    "plus": "+",
    "underscore": "_",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "hyphen_minus": "-",
}
# The keypad under the kitty protocol (functional key definitions there).
_KEYPAD = {
    "decimal": ".",
    "divide": "/",
    "multiply": "*",
    "subtract": "-",
    "add": "+",
    "equal": "=",
    "separator": ",",
}
_CONTROL = {
    "@": "\x00",
    " ": "\x00",
    "2": "\x00",
    "[": "\x1b",
    "3": "\x1b",
    "\\": "\x1c",
    "4": "\x1c",
    "]": "\x1d",
    "5": "\x1d",
    "^": "\x1e",
    "~": "\x1e",
    "6": "\x1e",
    "_": "\x1f",
    "-": "\x1f",
    "/": "\x1f",
    "7": "\x1f",
    "?": "\x7f",
    "8": "\x7f",
}
_MODIFIERS = {"shift": 1, "alt": 2, "ctrl": 4}
_SHIFT, _ALT, _CTRL = 1, 2, 4
_PASTE_BEGIN, _PASTE_END = b"\x1b[200~", b"\x1b[201~"


def encode_key(key: str, character: str | None, app_cursor: bool = False) -> bytes:
    """Return what a key sends, b"" for a key that a terminal does not send.

    Args:
        key: The key's name: `a`, `ctrl+c`, `shift+tab`, `up`, `alt+x`, `exclamation_mark`.
        character: The text that came with it, if any.
        app_cursor: Whether the child asked for application cursor keys (DECCKM).
    """
    *names, base = key[:-1].split("+") if key.endswith("+") else key.split("+")
    if key.endswith("+"):
        base = "+"
    if not all(name in _MODIFIERS for name in names):
        return b""  # super, hyper, meta: shortcuts of the desktop
    modifiers = sum(_MODIFIERS[name] for name in set(names))
    if base not in _PLAIN and character and character.isprintable() and not modifiers & _CTRL:
        return ("\x1b" * bool(modifiers & _ALT) + character).encode("utf-8", "ignore")
    special = _special(base, modifiers, app_cursor)
    if special is None:
        special = _typed(base, modifiers)
    return special.encode("utf-8", "ignore")


def encode_paste(text: str | bytearray, bracketed: bool) -> bytearray:
    """Return what pasting sends: text and line ends only, marked if the child asked for that.

    Control characters are left out, so that a paste can neither end its own brackets nor press
    ctrl+c; printable characters, ASCII or not, are unchanged. Of a bytearray no copy is made but
    the one that is returned, which the caller can wipe.
    """
    data = text.encode("utf-8", "ignore") if isinstance(text, str) else text
    sent = bytearray(len(data))
    end = previous = 0
    for byte in data:
        if previous == 0xC2 and 0x80 <= byte < 0xA0:  # a control character of two bytes
            end -= 1
        elif byte in b"\t\r\x1b" or (byte >= 0x20 and byte != 0x7F):
            sent[end] = byte
            end += 1
        elif byte == 0x0A and previous != 0x0D:
            sent[end] = 0x0D
            end += 1
        if byte == 0x7E and sent.endswith(_PASTE_END, 0, end):
            end -= len(_PASTE_END)
        previous = byte
    length = 0
    for position in range(end):
        if sent[position] != 0x1B:
            sent[length] = sent[position]
            length += 1
    sent[length:] = bytes(len(sent) - length)
    del sent[length:]
    if not bracketed:
        return sent
    marked = bytearray().join((_PASTE_BEGIN, sent, _PASTE_END))
    sent[:] = bytes(length)
    return marked


def _special(base: str, modifiers: int, app_cursor: bool) -> str | None:
    """Encode the keys that have no character of their own."""
    code = f";{modifiers + 1}" if modifiers else ""
    if base in _CURSOR:
        if modifiers:
            return f"\x1b[1{code}{_CURSOR[base]}"
        return ("\x1bO" if app_cursor else "\x1b[") + _CURSOR[base]
    if base in _SS3:
        return f"\x1b[1{code}{_SS3[base]}" if modifiers else "\x1bO" + _SS3[base]
    if base in _TILDE:
        return f"\x1b[{_TILDE[base]}{code}~"
    if base[:1] == "f" and base[1:].isdecimal() and 13 <= int(base[1:]) <= 24:
        # xterm: F13 is shift+F1.
        return _special(f"f{int(base[1:]) - 12}", modifiers | _SHIFT, app_cursor)
    if base not in _PLAIN:
        return None
    if base == "tab" and modifiers & _SHIFT:
        return "\x1b[Z"
    text = _PLAIN[base]
    if modifiers & _CTRL:
        text = {"backspace": "\x08", "space": "\x00"}.get(base, text)
    return "\x1b" * bool(modifiers & _ALT) + text


def _typed(base: str, modifiers: int) -> str:
    """Encode a key by its character, with control and alt."""
    character = _character(base)
    if character is None:
        return ""
    if modifiers & _CTRL:
        if "a" <= character.lower() <= "z":
            character = chr(ord(character.lower()) - 96)
        else:
            character = _CONTROL.get(character, character)
    elif modifiers & _SHIFT and len(character.upper()) == 1:
        character = character.upper()
    return "\x1b" * bool(modifiers & _ALT) + character


def _character(name: str) -> str | None:
    """Return the character of a key's name: itself, or by its Unicode name."""
    if len(name) == 1:
        return name if name.isprintable() else None
    known = _NAMES.get(name) or _KEYPAD.get(name)
    if known is not None:
        return known
    try:
        return unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        pass
    for position in range(len(name)):  # Textual writes a hyphen in a name as an underscore, too
        if name[position] == "_":
            try:
                return unicodedata.lookup(
                    f"{name[:position].replace('_', ' ')}-{name[position + 1 :].replace('_', ' ')}"
                )
            except KeyError:
                continue
    return None

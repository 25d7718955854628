"""Text from elsewhere, made fit to be shown: no byte of it may act on a terminal."""

LINE_LIMIT = 4096
"""Characters of one line that are shown."""
_TAB = "    "


def _table() -> dict[int, str]:
    table = {code: f"^{chr(code + 64)}" for code in range(32)}
    table[0x09] = _TAB
    table[0x7F] = "^?"
    table.update({code: f"\\x{code:02x}" for code in range(0x80, 0xA0)})
    # What reorders, hides or breaks a line: bidirectional controls, separators, zero widths.
    hidden = (0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F))
    hidden += (*range(0x2060, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFC))
    table.update({code: f"\\u{code:04x}" for code in hidden})
    # Tag characters: a text that nobody sees.
    table.update({code: f"\\U{code:08x}" for code in range(0xE0000, 0xE0080)})
    table.update(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))
    return table


_HARMLESS = _table()


def sanitise(text: str, limit: int | None = None) -> str:
    r"""Make every control character of `text` visible (`^[`, `\x9b`, `\u202e`).

    Args:
        text: one line; a line feed in it becomes visible as well.
        limit: characters after which the line is shortened; None: never.
    """
    surplus = 0
    if limit is not None and len(text) > limit:
        surplus = len(text) - limit
        text = text[:limit]
    if not text.isprintable():
        text = text.translate(_HARMLESS)
    return f"{text} … ({surplus:,} more characters)" if surplus else text


def decode(data: bytes, limit: int | None = LINE_LIMIT) -> str:
    """Decode one raw line (invalid UTF-8 becomes U+FFFD) and sanitise it."""
    if data.endswith(b"\r"):
        data = data[:-1]
    surplus = 0
    if limit is not None and len(data) > 4 * limit:
        surplus = len(data) - 4 * limit
        data = data[: 4 * limit]
    text = sanitise(data.decode("utf-8", "replace"), limit)
    return f"{text} … ({surplus:,} more bytes)" if surplus else text

"""Where the parts of a configuration stand in its text."""

import re

from tunnel_tui.config.yaml_text.tree import Collection, Node

_DASH = re.compile(r"^ *-(?=\s)", re.MULTILINE)


class SpliceError(Exception):
    """The text is written in a way that cannot be changed piecewise."""


def content_end(text: str, node: Node) -> int:
    """Where the last character of a node stands (the parser's own end may lie lines below)."""
    if isinstance(node, Collection) and not node.flow and node.children:
        return content_end(text, node.children[-1])
    start, end = node.start_mark.index, node.end_mark.index
    return start + len(text[start:end].rstrip()) if end > start else end


def line_start(text: str, index: int) -> int:
    """Where the line of `index` begins."""
    return text.rfind("\n", 0, index) + 1


def line_end(text: str, index: int) -> int:
    """Where the line after that of `index` begins, or the text ends."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def line_break(text: str) -> str:
    """How the lines of this text end."""
    return "\r\n" if "\r\n" in text else "\n"


def first_dash(text: str, sequence: Collection) -> int:
    """Where a block list begins; its own mark may be that of an anchor on the line above."""
    start = sequence.start_mark.index
    if sequence.anchor is None and sequence.tag is None:
        return start
    found = _DASH.search(text, line_end(text, start))
    if found is None:
        raise SpliceError("the list is written in an unusual way")
    return found.end() - 1


def column(text: str, sequence: Collection) -> int:
    """How far the dashes of a block list are indented."""
    start = first_dash(text, sequence)
    return start - line_start(text, start)


def is_blank(text: str, start: int) -> bool:
    """True where the line that begins at `start` has nothing on it."""
    return start < len(text) and not text[start : line_end(text, start)].strip()

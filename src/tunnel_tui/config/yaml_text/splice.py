"""Changes to the text of a configuration that touch only the lines they mean.

Everything here goes from text to text. The tree tells where a value stands; what surrounds it
(comments, quotes, blank lines, anchors, line ends) stays byte for byte. A round trip through a
YAML library would spell the whole file anew.
"""

import re
from collections.abc import Mapping

from tunnel_tui.config.yaml_text.positions import (
    SpliceError,
    column,
    content_end,
    first_dash,
    is_blank,
    line_break,
    line_end,
    line_start,
)
from tunnel_tui.config.yaml_text.quoting import render_list, render_scalar
from tunnel_tui.config.yaml_text.tree import (
    Alias,
    Collection,
    Node,
    Scalar,
    is_null,
    parse_tree,
    resolve,
)

Value = str | tuple[str, ...]
_PROPERTIES = re.compile(r"(?:[&!][^\s,\[\]{}]*[ \t]+)*")


def tunnels_of(text: str) -> Collection | None:
    """Find the list of tunnels; None where there is none yet."""
    node = _tunnels_node(text)
    target = resolve(node) if node is not None else None
    return target if isinstance(target, Collection) and not target.is_mapping else None


def _tunnels_node(text: str) -> Node | None:
    root = parse_tree(text)
    if not isinstance(root, Collection) or not root.is_mapping:
        return None
    for key, value in root.pairs():
        if isinstance(key, Scalar) and key.value == "tunnels":
            return value
    return None


def _list(text: str) -> Collection:
    tunnels = tunnels_of(text)
    if tunnels is None:
        raise SpliceError("there is no list of tunnels")
    return tunnels


def _item(text: str, index: int) -> Collection:
    item = _list(text).children[index]
    if not isinstance(item, Collection) or not item.is_mapping:
        raise SpliceError("the tunnel is an alias of something that stands elsewhere")
    return item


def _item_lines(text: str, tunnels: Collection, index: int) -> tuple[int, int]:
    """The lines of one item of a block list, from its dash to its last content."""
    item = tunnels.children[index]
    left = column(text, tunnels)
    start = line_start(text, item.start_mark.index)
    while text[start : start + left + 1] != " " * left + "-":
        if start <= first_dash(text, tunnels) - left:
            raise SpliceError("the list is written in an unusual way")
        start = line_start(text, start - 1)
    return start, line_end(text, content_end(text, item))


# --- items --------------------------------------------------------------------------------------


def add_item(text: str, values: Mapping[str, Value]) -> str:
    """Put a tunnel at the end of the list."""
    tunnels = tunnels_of(text)
    if tunnels is None or not tunnels.children:
        return _first_item(text, values)
    last = tunnels.children[-1]
    if tunnels.flow:
        end = content_end(text, last)
        return f"{text[:end]}, {_flow_item(values)}{text[end:]}"
    start, end = _item_lines(text, tunnels, len(tunnels.children) - 1)
    left = column(text, tunnels)
    inner = left + 2
    if isinstance(last, Collection) and last.is_mapping and not last.flow and last.children:
        inner = max(last.start_mark.column, inner)
    apart = len(tunnels.children) > 1 and is_blank(text, line_start(text, start - 1))
    return _insert_lines(text, end, _block_item(values, left, inner), apart=apart)


def copy_item(text: str, index: int) -> str:
    """Repeat an item right after itself, without its anchors."""
    tunnels = _list(text)
    item = tunnels.children[index]
    begin, stop = item.start_mark.index, content_end(text, item)
    start, end = (begin, stop) if tunnels.flow else _item_lines(text, tunnels, index)
    copy = _without_anchors(text, item, start, end)
    if tunnels.flow:
        return f"{text[:end]}, {copy}{text[end:]}"
    lines = [line.removesuffix("\r") for line in copy.removesuffix("\n").split("\n")]
    before = index > 0 and is_blank(text, line_start(text, start - 1))
    after = index + 1 < len(tunnels.children) and is_blank(text, end)
    return _insert_lines(text, end, lines, apart=before or after)


def remove_item(text: str, index: int) -> str:
    """Take one item out; comments that stand around it stay."""
    tunnels = _list(text)
    items = tunnels.children
    if tunnels.flow:
        start, end = items[index].start_mark.index, content_end(text, items[index])
        if index + 1 < len(items):
            end = items[index + 1].start_mark.index
        elif index > 0:
            start = content_end(text, items[index - 1])
        return text[:start] + text[end:]
    start, end = _item_lines(text, tunnels, index)
    if index == 0 or is_blank(text, line_start(text, start - 1)):
        while is_blank(text, end):  # one gap is left, not two
            end = line_end(text, end)
    return text[:start] + text[end:]


def _first_item(text: str, values: Mapping[str, Value]) -> str:
    node = _tunnels_node(text)
    if node is None:
        if parse_tree(text) is not None and not is_null_document(text):
            raise SpliceError("there is no list of tunnels")
        lines = ["tunnels:", *_block_item(values, 2, 4)]
        return _insert_lines(text, len(text), lines)
    if isinstance(node, Alias) or node.anchor is not None:
        raise SpliceError("the list of tunnels is an alias or has an anchor")
    start, end = node.start_mark.index, content_end(text, node)
    text = text[:start] + text[end:]
    return _insert_lines(text, line_end(text, start), _block_item(values, 2, 4))


def is_null_document(text: str) -> bool:
    """True where a text has nothing in it, or only a null."""
    root = parse_tree(text)
    return root is None or is_null(root)


def _insert_lines(text: str, index: int, lines: list[str], *, apart: bool = False) -> str:
    """Put whole lines at the beginning of a line, or at the end of the text."""
    newline = line_break(text)
    before = text[:index]
    if before and not before.endswith("\n"):
        before += newline
    block = "".join(line + newline for line in ([""] if apart else []) + lines)
    return before + block + text[index:]


def _block_item(values: Mapping[str, Value], left: int, inner: int) -> list[str]:
    pairs = [f"{key}: {_render(key, value)}" for key, value in values.items()]
    first = " " * left + "-" + " " * (inner - left - 1)
    return [first + pairs[0], *(" " * inner + pair for pair in pairs[1:])]


def _flow_item(values: Mapping[str, Value]) -> str:
    return "{" + ", ".join(f"{key}: {_render(key, value)}" for key, value in values.items()) + "}"


def _render(key: str, value: Value, style: str = "") -> str:
    if isinstance(value, tuple):
        return render_list(key, value)
    return render_scalar(key, value, style)


def _without_anchors(text: str, node: Node, start: int, end: int) -> str:
    """Copy a piece of text, leaving out the anchors of the nodes in it."""
    places: list[int] = []
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Alias):
            continue
        if one.anchor is not None:
            places.append(text.index(f"&{one.anchor}", one.start_mark.index))
        if isinstance(one, Collection):
            waiting += one.children
    pieces: list[str] = []
    for place in sorted(places):
        match = re.compile(r"&[^\s,\[\]{}]+[ \t]*").match(text, place)
        if match is None or not start <= place < end:
            raise SpliceError("an anchor stands where it is not expected")
        pieces.append(text[start:place])
        start = match.end()
    return "".join([*pieces, text[start:end]])


# --- keys ---------------------------------------------------------------------------------------


def set_key(text: str, index: int, key: str, value: Value) -> str:
    """Give a key of one item another value, adding the key where it is not there."""
    item = _item(text, index)
    for name, node in item.pairs():
        if isinstance(name, Scalar) and name.value == key:
            return _replace_value(text, key, node, value)
    return _add_key(text, item, key, value)


def _replace_value(text: str, key: str, node: Node, value: Value) -> str:
    start, end = node.start_mark.index, content_end(text, node)
    if isinstance(node, Collection) and not node.flow and isinstance(value, tuple):
        left = column(text, node)
        start = first_dash(text, node)
        line = line_break(text) + " " * left
        new = line.join(f"- {render_scalar(key, item, chr(34))}" for item in value)
        return text[:start] + new + text[end:]
    if isinstance(node, Collection) and not node.flow:
        raise SpliceError(f"{key} is not a single value")
    style = ""
    if isinstance(node, Scalar):
        style = node.style if node.style in ("'", '"') else ""
        properties = _PROPERTIES.match(text, start, end)
        start = properties.end() if properties else start
    new = _render(key, value, style or "")
    if start == end and not text[:start].endswith((" ", "\t")):
        new = " " + new
    if start == end and text[end : end + 1].strip():
        new += " "
    return text[:start] + new + text[end:]


def _add_key(text: str, item: Collection, key: str, value: Value) -> str:
    pair = f"{key}: {_render(key, value)}"
    if not item.children:
        start = item.start_mark.index + text[item.start_mark.index :].index("{") + 1
        return text[:start] + pair + text[start:]
    end = content_end(text, item)
    if item.flow:
        end = content_end(text, item.children[-1])
        return f"{text[:end]}, {pair}{text[end:]}"
    left = item.children[0].start_mark.column
    return _insert_lines(text, line_end(text, end), [" " * left + pair])


def remove_key(text: str, index: int, key: str) -> str:
    """Take a key out of one item; nothing happens where the item has no such key."""
    item = _item(text, index)
    pairs = list(item.pairs())
    for place, (name, node) in enumerate(pairs):
        if not isinstance(name, Scalar) or name.value != key:
            continue
        start, end = name.start_mark.index, content_end(text, node)
        if item.flow:
            if place + 1 < len(pairs):
                end = pairs[place + 1][0].start_mark.index
            elif place > 0:
                start = content_end(text, pairs[place - 1][1])
            return text[:start] + text[end:]
        if text[line_start(text, start) : start].strip():  # the line of the dash
            return _remove_first_key(text, pairs, start, end)
        return text[: line_start(text, start)] + text[line_end(text, end) :]
    return text


def _remove_first_key(text: str, pairs: list[tuple[Node, Node]], start: int, end: int) -> str:
    """Let the second key of an item move up to the dash, unless a comment stands between."""
    if len(pairs) < 2:
        raise SpliceError("nothing of the tunnel would be left")
    following = pairs[1][0].start_mark.index
    if text[end:following].strip():
        return text[:start].rstrip(" ") + text[end:]
    return text[:start] + text[following:]

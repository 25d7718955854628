"""YAML text → a small tree that knows where each of its parts stands.

Nothing is constructed and nothing is resolved: a scalar keeps its text as written, because that
text is what identifies a tunnel, and the parser's own scalar events serve as leaves. The tree is
built from events instead of by `yaml.compose`, which recurses in C: a file of brackets would end
the process (measured with libyaml: 100,000 times `[` is a segmentation fault).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

if TYPE_CHECKING:

    class Mark(Protocol):
        """A place in the text, counted in characters from 0."""

        index: int
        line: int
        column: int

    class Scalar:
        """The parser's scalar event, as far as we look at it (its stubs know less).

        Attributes:
            implicit: its first is True for a plain scalar without a tag.
            style: the quote, `|` or `>`; None or empty where it is plain.
        """

        value: str
        anchor: str | None
        tag: str | None
        implicit: tuple[bool, bool]
        style: str | None
        start_mark: Mark
        end_mark: Mark

else:
    from yaml.events import ScalarEvent as Scalar

MAX_DEPTH = 32
"""Nesting that no configuration of tunnels needs."""
NULL_WORDS = frozenset({"", "~", "null", "Null", "NULL"})
CORE_TAG = "tag:yaml.org,2002:"


class StructureError(Exception):
    """The text is YAML, but not of a kind that we read: the message says why, `line` where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Collection:
    """A mapping or a sequence.

    Attributes:
        children: of a sequence its items, of a mapping key, value, key, value, ….
        flow: True where it is written with brackets or braces.
    """

    __slots__ = ("anchor", "children", "end_mark", "flow", "is_mapping", "start_mark", "tag")

    def __init__(self, event: Any, is_mapping: bool) -> None:
        self.is_mapping = is_mapping
        self.children: list[Node] = []
        self.start_mark: Mark = event.start_mark
        self.end_mark: Mark = event.end_mark
        self.anchor: str | None = event.anchor
        self.tag: str | None = event.tag
        self.flow = bool(event.flow_style)

    def pairs(self) -> Iterator[tuple["Node", "Node"]]:
        """Go through the keys and values of a mapping, in the order of the file."""
        children = iter(self.children)
        return zip(children, children, strict=True)


class Alias:
    """`*name`: another mention of a node that stands elsewhere."""

    __slots__ = ("anchor", "end_mark", "start_mark", "target")

    def __init__(self, event: Any, target: "Collection | Scalar") -> None:
        self.anchor: str = event.anchor
        self.start_mark: Mark = event.start_mark
        self.end_mark: Mark = event.end_mark
        self.target = target


Node = Collection | Scalar | Alias


def line_of(node: Node) -> int:
    """The line on which a node begins, counted from 1."""
    return node.start_mark.line + 1


def resolve(node: Node) -> Collection | Scalar:
    """Follow an alias to what it stands for."""
    return node.target if isinstance(node, Alias) else node


def is_null(node: Node) -> bool:
    """True for a value that is left out, `~` or `null` without quotes."""
    target = resolve(node)
    if not isinstance(target, Scalar):
        return False
    return target.implicit[0] and target.value in NULL_WORDS


def describe(node: Collection | Scalar) -> str:
    """Name a node in a message."""
    if isinstance(node, Scalar):
        return node.value
    return "a mapping" if node.is_mapping else "a list"


def parse_tree(text: str) -> Collection | Scalar | None:
    """Read one document; None where there is nothing but comments.

    Raises:
        yaml.YAMLError: the text is not YAML.
        StructureError: more than one document, too deep, an unknown alias, a recursion, a tag.
    """
    builder = _Builder()
    next_event = _parser(text).get_event
    while (event := next_event()) is not None:
        # nearly all events are plain scalars inside a collection: they take the short way
        if type(event) is Scalar and event.tag is None and event.anchor is None and builder.open:
            builder.open[-1].children.append(event)
        else:
            builder.take(event)
    return builder.root


class _Builder:
    """Turns the parser's events into a tree, without recursion."""

    def __init__(self) -> None:
        self.root: Collection | Scalar | None = None
        self.open: list[Collection] = []
        self._anchors: dict[str, Collection | Scalar] = {}
        self._documents = 0

    def take(self, event: Any) -> None:
        """Add one event of the parser to the tree."""
        kind = type(event)
        if kind is Scalar:
            self._place(event)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            node = Collection(event, kind is MappingStartEvent)
            self._place(node)
            self.open.append(node)
            if len(self.open) > MAX_DEPTH:
                raise StructureError("nested too deeply", line_of(node))
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            self.open.pop().end_mark = event.end_mark
        elif kind is AliasEvent:
            self._alias(event)
        elif kind is DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                line = event.start_mark.line + 1
                raise StructureError("a second document begins here; only one is read", line)

    def _place(self, node: Collection | Scalar) -> None:
        if node.anchor is not None:
            self._anchors[node.anchor] = node
        tag = node.tag
        if tag is not None and tag != "!" and not tag.startswith(CORE_TAG):
            raise StructureError(f"the tag {tag} is not understood", line_of(node))
        if self.open:
            self.open[-1].children.append(node)
        else:
            self.root = node

    def _alias(self, event: Any) -> None:
        target = self._anchors.get(event.anchor)
        line = event.start_mark.line + 1
        if target is None:
            raise StructureError(f"*{event.anchor} stands for nothing above it", line)
        if any(target is node for node in self.open):
            raise StructureError(f"*{event.anchor} stands for something that contains it", line)
        self.open[-1].children.append(Alias(event, target))


def _parser(text: str) -> Any:
    """The event parser of libyaml, or the slow one where PyYAML was built without it."""
    if yaml.__with_libyaml__:
        from yaml._yaml import CParser

        return CParser(text)
    return yaml.SafeLoader(text)

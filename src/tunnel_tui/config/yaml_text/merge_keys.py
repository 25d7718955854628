"""`<<` in a mapping: the keys of others, brought in."""

from tunnel_tui.config.yaml_text.tree import (
    Collection,
    Node,
    Scalar,
    StructureError,
    line_of,
    resolve,
)

MAX_MERGED = 200
"""Keys that one item may collect through `<<`; more is an alias bomb."""
Pair = tuple[Scalar, Node, bool]


def merged_pairs(item: Collection) -> list[Pair]:
    """List the keys of a mapping with those that come in through `<<`, its own ones last.

    The third of each is True for the mapping's own keys. Earlier sources of one `<<` win, and
    own keys win over all (yaml.org/type/merge): who reads the list in order and lets later
    ones replace earlier ones gets that.

    Raises:
        StructureError: a key is not text, or `<<` is followed by no mapping or by too many keys.
    """
    return _collect(item, [MAX_MERGED])


def _collect(item: Collection, budget: list[int]) -> list[Pair]:
    """Do the work of `merged_pairs`; `budget` counts what merging may still cost."""
    own: list[Pair] = []
    merged: list[Pair] = []
    for key_node, value in item.pairs():
        key = resolve(key_node)
        if not isinstance(key, Scalar):
            raise StructureError("a key must be a word", line_of(key_node))
        if key.value != "<<" or not key.implicit[0]:
            own.append((key, value, True))
            continue
        for source in reversed(_merge_sources(value)):
            budget[0] -= 1 + len(source.children) // 2
            if budget[0] < 0:
                raise StructureError("<< brings in too many keys", line_of(value))
            merged += [(k, v, False) for k, v, _ in _collect(source, budget)]
    return merged + own


def _merge_sources(value: Node) -> list[Collection]:
    target = resolve(value)
    candidates = [target]
    if isinstance(target, Collection) and not target.is_mapping:
        candidates = [resolve(child) for child in target.children]
    sources = [node for node in candidates if isinstance(node, Collection) and node.is_mapping]
    if len(sources) != len(candidates):
        raise StructureError("<< takes a mapping or a list of mappings", line_of(value))
    return sources

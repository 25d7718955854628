"""One item of the list `tunnels:` → a spec, or every mistake in it."""

from collections.abc import Callable

from tunnel_tui.config.schema import values
from tunnel_tui.config.schema.problems import Report
from tunnel_tui.config.yaml_text.merge_keys import merged_pairs
from tunnel_tui.config.yaml_text.tree import (
    NULL_WORDS,
    Collection,
    Node,
    Scalar,
    StructureError,
    describe,
    is_null,
    line_of,
    resolve,
)
from tunnel_tui.model import DEFAULT_NAME, Direction, TunnelSpec, tunnel_hash

KEYS = (
    "name",
    "remote_host",
    "remote_port",
    "local_port",
    "direction",
    "interactive",
    "group",
    "description",
    "ssh_options",
    "check",
)
DIRECTIONS: dict[str, Direction] = {direction.value: direction for direction in Direction}
TRUE_WORDS = frozenset({"true", "yes", "on", "y"})
FALSE_WORDS = frozenset({"false", "no", "off", "n"})
MAX_OPTIONS = 100

Check = Callable[[str], values.Mistake | None]


def _check_direction(text: str) -> values.Mistake | None:
    if text in DIRECTIONS:
        return None
    return values.Mistake("is not a direction", " or ".join(DIRECTIONS))


def _check_interactive(text: str) -> values.Mistake | None:
    word = text.lower()
    if word in TRUE_WORDS or word in FALSE_WORDS:
        return None
    return values.Mistake("is neither true nor false", "true or false")


def _check_check(text: str) -> values.Mistake | None:
    if text == "tcp":
        return None
    return values.Mistake("is not a check that we know", "tcp, or leave it out")


CHECKS: dict[str, Check] = {
    "remote_host": values.check_host,
    "remote_port": values.check_endpoint,
    "local_port": values.check_endpoint,
    "direction": _check_direction,
    "interactive": _check_interactive,
    "check": _check_check,
}
REQUIRED = {
    "remote_host": values.HOST_ALLOWED,
    "remote_port": values.ENDPOINT_ALLOWED,
    "local_port": values.ENDPOINT_ALLOWED,
}


def read_item(report: Report, node: Node, index: int) -> TunnelSpec | None:
    """Read one tunnel; None where something in it is wrong (and noted).

    Args:
        report: takes the mistakes.
        node: the item.
        index: its place in the list, counted from 0.
    """
    item = resolve(node)
    path = f"tunnels[{index}]"
    if not isinstance(item, Collection) or not item.is_mapping:
        report.fatal(
            line_of(node), path, "is not a tunnel", describe(item), "key: value on each line"
        )
        return None
    pairs = read_keys(report, item, f"{path}.", KEYS)
    if pairs is None:
        return None
    return _Item(report, path, line_of(node), pairs).read()


def read_keys(
    report: Report, item: Collection, prefix: str, known: tuple[str, ...]
) -> dict[str, Node] | None:
    """Collect the keys of a mapping, noting the unknown and the repeated ones.

    None where the mapping cannot be used.
    """
    try:
        pairs = merged_pairs(item)
    except StructureError as error:
        report.fatal(error.line, prefix.rstrip("."), error.message)
        return None
    found: dict[str, Node] = {}
    own: dict[str, Scalar] = {}
    repeated = False
    for key, value, is_own in pairs:
        word = key.value
        if is_own and own.setdefault(word, key) is not key:
            first = line_of(own[word])
            report.fatal(line_of(key), prefix + word, f"is given twice (first on line {first})")
            repeated = True
        elif word in known:
            found[word] = value
        elif is_own and (prefix or not _is_helper(word, value)):
            _unknown_key(report, key, prefix, known)
    return None if repeated else found


def _is_helper(word: str, value: Node) -> bool:
    """True for a top-level key that is there to be mentioned elsewhere (`x: &defaults …`)."""
    return word.startswith("x-") or resolve(value).anchor is not None


def _unknown_key(report: Report, key: Scalar, prefix: str, known: tuple[str, ...]) -> None:
    from difflib import get_close_matches

    word = key.value
    nearest = get_close_matches(word.lower().replace("-", "_"), known, 1, 0.5)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(known)}"
    shown = prefix + (word if word.isprintable() else repr(word))
    report.warning(line_of(key), shown, "is not known and ignored", hint)


class _Item:
    """The keys of one tunnel while they are read."""

    __slots__ = ("failed", "line", "pairs", "path", "report")

    def __init__(self, report: Report, path: str, line: int, pairs: dict[str, Node]) -> None:
        self.report = report
        self.path = path
        self.line = line
        self.pairs = pairs
        self.failed = False

    def read(self) -> TunnelSpec | None:
        node = self.pairs.pop("ssh_options", None)
        options = () if node is None or is_null(node) else self._options(node)
        texts = {key: self._text(key, node) for key, node in self.pairs.items()}
        for key, allowed in REQUIRED.items():
            if key not in self.pairs:
                self._missing(key, self.line, allowed)
        if self.failed:
            return None
        get = texts.get
        host, remote, local = texts["remote_host"], texts["remote_port"], texts["local_port"]
        name = get("name") or DEFAULT_NAME
        direction = get("direction") or Direction.REMOTE_TO_LOCAL.value
        interactive = get("interactive") or "false"
        return TunnelSpec(
            name,
            host,
            remote,
            local,
            DIRECTIONS[direction],
            interactive.lower() in TRUE_WORDS,
            tunnel_hash(name, host, remote, local, direction, interactive),
            get("group", ""),
            get("description", ""),
            options,
            get("check", ""),
            self.line,
        )

    def _wrong(self, node: Node, key: str, mistake: values.Mistake, value: str) -> None:
        self.failed = True
        key = f"{self.path}.{key}"
        self.report.fatal(line_of(node), key, mistake.message, value, mistake.allowed)

    def _text(self, key: str, node: Node) -> str:
        """The text of one key; "" where it is null or wrong."""
        target = node if type(node) is Scalar else resolve(node)
        if not isinstance(target, Scalar):
            self._wrong(node, key, values.Mistake("is not a single value"), describe(target))
            return ""
        text = target.value
        if text in NULL_WORDS and (text == "" or target.implicit[0]):
            if key in REQUIRED:
                self._missing(key, line_of(node), REQUIRED[key])
            return ""
        check = CHECKS.get(key)
        mistake = None if text.isprintable() else values.check_text(text)
        if mistake is None and (check is None or (mistake := check(text)) is None):
            return text
        if values.SUBSTITUTE in text:
            self.failed = True  # that character is in the report already
        else:
            self._wrong(node, key, mistake, text)
        return ""

    def _missing(self, key: str, line: int, allowed: str) -> None:
        self.failed = True
        self.report.fatal(line, f"{self.path}.{key}", "is missing", "", allowed)

    def _options(self, node: Node) -> tuple[str, ...]:
        target = resolve(node)
        if not isinstance(target, Collection) or target.is_mapping:
            mistake = values.Mistake("is not a list", f"a list of {values.OPTION_ALLOWED}")
            self._wrong(node, "ssh_options", mistake, describe(target))
            return ()
        if len(target.children) > MAX_OPTIONS:
            mistake = values.Mistake(f"has more than {MAX_OPTIONS} items")
            self._wrong(node, "ssh_options", mistake, "")
            return ()
        items = enumerate(target.children)
        return tuple(self._option(child, f"ssh_options[{index}]") for index, child in items)

    def _option(self, node: Node, key: str) -> str:
        option = resolve(node)
        if not isinstance(option, Scalar):
            mistake = values.Mistake("is not a string", values.OPTION_ALLOWED)
            self._wrong(node, key, mistake, describe(option))
            return ""
        found = values.check_text(option.value) or values.check_option(option.value)
        if found:
            self._wrong(node, key, found, option.value)
        return option.value

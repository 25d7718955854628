"""Every check of a configuration, all mistakes at once: tree → specs and problems."""

from yaml.events import ScalarEvent

from tunnel_tui.config import values
from tunnel_tui.config.nodes import (
    Collection,
    Node,
    StructureError,
    is_null,
    line_of,
    merged_pairs,
    resolve,
)
from tunnel_tui.model import (
    DEFAULT_NAME,
    Direction,
    DirectionMode,
    Problem,
    TunnelSpec,
    tunnel_hash,
)

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
REQUIRED = {
    "remote_host": values.HOST_ALLOWED,
    "remote_port": values.ENDPOINT_ALLOWED,
    "local_port": values.ENDPOINT_ALLOWED,
}
DIRECTIONS: dict[str, Direction] = {direction.value: direction for direction in Direction}
TRUE_WORDS = frozenset({"true", "yes", "on", "y"})
FALSE_WORDS = frozenset({"false", "no", "off", "n"})
MAX_OPTIONS = 100
_CHECKS = {
    "remote_host": values.check_host,
    "remote_port": values.check_endpoint,
    "local_port": values.check_endpoint,
}


class Validator:
    """Walks the tree of one file and collects specs and problems."""

    def __init__(self, file: str, mode: DirectionMode = DirectionMode.DEFAULT) -> None:
        self.file = file
        self.mode = mode
        self.specs: list[TunnelSpec] = []
        self.problems: list[Problem] = []
        self._verdicts: dict[tuple[str, str], values.Mistake | None] = {}

    def problem(
        self,
        line: int,
        key: str,
        message: str,
        value: str = "",
        allowed: str = "",
        *,
        fatal: bool = True,
    ) -> None:
        """Note one mistake."""
        shown = value if len(value) <= 60 else value[:59] + "…"
        self.problems.append(Problem(self.file, line, key, message, shown, allowed, fatal))

    def check_document(self, root: Node | None) -> None:
        """Check the whole file; specs and problems are there afterwards."""
        if root is None or is_null(root):
            self.problem(0, "", "the file is empty: no tunnels", fatal=False)
            return
        if not isinstance(root, Collection) or not root.is_mapping:
            self.problem(line_of(root), "", "the file does not begin with 'tunnels:'")
            return
        pairs = self._keys(root, "", ("tunnels",), line_of(root))
        if pairs is None:
            return
        if "tunnels" not in pairs:
            self.problem(line_of(root), "tunnels", "is missing", "", "a list of tunnels")
        else:
            self._check_list(pairs["tunnels"])
        self._check_duplicates()
        from tunnel_tui.config.listeners import shared_listeners

        self.problems += shared_listeners(self.file, self.specs, self.mode)

    def _check_list(self, node: Node) -> None:
        tunnels = resolve(node)
        if is_null(node) or (isinstance(tunnels, Collection) and not tunnels.children):
            self.problem(line_of(node), "tunnels", "is empty: no tunnels", fatal=False)
        elif not isinstance(tunnels, Collection) or tunnels.is_mapping:
            self.problem(
                line_of(node), "tunnels", "is not a list", _shown(tunnels), "'- ' before each"
            )
        else:
            for index, item in enumerate(tunnels.children):
                self._check_item(item, f"tunnels[{index}]")

    def _check_item(self, node: Node, path: str) -> None:
        item = resolve(node)
        if not isinstance(item, Collection) or not item.is_mapping:
            self.problem(
                line_of(node), path, "is not a tunnel", _shown(item), "key: value on each line"
            )
            return
        before = len(self.problems)
        pairs = self._keys(item, f"{path}.", KEYS, line_of(node))
        if pairs is None:
            return
        texts = {key: self._text(pairs, path, key) for key in KEYS if key != "ssh_options"}
        for key, allowed in REQUIRED.items():
            if texts[key] == "":
                line = line_of(pairs[key]) if key in pairs else line_of(node)
                self.problem(line, f"{path}.{key}", "is missing", "", allowed)
        direction = self._direction(pairs, texts, path)
        interactive = self._interactive(pairs, texts, path)
        if texts["check"] not in ("", "tcp", None):
            self.problem(
                line_of(pairs["check"]),
                f"{path}.check",
                "is not a check that we know",
                texts["check"] or "",
                "tcp, or leave it out",
            )
        options = self._options(pairs.get("ssh_options"), path)
        if not any(problem.fatal for problem in self.problems[before:]) and None not in (
            texts.values()
        ):
            self._add(texts, direction, interactive, options, line_of(node))

    def _add(
        self,
        texts: dict[str, str | None],
        direction: Direction,
        interactive: bool,
        options: tuple[str, ...],
        line: int,
    ) -> None:
        """Make the spec of an item in which nothing is wrong."""
        good = {key: text or "" for key, text in texts.items()}
        identity = (
            good["name"] or DEFAULT_NAME,
            good["remote_host"],
            good["remote_port"],
            good["local_port"],
        )
        self.specs.append(
            TunnelSpec(
                *identity,
                direction,
                interactive,
                tunnel_hash(*identity, direction.value, good["interactive"] or "false"),
                good["group"],
                good["description"],
                options,
                good["check"],
                line,
            )
        )

    def _keys(
        self, item: Collection, prefix: str, known: tuple[str, ...], line: int
    ) -> dict[str, Node] | None:
        """Collect the keys of a mapping, noting the unknown and the repeated ones."""
        try:
            pairs = merged_pairs(item)
        except StructureError as error:
            self.problem(error.line or line, prefix.rstrip("."), error.message)
            return None
        found: dict[str, Node] = {}
        own: dict[str, int] = {}
        for key, value, is_own in pairs:
            word = key.value
            if is_own and word in own:
                self.problem(
                    line_of(key), prefix + word, f"is given twice (first on line {own[word]})"
                )
                continue
            if is_own:
                own[word] = line_of(key)
            if word in known:
                found[word] = value
            elif is_own and not word.startswith("x-") and (prefix or not _anchored(value)):
                self._unknown(key, prefix, known)
        return found

    def _unknown(self, key: ScalarEvent, prefix: str, known: tuple[str, ...]) -> None:
        from difflib import get_close_matches

        word = key.value
        nearest = get_close_matches(word.lower().replace("-", "_"), known, 1, 0.5)
        hint = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(known)}"
        shown = prefix + (word if word.isprintable() else repr(word))
        self.problem(line_of(key), shown, "is not known and ignored", "", hint, fatal=False)

    def _text(self, pairs: dict[str, Node], path: str, key: str) -> str | None:
        """The text of one key: "" where it is left out, None where it is wrong (and noted)."""
        node = pairs.get(key)
        if node is None or is_null(node):
            return ""
        target = resolve(node)
        if not isinstance(target, ScalarEvent):
            self.problem(line_of(node), f"{path}.{key}", "is not a single value", _shown(target))
            return None
        text: str = target.value
        mistake = self._verdict(key, text)
        if mistake is not None:
            self.problem(line_of(node), f"{path}.{key}", mistake.message, text, mistake.allowed)
            return None
        return None if values.SUBSTITUTE in text else text

    def _verdict(self, key: str, text: str) -> values.Mistake | None:
        """Judge a text once; hosts and ports come up again and again."""
        if (key, text) not in self._verdicts:
            special = _CHECKS.get(key)
            mistake = values.check_text(text)
            if mistake is None and special is not None and text:
                mistake = special(text)
            self._verdicts[key, text] = mistake
        return self._verdicts[key, text]

    def _direction(
        self, pairs: dict[str, Node], texts: dict[str, str | None], path: str
    ) -> Direction:
        text = texts["direction"]
        if not text or text in DIRECTIONS:
            return DIRECTIONS[text] if text else Direction.REMOTE_TO_LOCAL
        self.problem(
            line_of(pairs["direction"]),
            f"{path}.direction",
            "is not a direction",
            text,
            " or ".join(DIRECTIONS),
        )
        return Direction.REMOTE_TO_LOCAL

    def _interactive(self, pairs: dict[str, Node], texts: dict[str, str | None], path: str) -> bool:
        word = (texts["interactive"] or "false").lower()
        if word not in TRUE_WORDS and word not in FALSE_WORDS:
            self.problem(
                line_of(pairs["interactive"]),
                f"{path}.interactive",
                "is neither true nor false",
                texts["interactive"] or "",
                "true or false",
            )
        return word in TRUE_WORDS

    def _options(self, node: Node | None, path: str) -> tuple[str, ...]:
        if node is None or is_null(node):
            return ()
        key = f"{path}.ssh_options"
        target = resolve(node)
        if not isinstance(target, Collection) or target.is_mapping:
            self.problem(
                line_of(node), key, "is not a list", _shown(target), f"a list of {_OPTION}"
            )
            return ()
        if len(target.children) > MAX_OPTIONS:
            self.problem(line_of(node), key, f"has more than {MAX_OPTIONS} items")
            return ()
        return tuple(
            self._option(child, f"{key}[{index}]") for index, child in enumerate(target.children)
        )

    def _option(self, node: Node, key: str) -> str:
        option = resolve(node)
        if not isinstance(option, ScalarEvent):
            self.problem(line_of(node), key, "is not a string", _shown(option), f"a {_OPTION}")
            return ""
        text: str = option.value
        mistake = values.check_text(text) or values.check_option(text)
        if mistake:
            self.problem(line_of(node), key, mistake.message, text, mistake.allowed)
        return text

    def _check_duplicates(self) -> None:
        seen: dict[str, TunnelSpec] = {}
        for spec in list(self.specs):
            first = seen.setdefault(spec.hash, spec)
            if first is not spec:
                self.problem(
                    spec.line,
                    spec.name,
                    f"is the same tunnel as the one on line {first.line}",
                    "",
                    "another name, or other ports",
                )
        self.specs = list(seen.values())


_OPTION = values.OPTION_ALLOWED


def _anchored(node: Node) -> bool:
    """True where a top-level key exists to be mentioned elsewhere (`x: &defaults …`)."""
    return getattr(node, "anchor", None) is not None


def _shown(node: Collection | ScalarEvent) -> str:
    if isinstance(node, ScalarEvent):
        return str(node.value)
    return "a mapping" if node.is_mapping else "a list"

"""The settings file of a person: how the app looks and which keys it hears. All of it optional.

A mistake in it never keeps the app from opening: it is told with its line, and ignored.
"""

import os
import re
from collections.abc import Collection as Group
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import yaml

from tunnel_tui.config.load import read_bytes
from tunnel_tui.config.parse import explain
from tunnel_tui.config.schema.problems import Report
from tunnel_tui.config.schema.tunnel import FALSE_WORDS, TRUE_WORDS, read_keys
from tunnel_tui.config.yaml_text.merge_keys import merged_pairs
from tunnel_tui.config.yaml_text.tree import (
    Collection,
    Node,
    Scalar,
    StructureError,
    describe,
    line_of,
    parse_tree,
    resolve,
)
from tunnel_tui.model import Problem
from tunnel_tui.system.borrowed import rights_of_owner
from tunnel_tui.system.files import write_atomic

KNOWN = ("keys", "theme", "ascii", "bell", "watch", "attach_siblings")
THEMES = ("dark", "light", "high-contrast", "terminal", "plain")
SIBLINGS = ("ask", "always", "never")


class Preferences(NamedTuple):
    """What a person has decided.

    Attributes:
        keys: by binding id, the keys that do it instead, separated by commas.
        theme: one of `THEMES`; "": what the terminal can show.
        ascii: plain characters; None: what the terminal can show.
        bell: whether a death rings.
        watch: whether the app watches where nobody else does.
        attach_siblings: what happens after a login with the other tunnels of its host.
    """

    file: str = ""
    keys: Mapping[str, str] = MappingProxyType({})
    theme: str = ""
    ascii: bool | None = None
    bell: bool = False
    watch: bool = True
    attach_siblings: str = "ask"
    problems: tuple[Problem, ...] = ()


def load_preferences(path: str, bindings: Group[str] | None = None) -> Preferences:
    """Read the settings file; whatever is wrong with it becomes a problem.

    Args:
        path: the file; where there is none, everything is as usual.
        bindings: the ids that `keys` may name; None: they are not looked at.
    """
    report = Report(path)
    try:
        root = parse_tree(read_bytes(path).decode("utf-8-sig"))
    except FileNotFoundError:
        return Preferences(path)
    except OSError as error:
        report.warning(0, "", error.strerror or str(error))
        root = None
    except UnicodeDecodeError:
        report.warning(0, "", "is not UTF-8 text", "save it as UTF-8")
        root = None
    except StructureError as error:
        report.warning(error.line, "", error.message)
        root = None
    except yaml.YAMLError as error:
        line, message, allowed = explain(error, _text(path))
        report.warning(line, "", message, allowed)
        root = None
    return _Reader(report, bindings).read(root)


def remember(path: str, key: str, value: str) -> None:
    """Set one key of the settings file; comments and all other lines stay.

    Raises:
        OSError, FileRefusedError: it cannot be written.
    """
    with rights_of_owner(path):
        _remember(path, key, value)


def _remember(path: str, key: str, value: str) -> None:
    text = _text(path)
    line = re.compile(rf"^{key}[ \t]*:(?:[^#\n \t]++|[ \t]++(?!#))*+([ \t]++#.*)?$", re.MULTILINE)
    new, found = line.subn(lambda match: f"{key}: {value}{match[1] or ''}", text, count=1)
    if not found:
        new = text + ("" if not text or text.endswith("\n") else "\n") + f"{key}: {value}\n"
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    write_atomic(path, new.encode())


def _text(path: str) -> str:
    try:
        return read_bytes(path).decode("utf-8-sig", "replace")
    except FileNotFoundError:
        return ""


class _Reader:
    """Goes through the keys; each may be wrong by itself."""

    def __init__(self, report: Report, bindings: Group[str] | None) -> None:
        self._report = report
        self._bindings = bindings

    def read(self, root: Node | None) -> Preferences:
        found = self._pairs(root)
        default = Preferences(self._report.file)
        result = default._replace(
            keys=self._keys(found.get("keys")),
            theme=self._word("theme", found, THEMES) or default.theme,
            ascii=self._truth("ascii", found),
            bell=bool(self._truth("bell", found)),
            watch=self._truth("watch", found) is not False,
            attach_siblings=self._word("attach_siblings", found, SIBLINGS)
            or default.attach_siblings,
        )
        return result._replace(problems=tuple(self._report.problems))

    def _pairs(self, root: Node | None) -> dict[str, Node]:
        if root is None or (isinstance(root, Scalar) and not root.value):
            return {}
        if not isinstance(root, Collection) or not root.is_mapping:
            self._report.warning(line_of(root), "", "is no list of keys and values", "theme: dark")
            return {}
        return read_keys(self._report, root, "", KNOWN) or {}

    def _scalar(self, key: str, node: Node, allowed: str) -> str:
        target = resolve(node)
        if isinstance(target, Scalar):
            return target.value
        self._wrong(node, key, f"is {describe(target)}", allowed)
        return ""

    def _wrong(self, node: Node, key: str, message: str, allowed: str) -> None:
        self._report.warning(line_of(node), key, f"{message}: ignored", allowed)

    def _word(self, key: str, found: dict[str, Node], words: tuple[str, ...]) -> str:
        node = found.get(key)
        if node is None:
            return ""
        allowed = ", ".join(words)
        text = self._scalar(key, node, allowed).strip().lower()
        if text and text not in words:
            self._wrong(node, key, f"{text} is not known", allowed)
            return ""
        return text

    def _truth(self, key: str, found: dict[str, Node]) -> bool | None:
        node = found.get(key)
        if node is None:
            return None
        text = self._scalar(key, node, "true or false").strip().lower()
        if text in TRUE_WORDS or text in FALSE_WORDS:
            return text in TRUE_WORDS
        if text:
            self._wrong(node, key, f"{text} is neither true nor false", "true or false")
        return None

    def _keys(self, node: Node | None) -> dict[str, str]:
        target = resolve(node) if node is not None else None
        if target is None or (isinstance(target, Scalar) and not target.value):
            return {}
        if not isinstance(target, Collection) or not target.is_mapping:
            self._wrong(target, "keys", "is no mapping", "tunnel.start: s")
            return {}
        keys: dict[str, str] = {}
        try:
            pairs = merged_pairs(target)
        except StructureError as error:
            self._report.warning(error.line, "keys", error.message)
            return {}
        for name, value, _ in pairs:
            text = self._scalar(f"keys.{name.value}", value, "a key, or several with commas")
            wrong = self._why_not(name.value, text)
            if wrong is not None:
                self._report.warning(line_of(name), f"keys.{name.value}", *wrong)
            else:
                keys[name.value] = ",".join(part.strip() for part in text.split(","))
        return keys

    def _why_not(self, name: str, text: str) -> tuple[str, str] | None:
        from difflib import get_close_matches

        if self._bindings is not None and name not in self._bindings:
            nearest = get_close_matches(name, self._bindings, 1, 0.5)
            return "is no action: ignored", f"did you mean {nearest[0]}?" if nearest else ""
        parts = [part.strip() for part in text.split(",")]
        if not all(parts) or any(" " in part for part in parts):
            return "names no key: ignored", "such as x, ctrl+x, f5, question_mark"
        return None

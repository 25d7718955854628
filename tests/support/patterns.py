"""Every regular expression of the project, and the worst that can be given to each.

`python -m tests.support.patterns` measures them all and prints one JSON line for each: a test
reads them, because an expression that runs away can only be ended with its process.
"""

import ast
import importlib
import json
import pkgutil
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from types import FrameType, ModuleType
from typing import Any, NamedTuple

import tunnel_tui

SIZE = 100_000
"""Characters of an input."""
GIVEN_UP = 0.5
"""Seconds after which a measurement is ended."""
SAMPLES: dict[str, object] = {"key": "theme", "stem": "config", "extension": ".yaml"}
"""Stand for the variables of which some expressions are made while the program runs."""
_ROOT = Path(tunnel_tui.__file__).parent
_FUNCTIONS = {"compile", "search", "match", "fullmatch", "finditer", "findall", "sub", "split"}
_METHODS = _FUNCTIONS - {"compile"}
_WHOLE = {"search", "finditer", "findall", "sub", "subn", "split"}
_RUNS = " \t\n\ra0:.@-_/,;()[]{}\"'=%é"


class Found(NamedTuple):
    """One expression: where it stands, and the methods that are called of it."""

    where: str
    pattern: re.Pattern[Any]
    methods: frozenset[str]


def modules() -> Iterator[tuple[ModuleType, ast.Module, str]]:
    """Import every module of the project; yields it, its syntax and its path."""
    for found in pkgutil.walk_packages([str(_ROOT)], "tunnel_tui."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        path = Path(str(module.__file__))
        yield module, ast.parse(path.read_text()), str(path.relative_to(_ROOT))


def find() -> tuple[list[Found], list[str]]:
    """Find all expressions; and the calls whose expression only running them would tell."""
    uses: dict[str, set[str]] = {}
    everything = list(modules())
    for _, tree, _ in everything:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in _METHODS:
                owner = node.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                uses.setdefault(name, set()).add(node.attr)
    found: dict[tuple[Any, int], Found] = {}
    unknown = []
    for module, tree, path in everything:
        for where, pattern in _of_tables(module, path):
            key = pattern.pattern, pattern.flags
            found.setdefault(key, Found(where, pattern, frozenset({"finditer"})))
        for call, names in _calls(tree):
            where = f"{path}:{call.lineno}"
            try:
                code = compile(ast.Expression(call.args[0]), path, "eval")
                text = eval(code, vars(module), SAMPLES)
                flags = _flags(call, module)
            except NameError:
                unknown.append(f"{path}: {ast.unparse(call)}")
                continue
            attribute = call.func.attr  # type: ignore[attr-defined]
            methods = {attribute}
            if attribute == "compile":
                methods = set().union(*(uses.get(name, set()) for name in names)) or {"finditer"}
            pattern = re.compile(text, flags)
            key = pattern.pattern, pattern.flags
            before = found[key].methods if key in found else frozenset()
            found[key] = Found(where, pattern, before | methods)
    return list(found.values()), unknown


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, list[str]]]:
    """Calls of the module `re`, and the names that get what they return."""
    names: dict[ast.AST, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets = [each.id for each in node.targets if isinstance(each, ast.Name)]
            for inner in ast.walk(node.value):
                names[inner] = targets
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in _FUNCTIONS
        ):
            yield node, names.get(node, [])


def _flags(call: ast.Call, module: ModuleType) -> int:
    values = [keyword.value for keyword in call.keywords if keyword.arg == "flags"]
    attribute = call.func.attr  # type: ignore[attr-defined]
    position = 1 if attribute == "compile" else 2
    if attribute in {"compile", "search", "match", "fullmatch", "finditer", "findall"}:
        values += call.args[position : position + 1]
    return int(eval(compile(ast.Expression(values[0]), "", "eval"), vars(module))) if values else 0


def _of_tables(module: ModuleType, path: str) -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Expressions that stand in tables, as text (`expression`) or compiled."""
    for name, value in vars(module).items():
        if not isinstance(value, (tuple, list)):
            continue
        for number, row in enumerate(value):
            text = getattr(row, "expression", None)
            if isinstance(text, re.Pattern):
                yield f"{path}: {name}[{number}]", text
            elif isinstance(text, str):
                yield f"{path}: {name}[{number}]", re.compile(text, re.MULTILINE)


# -- the worst input


def _example(items: Any, repeat: int, pick: int) -> str:
    """Something that matches, roughly: each repetition `repeat` times, the `pick`th branch."""
    text = ""
    for operation, value in items:
        if operation in (sre.LITERAL, sre.NOT_LITERAL):
            text += chr(value) if operation is sre.LITERAL else "~"
        elif operation is sre.ANY:
            text += "a"
        elif operation is sre.IN:
            text += _member(value)
        elif operation is sre.BRANCH:
            text += _example(value[1][pick % len(value[1])], repeat, pick)
        elif operation is sre.SUBPATTERN:
            text += _example(value[3], repeat, pick)
        elif operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            least, most, inner = value
            times = max(least, min(int(most), repeat))
            text += _example(inner, repeat, pick) * times
        elif operation in (sre.ASSERT, sre.ATOMIC_GROUP):
            text += _example(value[1] if operation is sre.ASSERT else value, repeat, pick)
    return text


def _member(choices: Any) -> str:
    """One character of a class."""
    pattern = re.compile(_class_text(choices))
    for character in ("a", "0", " ", ".", ":", *map(chr, range(1, 256)), "\u202e", "\u4e00"):
        if pattern.match(character):
            return character
    return "~"


def _class_text(choices: Any) -> str:
    text = ""
    for operation, value in choices:
        if operation is sre.NEGATE:
            text += "^"
        elif operation is sre.LITERAL:
            text += re.escape(chr(value))
        elif operation is sre.RANGE:
            text += f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
        elif operation is sre.CATEGORY:
            text += {
                sre.CATEGORY_DIGIT: r"\d",
                sre.CATEGORY_NOT_DIGIT: r"\D",
                sre.CATEGORY_SPACE: r"\s",
                sre.CATEGORY_NOT_SPACE: r"\S",
                sre.CATEGORY_WORD: r"\w",
                sre.CATEGORY_NOT_WORD: r"\W",
            }[value]
    return f"[{text}]"


def _pieces(items: Any) -> set[str]:
    """Every run of literals, at any depth."""
    found, run = set(), ""
    for operation, value in items:
        if operation is sre.LITERAL:
            run += chr(value)
            continue
        found.add(run)
        run = ""
        if operation is sre.BRANCH:
            for branch in value[1]:
                found |= _pieces(branch)
        elif operation is sre.SUBPATTERN:
            found |= _pieces(value[3])
        elif operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            found |= _pieces(value[2])
        elif operation in (sre.ASSERT, sre.ASSERT_NOT):
            found |= _pieces(value[1])
    return (found | {run}) - {""}


def inputs(pattern: re.Pattern[Any]) -> Iterator[str]:
    """Long inputs on which this expression may take its time."""
    text = pattern.pattern
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    items = _parser.parse(text, pattern.flags & ~re.UNICODE)
    pieces = _pieces(items)
    examples = {_example(items, repeat, pick) for repeat in (0, 2) for pick in range(6)}
    units = set(_RUNS) | pieces | examples
    for example in examples:
        # What begins like a match, and breaks off.
        cuts = sorted({len(example) * part // 4 for part in range(1, 4)})
        units |= {example[:cut] for cut in cuts} | {example[:-1]}
    for unit in sorted(units - {""}):
        for between in ("", "\n", "a"):
            once = unit + between
            yield once * (SIZE // len(once))
    for start in sorted(examples | pieces):
        cuts = {len(start) * part // 3 for part in range(1, 4)}
        for run in " a0\n:":
            for cut in cuts:
                yield start[:cut] + run * SIZE
            yield (start + run * 300) * (SIZE // (len(start) + 300))
        for other in sorted(pieces):
            yield start + other * (SIZE // len(other))


class _TooLongError(Exception):
    pass


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TooLongError


def seconds(pattern: re.Pattern[Any], method: str, text: str) -> float:
    """Measure one use; `GIVEN_UP` where it would not end."""
    given: Any = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
    signal.setitimer(signal.ITIMER_REAL, GIVEN_UP)
    began = time.process_time()
    try:
        if method in _WHOLE:
            for _ in pattern.finditer(given):
                pass
        else:
            getattr(pattern, method)(given)
    except _TooLongError:
        return GIVEN_UP
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return time.process_time() - began


def worst(found: Found) -> tuple[float, str]:
    """Measure an expression with all its inputs: the longest time, and what took it."""
    most, culprit = 0.0, ""
    for text in dict.fromkeys(inputs(found.pattern)):
        for method in found.methods:
            spent = seconds(found.pattern, method, text)
            if spent > most:
                # The machine may have been busy with something else.
                spent = min(spent, *(seconds(found.pattern, method, text) for _ in range(2)))
            if spent > most:
                most, culprit = spent, f"{method} of {text[:60]!r}"
            if most >= GIVEN_UP:
                return most, culprit
    return most, culprit


def main() -> None:
    """Measure every expression."""
    signal.signal(signal.SIGALRM, _stop)
    expressions, unknown = find()
    for text in unknown:
        print(json.dumps({"unknown": text}), flush=True)
    for found in expressions:
        most, culprit = worst(found)
        record = {"where": found.where, "seconds": most, "culprit": culprit}
        print(json.dumps(record | {"pattern": str(found.pattern.pattern)[:80]}), flush=True)


if __name__ == "__main__":
    sys.exit(main())

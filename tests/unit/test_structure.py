"""The house: no circle of modules, and packages whose names the map knows."""

import re
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
PACKAGE = "tunnel_tui"


def imports() -> dict[str, set[str]]:
    """Every module with those that it imports when it runs."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None, exclude_type_checking_imports=True)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def without_ends(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """Take away, again and again, what points at nothing that is left."""
    left = dict(edges)
    while ends := [module for module, targets in left.items() if not targets & left.keys()]:
        for module in ends:
            del left[module]
    return left


def circles(edges: dict[str, set[str]]) -> list[str]:
    """Name the modules on a circle, or on a way between two."""
    left = without_ends(edges)
    backwards = {module: {by for by in left if module in left[by]} for module in left}
    return sorted(without_ends(backwards))


def test_no_module_imports_itself_by_others() -> None:
    assert circles(imports()) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c"]


def test_the_map_names_every_package() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    packages = (ROOT / "src" / PACKAGE).rglob("__init__.py")
    names = {path.parent.name for path in packages} - {PACKAGE, "demo"}
    assert {name for name in names if not re.search(rf"\b{name}\b", text)} == set()


PHRASES = (
    "Entering interactive",
    "remote forward success",
    "Permission denied (",
    "Authenticated to",
    "Address already in use",
    "starting ssh (count",
    "ssh exited",
    "not responding",
    "IDENTIFICATION HAS CHANGED",
    "Offending",
    "Host key for",
)


def with_phrases(directory: Path) -> list[str]:
    """Name the modules outside `ssh/log` that know how ssh or autossh puts something."""
    return [
        f"{path.relative_to(directory)}: {phrase}"
        for path in sorted(directory.rglob("*.py"))
        if "ssh/log" not in str(path) and "demo" not in path.parts
        for phrase in PHRASES
        if phrase in path.read_text().replace("\\", "")
    ]


def test_only_one_package_knows_how_ssh_puts_it(tmp_path: Path) -> None:
    assert with_phrases(ROOT / "src" / PACKAGE) == []
    (tmp_path / "x.py").write_text(r'LOST = re.compile("ssh exited with .*")')
    (tmp_path / "y.py").write_text(r'DENIED = re.compile(r"Permission denied \(")')
    assert with_phrases(tmp_path) == ["x.py: ssh exited", "y.py: Permission denied ("]


def test_no_module_is_a_hall() -> None:
    long = [
        f"{path}: {count}"
        for path in (ROOT / "src").rglob("*.py")
        if (count := len(path.read_text().splitlines())) > 400
    ]
    assert long == []

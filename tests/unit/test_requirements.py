"""The locked requirements: the versions of constraints.txt, each file with its hash."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "requirements").glob("*.txt"))
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, str]:
    return {normal(name): version for name, version in _PIN.findall(path.read_text())}


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_each_is_pinned_as_in_the_constraints_and_has_hashes(path: Path) -> None:
    constraints = pins(ROOT / "constraints.txt")
    assert pins(path)
    for name, version in pins(path).items():
        assert constraints[name] == version
    entries = [entry for entry in re.split(r"\n(?=\S)", path.read_text()) if entry.strip()]
    assert len(entries) == len(pins(path))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in path.read_text()


def test_they_have_all_that_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = {extra: [*project["dependencies"], *extras[extra]] for extra in extras}
    for extra, names in wanted.items():
        found = pins(ROOT / "requirements" / f"{extra}.txt")
        for name in names:
            bare = normal(re.split(r"[<>=\[;]", name)[0])
            assert bare == "tunnel-tui" or bare in found, (extra, name)

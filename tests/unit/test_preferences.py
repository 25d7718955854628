"""The settings file: every mistake is told with its line and ignored."""

from pathlib import Path

import pytest

from tunnel_tui.config.preferences import Preferences, load_preferences, remember
from tunnel_tui.settings import load_settings

IDS = frozenset({"tunnel.start", "app.quit"})


def load(tmp_path: Path, text: str) -> Preferences:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return load_preferences(str(path), IDS)


def test_without_a_file_all_is_as_usual(tmp_path: Path) -> None:
    path = str(tmp_path / "settings.yaml")
    assert load_preferences(path, IDS) == Preferences(path)


def test_everything_set(tmp_path: Path) -> None:
    text = "theme: light\nascii: yes\nbell: true\nwatch: false\nattach_siblings: always\n"
    found = load(tmp_path, text + "keys:\n  tunnel.start: f5, ctrl+x\n")
    assert found.problems == ()
    assert (found.theme, found.ascii, found.bell, found.watch) == ("light", True, True, False)
    assert found.attach_siblings == "always"
    assert found.keys == {"tunnel.start": "f5,ctrl+x"}


def test_each_mistake_is_told_with_its_line_and_ignored(tmp_path: Path) -> None:
    text = (
        "theme: pink\nbell: loud\ncolour: red\nattach_siblings: [a]\n"
        "keys:\n  tunnel.strat: x\n  app.quit: ''\n  tunnel.start: f5\n"
    )
    found = load(tmp_path, text)
    told = {
        problem.line: f"{problem.key} {problem.message} {problem.allowed}"
        for problem in found.problems
    }
    assert "pink is not known" in told[1]
    assert "high-contrast" in told[1]
    assert "true or false" in told[2]
    assert "colour" in told[3]
    assert "attach_siblings" in told[4]
    assert "did you mean tunnel.start?" in told[6]
    assert "names no key" in told[7]
    assert found.keys == {"tunnel.start": "f5"}, "what is right holds"
    assert (found.theme, found.bell, found.attach_siblings) == ("", False, "ask")
    assert all(not problem.fatal for problem in found.problems)


@pytest.mark.parametrize(
    "text", ["- a\n", "a: [", "\tx: 1", "keys: 3", "\x00", "keys: {? [a] : b}"]
)
def test_nonsense(tmp_path: Path, text: str) -> None:
    found = load(tmp_path, text)
    assert found.problems
    assert found._replace(problems=(), file="") == Preferences()


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_bytes(b"theme: \xff\n")
    assert "UTF-8" in load_preferences(str(tmp_path / "settings.yaml")).problems[0].message


def test_remembering_changes_one_line(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "settings.yaml"
    remember(str(path), "attach_siblings", "always")
    assert path.read_text() == "attach_siblings: always\n"
    path.write_text("# mine\nattach_siblings: ask   # for now\nbell: true")
    remember(str(path), "attach_siblings", "never")
    assert path.read_text() == "# mine\nattach_siblings: never   # for now\nbell: true"
    remember(str(path), "theme", "light")
    assert path.read_text().endswith("bell: true\ntheme: light\n")


def test_where_it_is() -> None:
    settings = load_settings({"HOME": "/home/me", "XDG_CONFIG_HOME": "/x"})
    assert settings.settings_file == "/x/tunnel-tui/settings.yaml"

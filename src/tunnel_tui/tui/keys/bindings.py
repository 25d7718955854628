"""Every key of the app, once: id (for remapping), tooltip (for the help), group.

Not ours: ctrl+p (docker's detach prefix swallows it) and ctrl+z (suspending can hang).
"""

from collections.abc import Mapping

from textual.binding import Binding


def _key(keys: str, action: str, text: str, name: str, tooltip: str, shown: str = "") -> Binding:
    return Binding(
        keys, action, text, id=name, tooltip=tooltip, key_display=shown or None, show=False
    )


TUNNEL = [
    _key("s", "start", "start", "tunnel.start", "Start it"),
    _key("x", "stop", "stop", "tunnel.stop", "Stop it and delete its log"),
    _key("r", "restart", "restart", "tunnel.restart", "Stop and start it again"),
    _key("enter", "open", "open", "tunnel.open", "Log in where needed, else details"),
    _key("d", "details", "details", "tunnel.details", "Its details, or back to its log"),
    _key("y", "copy", "copy", "tunnel.copy", "Copy its listener's address"),
    _key("Y", "copy_command", "copy command", "tunnel.copy-command", "Copy its ssh command", "Y"),
    _key("K", "accept_key", "accept key", "tunnel.accept-key", "Accept its changed host key", "K"),
]
LOGIN = [
    _key("a", "log_in", "log in", "login.begin", "Log in, or go back to its prompt"),
    _key("A", "log_in_all", "log in all", "login.all", "Log in to every host that needs it", "A"),
]
ALL = [
    _key("S", "start_all", "start all", "all.start", "Start every tunnel that is not up", "S"),
    _key("X", "stop_all", "stop all", "all.stop", "Stop every tunnel (asks first)", "X"),
    _key("R", "restart_all", "restart all", "all.restart", "Restart all (asks first)", "R"),
    _key("c", "clean_up", "clean up", "all.clean-up", "Remove what dead tunnels left behind"),
    _key("p", "plan", "apply", "config.plan", "Apply a changed config; show mistakes"),
]
CONFIG = [
    _key("e", "edit", "edit config", "config.edit", "Edit the config in your editor"),
    _key("E", "change", "change", "config.change", "Change it in the config", "E"),
    _key("D", "duplicate", "duplicate", "config.duplicate", "Add another one like it", "D"),
    _key("delete", "delete", "delete", "config.delete", "Delete it (asks first)", "del"),
    _key("i", "import", "import", "config.import", "Take over forwards of the ssh config"),
]
ADD = _key("n", "screen.add", "new", "config.add", "Add a tunnel to the config")
"""On the table; in the log, `n` goes to the next match."""
EMPTY_PAGE = [
    _key("n", "screen.add", "new", "empty.add", "Fill in a form for the first tunnel"),
    _key("w", "screen.write_sample", "sample", "empty.sample", "Write a sample config"),
    _key("e", "screen.edit", "edit", "empty.edit", "Write the config in your editor"),
    _key("i", "screen.import", "import", "empty.import", "Take forwards from your ssh config"),
    _key("p", "screen.plan", "mistakes", "empty.mistakes", "Show every mistake"),
]
"""In place of the table, where there are no tunnels yet."""
VIEW = [
    _key("slash", "filter", "filter", "view.filter", "Filter the table; search the log", "/"),
    _key("o", "sort", "sort", "view.sort", "Sort: state, name, host, file"),
    _key("t", "tree", "tree", "view.tree", "Group by remote host, and back"),
    _key("exclamation_mark", "worst", "worst", "view.worst", "Go to the worst, then the next", "!"),
    _key("l", "log", "log", "view.log", "Go to the log"),
    _key("z", "zoom", "zoom", "view.zoom", "Log on the whole screen, and back"),
    _key("tab", "other_pane", "other pane", "view.other-pane", "Go to the other pane"),
    _key("escape", "back", "back", "view.back", "Clear marks or filter, or go back", "esc"),
]
APP = [
    _key("colon", "app.command_palette", "palette", "app.palette", "Find any action by name", ":"),
    _key("question_mark", "app.help", "help", "app.help", "Show all keys", "?"),
    _key("O", "app.end_other", "end other", "app.end-other", "End an app left open (asks)", "O"),
    _key("q", "app.quit", "quit", "app.quit", "Leave; every tunnel stays as it is"),
]
TABLE = [
    ADD,
    _key("j,down", "down", "down", "table.down", "Next tunnel", "j ↓"),
    _key("k,up", "up", "up", "table.up", "Previous tunnel", "k ↑"),
    _key("g,home", "first", "first", "table.first", "First tunnel", "g"),
    _key("G,end", "last", "last", "table.last", "Last tunnel", "G"),
    _key("ctrl+d,pagedown", "page_down", "page down", "table.page-down", "A page down", "ctrl+d"),
    _key("ctrl+u,pageup", "page_up", "page up", "table.page-up", "A page up", "ctrl+u"),
    _key("space", "screen.mark", "mark", "table.mark", "Mark it: s x r a act on all marked"),
    _key("asterisk", "screen.mark_all", "mark all", "table.mark-all", "Mark all shown", "*"),
    _key("left", "screen.fold", "fold", "table.fold", "Fold a host of the tree", "←"),
    _key("right", "screen.unfold", "unfold", "table.unfold", "Unfold it", "→"),
]
LOG = [
    _key("f", "follow", "follow", "log.follow", "Go to the end and stay there"),
    _key("w", "wrap", "wrap", "log.wrap", "Wrap long lines, or not"),
    _key("n", "next_match", "next", "log.next", "Next match (/ in the log), else failure"),
    _key("N", "previous_match", "previous", "log.previous", "The one before it", "N"),
    _key("L", "merge", "all logs", "log.merge", "All logs as one, and back", "L"),
]
TERMINAL = [
    Binding(
        "ctrl+right_square_bracket,f12",
        "release",
        "leave it waiting",
        id="login.release",
        tooltip="Leave a prompt waiting (or F12)",
        key_display="ctrl+]",
        show=False,
        priority=True,
    )
]
LOG_SCROLL = [
    _key("y", "screen.copy_lines", "copy lines", "pane.copy", "Copy what is selected or in sight"),
    _key("j,down", "line(1)", "down", "pane.down", "A line down", "j ↓"),
    _key("k,up", "line(-1)", "up", "pane.up", "A line up", "k ↑"),
    _key("g,home", "start", "start", "pane.start", "To the oldest line", "g"),
    _key("G,end", "finish", "end", "pane.end", "To the newest line", "G"),
    _key("ctrl+d,pagedown", "page(1)", "page down", "pane.page-down", "A page down", "ctrl+d"),
    _key("ctrl+u,pageup", "page(-1)", "page up", "pane.page-up", "A page up", "ctrl+u"),
]
SECTIONS = (
    ("The selected tunnel", TUNNEL),
    ("All tunnels", ALL),
    ("Config", [ADD, *CONFIG]),
    ("Table", [key for key in TABLE if key is not ADD]),
    ("Views", VIEW),
    ("Log", LOG),
    ("Logins", [*LOGIN, *TERMINAL]),
    ("App", APP),
)
"""The help screen, section by section."""
_LOOKS = frozenset({"open", "details", "copy", "copy_command"})
CHANGES = frozenset(
    key.action.rpartition(".")[2]
    for keys in (TUNNEL, LOGIN, ALL, CONFIG, [ADD], EMPTY_PAGE)
    for key in keys
) - _LOOKS | {"end_other", "again"}
"""Actions that a read-only app has not: all of these groups but those that only look."""
IDS = frozenset(
    key.id
    for keys in (
        TUNNEL,
        LOGIN,
        ALL,
        CONFIG,
        EMPTY_PAGE,
        VIEW,
        APP,
        TABLE,
        LOG,
        TERMINAL,
        LOG_SCROLL,
    )
    for key in keys
    if key.id
)
"""What the settings file may give other keys."""
_SCOPES = ([*TUNNEL, *LOGIN, *ALL, *CONFIG, *VIEW, *LOG], TABLE, LOG_SCROLL, EMPTY_PAGE, APP)
_own: dict[str, str] = {}


def use_keys(keys: Mapping[str, str]) -> None:
    """Show the keys of the person wherever a key is named."""
    _own.clear()
    _own.update(keys)


def find_clashes(keys: Mapping[str, str]) -> list[str]:
    """Say which of the person's keys take another action's key away."""
    clashes = []
    for scope in _SCOPES:
        for mine in scope:
            wanted = set(keys.get(mine.id or "", "").split(",")) - {""}
            for other in scope:
                if other is mine or not wanted:
                    continue
                theirs = set((keys.get(other.id or "") or other.key).split(","))
                clashes += [
                    f"{key} is {mine.id} and {other.id}: only one of them hears it"
                    for key in sorted(wanted & theirs)
                    if other.id not in keys or (mine.id or "") < (other.id or "")
                ]
    return clashes


def key_text(binding: Binding) -> str:
    """Show the key of a binding the way a person reads it."""
    own = _own.get(binding.id or "")
    if own:
        return own.partition(",")[0]
    return binding.key_display or binding.key.partition(",")[0]

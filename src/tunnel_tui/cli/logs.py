"""`logs`: the log of one tunnel, the newest lines of all, or both as they arrive."""

import gc
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tunnel_tui.cli import codes
from tunnel_tui.cli.arguments import UsageError
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.output import safe
from tunnel_tui.cli.registry import FOLLOW, JSON, LINES
from tunnel_tui.settings import hash_of_log

_LINES = 50
_LINES_EACH = 10
_OTHERS = 20
_NEWEST = 5
"""So many logs show their last lines where no tunnel was named."""
_MOST = 1_000_000


class LogFile(NamedTuple):
    """One tunnel's log on disk; `modified` in epoch seconds, `size` in bytes."""

    name: str
    hash: str
    path: str
    size: int
    modified: float


def logs(context: Context) -> int:
    """Print the end of one log, or of the newest ones.

    Raises:
        TunnelTuiError: no tunnel, or more than one, goes by the name.
        UsageError: the number of lines is not one.
    """
    count = _count(context)
    if context.arguments.operands:
        return _one(context, count)
    return _all(context, count)


def _count(context: Context) -> int | None:
    text = context.arguments.value(LINES)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"not a number of lines: {text}")
    return min(int(text), _MOST)


def _one(context: Context, count: int | None) -> int:
    from tunnel_tui.cli.single import find
    from tunnel_tui.ssh.log.line_class import tail_lines
    from tunnel_tui.ssh.log.tunnel_log import log_path
    from tunnel_tui.system.proc import strange_owner

    tunnel, output = find(context, context.arguments.operands[0]), context.output
    path = log_path(context.settings, tunnel.hash)
    lines = _LINES if count is None else count
    if context.arguments.flag(FOLLOW):
        return follow(context, [(tunnel.name, path)], lines)
    if strange_owner(path):
        output.error(f"{tunnel.name} has no log of ours", f"{path} belongs to another user")
        return codes.FAILED
    if not os.path.lexists(path):
        output.error(f"{tunnel.name} has no log", f"{path} is written when the tunnel starts")
        return codes.FAILED
    if context.arguments.flag(JSON):
        text = tail_lines(path, lines)
        output.json({"name": tunnel.name, "hash": tunnel.hash, "file": path, "lines": text})
        return codes.OK
    text = told_lines(path, lines)
    if output.watched:
        output.info(f"{tunnel.name}: {path}")
    output.lines(coloured(context, text))
    _say_others(context, tunnel.hash)
    return codes.OK


def _say_others(context: Context, tunnel_hash: str) -> None:
    """Show what came past ssh's own log, as the words of others that it is."""
    from tunnel_tui.ssh.log.line_class import tail_lines

    said = tail_lines(context.settings.stderr_file(tunnel_hash), _OTHERS)
    if said:
        context.output.info("said by a banner, a jump host or a proxy program:")
        context.output.lines(f"  | {line}" for line in said)


def _all(context: Context, count: int | None) -> int:
    output, files = context.output, log_files(context)
    if context.arguments.flag(FOLLOW):
        named = [(file.name, file.path) for file in files]
        return follow(context, named, _LINES_EACH if count is None else count)
    if context.arguments.flag(JSON):
        output.json([file._asdict() for file in files])
        return codes.OK
    output.heading("Tunnel Logs")
    if not files:
        output.info(f"no logs in {context.settings.log_dir}")
        return codes.OK
    output.lines(map(_file_line, files))
    newest = sorted(files, key=lambda file: file.modified, reverse=True)
    shown = newest[:_NEWEST] if count is None else newest
    output.lines(_tails(context, shown, _LINES_EACH if count is None else count))
    return codes.OK


def log_files(context: Context) -> list[LogFile]:
    """List the logs that exist, named by the configuration and the state file."""
    from tunnel_tui.state.state_file import StateFile

    settings = context.settings
    names = {e.hash: e.name for e in StateFile.of(settings).read().entries}
    names.update((spec.hash, spec.name) for spec in context.config.tunnels)
    files = []
    try:
        found = list(os.scandir(settings.log_dir))
    except FileNotFoundError:
        return []
    for entry in found:
        tunnel_hash = hash_of_log(entry.name)
        if tunnel_hash is None:
            continue
        try:
            stat = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        name = names.get(tunnel_hash, "(unknown)")
        files.append(LogFile(name, tunnel_hash, entry.path, stat.st_size, stat.st_mtime))
    return sorted(files, key=lambda file: (file.name, file.hash))


def _file_line(file: LogFile) -> str:
    modified = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(file.modified))
    base = os.path.basename(file.path)
    return safe(f"  {base} ({_size(file.size)}, modified: {modified}) {file.name}")


def _size(count: int) -> str:
    if count < 1024:
        return f"{count}B"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f}K"
    return f"{count / 1024 / 1024:.1f}M"


def _tails(context: Context, files: Iterable[LogFile], count: int) -> Iterator[str]:
    for file in files:
        yield ""
        title = f"==> {file.name} ({file.hash}) <=="
        yield context.output.paint(safe(title), "heading")
        yield from coloured(context, told_lines(file.path, count))


def told_lines(path: str, count: int) -> list[str]:
    """Return the last `count` lines that say something; more is read where much is noise."""
    from tunnel_tui.ssh.log.line_class import is_noise, tail_lines

    wanted = count
    while True:
        lines = tail_lines(path, wanted)
        told = [line for line in lines if not is_noise(line)]
        if len(told) >= count or len(lines) < wanted or wanted >= _MOST:
            return told[-count:] if count else []
        wanted = min(wanted * 8, _MOST)


def coloured(context: Context, lines: Iterable[str]) -> Iterator[str]:
    """Colour (already sanitised) log lines by what they say, where a person watches.

    Of ssh's debug lines only the message is kept.
    """
    from tunnel_tui.ssh.log.line_class import LineClass, classify, strip_debug

    if not context.output.watched:
        yield from map(strip_debug, lines)
        return
    styles = {
        LineClass.SUCCESS: "good",
        LineClass.WARNING: "warning",
        LineClass.FAILURE: "bad",
        LineClass.MARKER: "heading",
        LineClass.DIM: "dim",
    }
    for line in lines:
        style, text = styles.get(classify(line)), strip_debug(line)
        yield context.output.paint(text, style) if style else text


def follow(context: Context, files: list[tuple[str, str]], count: int) -> int:
    """Print lines as they arrive until ctrl+c, or until nobody reads any more."""
    from tunnel_tui.ssh.log.line_class import LogFollower, is_noise
    from tunnel_tui.system.events import Events

    gc.enable()  # this may take long
    output = context.output
    width = max((len(name) for name, _ in files), default=0) if len(files) > 1 else 0
    followers = [(safe(name), LogFollower(path)) for name, path in files]
    events = Events()

    def show(name: str, lines: Sequence[str]) -> None:
        prefix = f"{name:<{width}} | " if width else ""
        told = [line for line in lines if not is_noise(line)]
        output.lines(prefix + line for line in coloured(context, told))

    try:
        events.watch_directory(context.settings.log_dir)
        for name, follower in followers:
            show(name, follower.open(count))
        while not (output.closed or output.reader_gone()):
            events.wait(1.0)
            for name, follower in followers:
                update = follower.poll()
                while update.lines or update.more:
                    show(name, update.lines)
                    update = follower.poll()
    except KeyboardInterrupt:
        return codes.INTERRUPTED
    finally:
        events.close()
    return codes.PIPE_CLOSED

"""Files of the ssh configuration that we may not read, of which ssh says little or nothing.

ssh goes on without a ~/.ssh that is closed to it, and without what an Include finds in a closed
directory: then a Host of it is a name that cannot be resolved.
"""

import glob
import os
import re
from collections.abc import Iterator

from tunnel_tui.config.load import read_bytes
from tunnel_tui.errors import ConfigError
from tunnel_tui.system.access import Closed, closed_at

_INCLUDE = re.compile(r"^[ \t]*include(?:[ \t]+|[ \t]*=[ \t]*)(.+)$", re.IGNORECASE | re.MULTILINE)
UNREADABLE = "the ssh configuration may not be read"
"""The title of the error, which stands in a tunnel's log too (ssh/log/failures.py reads it)."""
_MOST_FILES = 100


def closed_files(config_file: str) -> list[Closed]:
    """Find what ssh would want to read, beginning with `config_file`, and we may not.

    Paths of an Include are those of ssh_config(5): relative ones lie in ~/.ssh.
    """
    found: dict[str, Closed] = {}
    todo, seen = [config_file], set[str]()
    while todo and len(seen) < _MOST_FILES:
        path = todo.pop(0)
        if path in seen:
            continue
        seen.add(path)
        closed = closed_at(path)
        if closed is not None:
            found.setdefault(closed.path, closed)
            continue
        for pattern in _includes(path):
            many = glob.has_magic(pattern)
            todo += sorted(glob.glob(pattern)) if many else [pattern]
            closed = closed_at(os.path.dirname(pattern) if many else pattern)
            if closed is not None and closed.path != os.path.realpath(pattern):
                found.setdefault(closed.path, closed._replace(skipped=True))
    return list(found.values())


def check_access(config_file: str) -> None:
    """See that nothing keeps ssh from its configuration.

    Raises:
        ConfigError: something does; the detail names it, its owner and us.
    """
    for closed in closed_files(config_file):
        if not closed.skipped:
            raise ConfigError(UNREADABLE, str(closed), closed.advice)


def _includes(path: str) -> Iterator[str]:
    try:
        text = read_bytes(path).decode("utf-8", "replace")
    except OSError:
        return
    for match in _INCLUDE.finditer(text):
        for word in match[1].replace('"', " ").split():
            if word.startswith("#"):
                break
            yield os.path.join(os.path.expanduser("~/.ssh"), os.path.expanduser(word))

"""Many tunnels, many commands, and what must agree in the end."""

import subprocess
from collections import Counter
from collections.abc import Sequence

from tests.support.faults import Site
from tests.support.network import free_port
from tests.support.tunnels import inward
from tunnel_tui.model import TunnelSpec
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.system import proc


def configure(site: Site, count: int) -> list[TunnelSpec]:
    """Make so many `-L` tunnels."""
    site.configure(
        *(inward(site.echo.port, free_port(), name=f"t{number}") for number in range(count))
    )
    return site.specs


def all_at_once(site: Site, *commands: Sequence[str]) -> list[str]:
    """Run the command so often at the same moment; return what each said."""
    running = [
        subprocess.Popen(
            site.home.command(*words),
            env=site.home.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for words in commands
    ]
    said = [process.communicate(timeout=120)[0].strip() for process in running]
    assert all("Traceback" not in text for text in said), said
    codes = Counter(process.returncode for process in running)
    assert codes == {0: len(running)}, [text for text in said if "ERROR" in text]
    return said


def pids(site: Site) -> dict[str, int]:
    """What the state file says, nothing wrong with it."""
    read = StateFile(str(site.home.state_file)).read()
    assert (read.malformed, read.duplicates, read.problem) == ((), (), "")
    return {entry.hash: entry.pid for entry in read.entries}


def leading(site: Site) -> list[int]:
    """All autossh of this home that lead a session: one for each tunnel that runs."""
    found = site.home.processes("autossh")
    return [pid for pid in found if (stat := proc.read_stat(pid)) and stat.session == pid]


def assert_agreed(site: Site, *running: TunnelSpec) -> None:
    """Exactly these are registered, and exactly their processes live."""
    now = pids(site)
    assert set(now) == {spec.hash for spec in running}
    assert sorted(now.values()) == sorted(leading(site))

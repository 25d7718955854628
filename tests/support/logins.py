"""A bastion that asks for a password and a code, tunnels behind it, and the app in a terminal."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Lab
from tests.support.network import free_port, passes
from tests.support.pam import PamSshd, Person
from tests.support.tmux import Tmux
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until
from tunnel_tui.model import State, TunnelSpec
from tunnel_tui.observe.observer import Observer


class Site:
    """Three interactive tunnels behind one bastion, configured in a home."""

    def __init__(self, lab: Lab, bastion: PamSshd, person: Person, hosts: int = 1) -> None:
        self.lab, self.bastion, self.person = lab, bastion, person
        self.home = lab.home
        self.names = ["bastion", "second", "third"][:hosts]
        for name in self.names:
            self.home.add_host(
                name, bastion.port, User=person.name, StrictHostKeyChecking="accept-new"
            )
        count = 3 if hosts == 1 else hosts
        self.specs = [
            inward(
                lab.echo.port,
                free_port(),
                name=f"behind-{number}",
                host=self.names[number % hosts],
                interactive=True,
            )
            for number in range(count)
        ]
        self.home.write_config(as_yaml(*self.specs))
        self.codes: set[str] = set()
        self._terminals = 0

    def code(self) -> str:
        """The code of now; it is remembered, to be looked for where it must not be."""
        self.codes.add(code := self.person.code)
        return code

    @contextmanager
    def terminal(self, *arguments: str, size: tuple[int, int] = (80, 24)) -> Iterator[Tmux]:
        """Run `tunnel-tui <arguments>` in a terminal of its own."""
        self._terminals += 1
        # Not below HOME: what tmux keeps is not what is searched for secrets.
        directory = Path(f"{self.home.path}-{self._terminals}")
        directory.mkdir()
        tmux = Tmux(directory, self.home.command(*arguments), self.home.variables, size)
        try:
            yield tmux
        finally:
            tmux.close()
            shutil.rmtree(directory, ignore_errors=True)

    def state(self, spec: TunnelSpec) -> State:
        """What is true of one tunnel."""
        return Observer(self.home.settings).observe([spec])[0].state

    def answers(self, spec: TunnelSpec) -> bool:
        """Whether traffic passes."""
        return passes(spec.forward().listener.port, timeout=3.0)

    def ssh_processes(self) -> list[int]:
        """The ssh processes of this home."""
        return self.home.processes("ssh")

    def no_ssh(self) -> None:
        """Wait until no ssh is left."""
        wait_until(lambda: not self.ssh_processes(), 10, "no ssh left")

    def answer(self, terminal: Tmux, *, paste: bool = False, password: str | None = None) -> None:
        """Type password and code at the prompts that are in front."""
        word = self.person.password if password is None else password
        terminal.shows(r"(?s)Password:\s*$|Password:\s*\n\s*\n", 30)
        terminal.shows("typing is hidden")
        (terminal.paste if paste else terminal.type)(word)
        terminal.press("Enter")
        terminal.shows(r"Verification code:\s*\n\s*\n", 30)
        terminal.shows("typing is hidden")
        terminal.type(self.code())
        terminal.press("Enter")

    def places_of(self, secret: str) -> list[str]:
        """List where a secret is found: files of this home, or processes of it."""
        needle = secret.encode()
        files = [path for path in self.home.path.rglob("*") if path.is_file()]
        found = [str(path) for path in files if needle in _content(path)]
        for pid in self.home.processes():
            for name in ("cmdline", "environ"):
                try:
                    if needle in Path(f"/proc/{pid}/{name}").read_bytes():
                        found.append(f"/proc/{pid}/{name}")
                except OSError:
                    continue
        return found


def _content(path: Path) -> bytes:
    """Read a file; nothing where it has gone meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""

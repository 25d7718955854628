"""An engine that only pretends: its tunnels are what a test says they are."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tunnel_tui.config.config import Config
from tunnel_tui.config.plan import Plan
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.logs.follow import LogUpdate
from tunnel_tui.model import (
    Direction,
    Layer,
    Outcome,
    Problem,
    Reason,
    ReasonCode,
    State,
    Traffic,
    TunnelSpec,
    TunnelStatus,
    tunnel_hash,
)
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.host_keys import ChangedKey
from tunnel_tui.supervise.info.tunnel_details import TunnelDetails
from tunnel_tui.supervise.monitor.monitor import Change, Snapshot
from tunnel_tui.tui.engine.engine import Progress

NOW = 1_800_000_000.0


def make_settings(directory: str = "/etc/autossh") -> Settings:
    base = Path(directory)
    return Settings(
        config_file=str(base / "config/config.yaml"),
        ssh_config_dir=str(base / "ssh"),
        state_file=str(base / "state"),
        log_dir=str(base / "logs"),
        data_dir=str(base / "data"),
        socket_dir=str(base / "sockets"),
    )


def spec(
    name: str,
    host: str = "bastion.lab",
    remote: str = "5432",
    local: str = "5433",
    direction: Direction = Direction.REMOTE_TO_LOCAL,
    interactive: bool = False,
) -> TunnelSpec:
    digest = tunnel_hash(name, host, remote, local, direction.value, str(interactive).lower())
    return TunnelSpec(name, host, remote, local, direction, interactive, digest)


KEY_CHANGED = Reason(
    ReasonCode.HOST_KEY_CHANGED,
    "host key changed",
    "compare the keys; if the change is right: ssh-keygen -R bastion.lab",
    "Host key verification failed.",
)
REFUSED = Reason(
    ReasonCode.REFUSED, "connection refused", "is sshd up on edge-3?", "Connection refused"
)


def showcase(now: float) -> list[TunnelStatus]:
    """A bit of everything."""
    run = State.RUNNING
    login = State.INTERACTIVE
    return [
        TunnelStatus(
            spec("done-hub", "cloud.usa2", "127.0.0.1:33000", "0.0.0.0:33001"),
            run,
            pid=186,
            ssh_pid=187,
            since=now - 6 * 86400 - 4 * 3600 - 60,
            traffic=Traffic(0.041, 4_000_000, 910_000_000),
        ),
        TunnelStatus(
            spec("grafana", "ops@edge-3", "3000", "3000"),
            run,
            pid=190,
            ssh_pid=191,
            since=now - 6 * 86400 - 4 * 3600 - 60,
            reconnects=1,
            traffic=Traffic(0.012, 1_000, 14_000),
        ),
        TunnelStatus(
            spec("db-replica", "bastion.lab", "db-2:5432", "5433"),
            State.DEAD,
            pid=200,
            since=now - 40,
            reason=KEY_CHANGED,
        ),
        TunnelStatus(
            spec("metrics", "ops@edge-3", "prom:9090", "9090"),
            State.STARTING,
            pid=210,
            ssh_pid=215,
            since=now - 12,
            detail="reconnecting (attempt 4)",
            reason=REFUSED,
            reconnects=3,
        ),
        TunnelStatus(
            spec("hpc-login", "me@hpc.uni", "login-1:22", "2222", interactive=True), login
        ),
        TunnelStatus(
            spec("hpc-jupyter", "me@hpc.uni", "node-17:8888", "8888", interactive=True), login
        ),
        TunnelStatus(
            spec("git-mirror", "bastion.lab", "git:22", "2200"),
            run,
            pid=220,
            ssh_pid=221,
            since=now - 2 * 3600 - 11 * 60 - 30,
            reconnects=3,
            traffic=Traffic(0.023, 0, 0),
        ),
        TunnelStatus(
            spec("share-blog", "cloud.usa2", "8080", "4000", Direction.LOCAL_TO_REMOTE),
            run,
            pid=230,
            ssh_pid=231,
            since=now - 38.5,
            traffic=Traffic(0.040, 9_000_000, 300_000),
        ),
        TunnelStatus(spec("printer", "office", "printer:631", "6310"), State.STOPPED),
    ]


LOG = [
    "2026/11/22 14:02:01 tunnel-tui[199]: starting db-replica",
    "2026/11/22 14:02:01 autossh[200]: starting ssh (count 1)",
    "2026/11/22 14:02:01 autossh[200]: ssh child pid is 201",
    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
    "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!",
    "Someone could be eavesdropping on you right now (man-in-the-middle attack)!",
    "It is also possible that a host key has just been changed.",
    "The fingerprint for the ED25519 key sent by the remote host is",
    "SHA256:q5k9Hj3Zr0vXxF1mB7T2nY8pL4wE6sD0aK5uJ9gQ1cM.",
    "Offending ED25519 key in /home/me/.ssh/known_hosts:12",
    "Host key for bastion.lab has changed and you have requested strict checking.",
    "Host key verification failed.",
    "2026/11/22 14:02:07 autossh[200]: ssh exited prematurely with status 255; autossh exiting",
]


class FakeFollower:
    """Serves what a test put under the tunnel's hash; `more` is delivered once."""

    def __init__(self, engine: "FakeEngine", key: str) -> None:
        self._engine = engine
        self._key = key

    def open(self, lines: int) -> list[str]:
        return self._engine.logs.get(self._key, [])[-lines:]

    def poll(self) -> LogUpdate:
        with self._engine.lock:
            return self._engine.news.pop(self._key, LogUpdate(False, []))

    def close(self) -> None:
        pass


class FakeEngine:
    """Calls are recorded in `calls`; `fail` makes them raise."""

    def __init__(self, statuses: Sequence[TunnelStatus] = (), settings: Settings | None = None):
        self.settings = settings or make_settings()
        self.statuses = list(statuses)
        self.plan: Plan | None = None
        self.problems: tuple[Problem, ...] = ()
        self.broken: Config | None = None
        self.watcher = "on"
        self.trouble = ""
        self.digest = "d"
        self.missing: frozenset[str] = frozenset()
        self.logs: dict[str, list[str]] = {}
        self.news: dict[str, LogUpdate] = {}
        self.calls: list[tuple[object, ...]] = []
        self.fail: TunnelTuiError | None = None
        self.gate: threading.Event | None = None
        self.lock = threading.Lock()
        self.pokes = 0
        self.more: dict[str, TunnelDetails] = {}
        self.closed = False
        self._on_snapshot: Callable[[Snapshot], None] | None = None

    def snapshot(self, changes: Sequence[Change] = (), at: float | None = None) -> Snapshot:
        specs = tuple(status.spec for status in self.statuses if status.configured)
        config = Config(self.settings.config_file, specs, self.problems, self.digest)
        return Snapshot(
            tuple(self.statuses),
            config,
            self.broken,
            tuple(changes),
            self.plan,
            self.watcher,
            at if at is not None else time.time(),
            self.trouble,
        )

    def publish(self, changes: Sequence[Change] = (), at: float | None = None) -> None:
        """Hand out a snapshot as the monitor would, from a thread of its own."""
        assert self._on_snapshot is not None
        taken = self.snapshot(changes, at)
        thread = threading.Thread(target=self._on_snapshot, args=(taken,))
        thread.start()
        thread.join()

    def become(self, name: str, state: State, **changes: object) -> None:
        """Let a tunnel change its state, and publish it."""
        found = []
        for index, status in enumerate(self.statuses):
            if status.spec.name == name:
                after = status._replace(state=state, **changes)  # type: ignore[arg-type]
                self.statuses[index] = after
                found.append(Change(status.spec.hash, name, status.state, state, after.reason))
        self.publish(found)

    def watch(self, on_snapshot: Callable[[Snapshot], None]) -> None:
        self._on_snapshot = on_snapshot
        on_snapshot(self.snapshot())

    def close(self) -> None:
        self.closed = True

    def poke(self) -> None:
        self.pokes += 1

    def _do(self, verb: str, tunnel: TunnelSpec) -> Outcome:
        self.calls.append((verb, tunnel.name))
        if self.gate is not None:
            self.gate.wait(10)
        if self.fail is not None:
            raise self.fail
        return Outcome(tunnel.hash, tunnel.name, True, verb)

    def start(self, spec: TunnelSpec) -> Outcome:
        return self._do("start", spec)

    def stop(self, spec: TunnelSpec) -> Outcome:
        return self._do("stop", spec)

    def restart(self, spec: TunnelSpec) -> Outcome:
        return self._do("restart", spec)

    def start_all(self, specs: Sequence[TunnelSpec], progress: Progress) -> list[Outcome]:
        self.calls.append(("start_all", *(s.name for s in specs)))
        return self._batch(specs, progress)

    def _batch(self, specs: Sequence[TunnelSpec], progress: Progress) -> list[Outcome]:
        outcomes = []
        for done, tunnel in enumerate(specs, 1):
            ok = self.fail is None
            message = self.fail.detail if self.fail else ""
            outcomes.append(Outcome(tunnel.hash, tunnel.name, ok, "done", message))
            progress(done, len(specs), outcomes[-1])
        if self.gate is not None:
            self.gate.wait(10)
        return outcomes

    def stop_all(self, hashes: Sequence[str] | None, progress: Progress) -> list[Outcome]:
        self.calls.append(("stop_all", hashes))
        return self._batch([status.spec for status in self.statuses], progress)

    def restart_all(
        self, running: Sequence[str], specs: Sequence[TunnelSpec], progress: Progress
    ) -> list[Outcome]:
        self.calls.append(("restart_all", running, *(s.name for s in specs)))
        return self._batch(specs, progress)

    def clean_up(self, specs: Sequence[TunnelSpec]) -> list[Outcome]:
        self.calls.append(("clean_up",))
        return [Outcome(s.hash, s.name, True, "removed", "its process is gone") for s in specs[:1]]

    def apply(self, specs: Sequence[TunnelSpec], progress: Progress) -> list[Outcome]:
        self.calls.append(("apply", *(s.name for s in specs)))
        return self._batch(specs, progress)

    def follow(self, tunnel_hash: str) -> FakeFollower:
        return FakeFollower(self, tunnel_hash)

    def layers(self, status: TunnelStatus) -> list[Layer]:
        up = status.state is State.RUNNING
        return [
            Layer("process", status.pid is not None, f"autossh {status.pid}"),
            Layer("authenticated", up, "as ops"),
            Layer("forward", up, "confirmed by ssh" if up else "not confirmed"),
            Layer("far service", None, "not asked (check: tcp asks)"),
            Layer("round trip", True if up else None, "41 ms" if up else ""),
        ]

    def particulars(self, status: TunnelStatus) -> TunnelDetails:
        return self.more.get(status.spec.name, TunnelDetails())

    def forget_key(self, key: ChangedKey) -> Outcome:
        self.calls.append(("forget_key", key.name))
        return Outcome("", key.name, True, "removed")

    def shell_line(self, spec: TunnelSpec) -> str:
        return f"ssh -N -L {spec.local_port}:{spec.remote_port} -- {spec.remote_host}"

    def missing_programs(self) -> frozenset[str]:
        return self.missing

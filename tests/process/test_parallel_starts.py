"""Many at once: no entry lost, no process doubled."""

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import Lab
from tests.support import processes
from tests.support.home import Home
from tests.support.network import free_port, passes
from tests.support.tunnels import as_yaml, inward, state_of
from tests.support.waiting import wait_until
from tunnel_tui.config.load import load_config
from tunnel_tui.model import Outcome, State, TunnelSpec
from tunnel_tui.settings import MAX_STARTING
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.actions.apply import apply_plan, plan_changes
from tunnel_tui.supervise.actions.lifecycle import restart_tunnels, start_tunnels, stop_tunnels
from tunnel_tui.system import proc, spawn

pytestmark = [pytest.mark.process, pytest.mark.alone]

PROGRAM = """
import os, sys
from tunnel_tui.config.load import load_config
from tunnel_tui.settings import load_settings
from tunnel_tui.supervise.actions.lifecycle import start_tunnel, stop_tunnel
settings = load_settings(os.environ)
specs = load_config(settings.config_file).by_hash()
sys.stdin.readline()
if sys.argv[1] == "start":
    outcome = start_tunnel(settings, specs[sys.argv[2]], wait=float(sys.argv[3]))
else:
    outcome = stop_tunnel(settings, sys.argv[2])
print(outcome.verb, outcome.message)
sys.exit(0 if outcome.ok else 1)
"""


def run_all(home: Home, arguments: Sequence[Sequence[str]], timeout: float = 120) -> list[str]:
    """Run processes that all begin at one moment; returns what each said."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            env=home.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for words in arguments
    ]
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=timeout)[0].strip() for process in running]
    assert [p.returncode for p in running] == [0] * len(running), said
    return said


@pytest.fixture
def stand_in(home: Home) -> Callable[[], None]:
    """An ssh that connects at once: it prints what ssh prints when a forward stands."""

    def install() -> None:
        directory = home.path / "bin"
        directory.mkdir(exist_ok=True)
        (directory / "ssh").write_text(STAND_IN)
        (directory / "ssh").chmod(0o755)
        os.environ["PATH"] = home.variables["PATH"] = f"{directory}:{home.variables['PATH']}"

    return install


STAND_IN = """#!/bin/sh
[ "$1" = -G ] && exit 0
echo "debug1: clientloop.c:client_loop():1 (pid=$$): Entering interactive session." >&2
exec sleep 600
"""


def configure(home: Home, specs: Sequence[TunnelSpec]) -> None:
    home.write_config(as_yaml(*specs))
    config = load_config(str(home.config_file))
    assert [spec.hash for spec in config.tunnels] == [spec.hash for spec in specs]


def leading(home: Home) -> list[int]:
    """All autossh; not their children, which for a moment after fork(2) look the same."""
    found = home.processes("autossh")
    return [pid for pid in found if (stat := proc.read_stat(pid)) and stat.session == pid]


def tagged(home: Home) -> Counter[str]:
    """How many autossh run for each hash, by their arguments and not by any state file."""
    counts: Counter[str] = Counter()
    for pid in leading(home):
        for word in processes.command_line(pid):
            if word.startswith("SetEnv=TUNNEL_HASH="):
                counts[word.rpartition("=")[2]] += 1
    return counts


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_fifty_parallel_starts_and_stops_three_times(
    home: Home, stand_in: Callable[[], None]
) -> None:
    stand_in()
    specs = [inward(8000, free_port(), name=f"t{number}") for number in range(50)]
    configure(home, specs)
    hashes = {spec.hash for spec in specs}
    state = StateFile.of(home.settings)
    for round_number in range(3):
        run_all(home, [("start", spec.hash, "0") for spec in specs])
        read = state.read()
        assert {entry.hash for entry in read.entries} == hashes, "no entry lost"
        assert (read.malformed, read.duplicates) == ((), ())
        assert tagged(home) == dict.fromkeys(hashes, 1), "none doubled"
        assert {entry.pid for entry in read.entries} == set(leading(home))

        if round_number == 1:
            # Half stop while the other half starts once more.
            run_all(
                home,
                [("stop" if n % 2 else "start", spec.hash, "0") for n, spec in enumerate(specs)],
            )
            kept = {spec.hash for spec in specs[::2]}
            assert {entry.hash for entry in state.read().entries} == kept
            assert tagged(home) == dict.fromkeys(kept, 1)

        run_all(home, [("stop", spec.hash) for spec in specs])
        assert home.state_file.read_text() == ""
        assert home.processes() == []


def test_the_same_start_twelve_times_is_one_process(lab: Lab) -> None:
    port = free_port()
    spec = inward(lab.echo.port, port)
    configure(lab.home, [spec])
    said = run_all(lab.home, [("start", spec.hash, "15")] * 12)
    assert Counter(line.split()[0] for line in said) == {"started": 1, "already": 11}
    assert tagged(lab.home) == {spec.hash: 1}
    assert lab.home.state_file.read_text().count("\n") == 1
    assert passes(port)


@pytest.mark.parametrize("stop", ["all", "each"])
def test_a_stop_also_ends_the_starts_that_wait_for_their_turn(home: Home, stop: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        options = (f"Port={silent.getsockname()[1]}", "ConnectTimeout=60")
        specs = [
            inward(8000, free_port(), name=f"t{n}", host="me@127.0.0.1", ssh_options=options)
            for n in range(20)
        ]
        configure(home, specs)
        with ThreadPoolExecutor() as pool:
            starts = pool.submit(start_tunnels, home.settings, specs)
            wait_until(lambda: len(leading(home)) == MAX_STARTING, what="as many as may connect")
            hashes = None if stop == "all" else [spec.hash for spec in specs]
            stopped = stop_tunnels(home.settings, hashes, grace=2.0)
            outcomes = starts.result(timeout=20)
    assert all(outcome.ok for outcome in stopped)
    assert sum(outcome.message == "it was stopped meanwhile" for outcome in outcomes) >= 12
    assert home.state_file.read_text() == ""
    assert home.processes() == []
    # What is asked for afterwards is started.
    assert start_tunnels(home.settings, specs[:1], wait=0)[0].verb == "started"
    stop_tunnels(home.settings, None, grace=2.0)


def test_a_stop_during_a_restart_is_the_last_word(lab: Lab) -> None:
    settings = lab.home.settings
    specs = [inward(lab.echo.port, free_port(), name=f"t{n}") for n in range(3)]
    hashes = [spec.hash for spec in specs]
    configure(lab.home, specs)
    assert all(outcome.ok for outcome in start_tunnels(settings, specs))
    verbs = [outcome.verb for outcome in restart_tunnels(settings, hashes, specs)]
    assert verbs == ["stopped"] * 3 + ["started"] * 3

    def stop_all(done: int, _total: int, _outcome: Outcome) -> None:
        if done == 1:
            stop_tunnels(settings, None)

    outcomes = restart_tunnels(settings, hashes, specs, stop_all)
    assert [outcome.message for outcome in outcomes[3:]] == ["it was stopped meanwhile"] * 3
    assert lab.home.processes() == []


def test_a_stop_of_all_that_looks_too_early_is_the_last_word(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sees neither entry nor process of a start that is about to spawn."""
    settings = lab.home.settings
    spec = inward(lab.echo.port, free_port())
    configure(lab.home, [spec])
    real = spawn.spawn

    def stopped_meanwhile(*arguments: Any) -> int:
        stop_tunnels(settings, None)
        return real(*arguments)

    monkeypatch.setattr(spawn, "spawn", stopped_meanwhile)
    (outcome,) = start_tunnels(settings, [spec])
    assert (outcome.verb, outcome.message) == ("skipped", "it was stopped meanwhile")
    assert lab.home.processes() == []
    assert lab.home.state_file.read_text() == ""
    assert not os.path.exists(settings.log_file(spec.hash))


def test_a_stop_while_a_plan_is_carried_out_is_the_last_word(lab: Lab) -> None:
    settings = lab.home.settings
    old, new = (inward(lab.echo.port, free_port(), name=name) for name in ("old", "new"))
    assert apply_plan(settings, plan_changes(settings, [old]))[0].ok

    def stop_new(_done: int, _total: int, outcome: Outcome) -> None:
        if outcome.hash == old.hash:
            stop_tunnels(settings, [new.hash])

    outcomes = apply_plan(settings, plan_changes(settings, [new]), stop_new)
    assert [outcome.verb for outcome in outcomes] == ["stopped", "skipped"]
    assert lab.home.processes() == []


def test_starts_and_stops_of_one_tunnel_at_once_end_in_one_truth(
    lab: Lab,
) -> None:
    spec = inward(lab.echo.port, free_port())
    configure(lab.home, [spec])
    run_all(lab.home, [(("start", "stop")[n % 2], spec.hash, "0") for n in range(12)])
    entries = StateFile.of(lab.home.settings).read().entries
    assert tagged(lab.home) == {entry.hash: 1 for entry in entries}
    assert {entry.pid for entry in entries} == set(leading(lab.home))


@pytest.mark.timeout(180)
def test_killed_starters_leave_nothing_that_a_start_and_a_stop_cannot_settle(
    home: Home, stand_in: Callable[[], None]
) -> None:
    """kill -9 at any moment of a start: the next start makes one process of it."""
    stand_in()
    spec = inward(8000, free_port())
    configure(home, [spec])
    for number in range(25):
        starter = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "start", spec.hash, "5"],
            env=home.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert starter.stdin
        starter.stdin.write("go\n")
        starter.stdin.flush()
        # From the moment when the log appears the interesting instructions follow.
        log = home.log_dir / f"tunnel-{spec.hash}.log"
        wait_until(lambda log=log: log.exists(), interval=0.0005, what="the log")
        time.sleep(number * 0.0004)
        starter.kill()
        starter.wait()
        (outcome,) = start_tunnels(home.settings, [spec])
        assert outcome.ok, outcome
        assert tagged(home) == {spec.hash: 1}
        entries = StateFile.of(home.settings).read().entries
        assert [entry.pid for entry in entries] == leading(home)
        (outcome,) = stop_tunnels(home.settings, None)
        assert outcome.ok
        assert home.processes() == []


class TestApply:
    def test_removed_is_stopped_new_is_started_others_keep_their_pids(self, lab: Lab) -> None:
        specs = [inward(lab.echo.port, free_port(), name=f"t{n}") for n in range(4)]
        apply_plan(lab.home.settings, plan_changes(lab.home.settings, specs[:3]))
        before = {e.hash: e.pid for e in StateFile.of(lab.home.settings).read().entries}
        plan = plan_changes(lab.home.settings, specs[1:])
        assert plan.summary() == "start 1, stop 1, keep 2"
        seen: list[tuple[int, int]] = []
        outcomes = apply_plan(
            lab.home.settings, plan, lambda done, total, _: seen.append((done, total))
        )
        assert Counter(outcome.verb for outcome in outcomes) == {
            "stopped": 1,
            "started": 1,
            "kept": 2,
        }
        assert seen == [(1, 2), (2, 2)]
        after = {e.hash: e.pid for e in StateFile.of(lab.home.settings).read().entries}
        assert set(after) == {spec.hash for spec in specs[1:]}
        assert all(after[spec.hash] == before[spec.hash] for spec in specs[1:3])
        assert state_of(lab.home, specs[3]) is State.RUNNING
        assert plan_changes(lab.home.settings, specs[1:]).empty

    def test_another_command_line_is_a_restart(self, lab: Lab) -> None:
        spec = inward(lab.echo.port, free_port())
        apply_plan(lab.home.settings, plan_changes(lab.home.settings, [spec]))
        changed = spec._replace(ssh_options=("Compression=yes",))
        plan = plan_changes(lab.home.settings, [changed])
        assert [s.hash for s in plan.restart] == [spec.hash]
        outcomes = apply_plan(lab.home.settings, plan)
        assert [outcome.verb for outcome in outcomes] == ["started"]
        assert plan_changes(lab.home.settings, [changed]).empty

    def test_a_new_tunnel_takes_the_port_of_an_old_one(self, lab: Lab) -> None:
        port = free_port()
        old, new = (inward(lab.echo.port, port, name=name) for name in ("old", "new"))
        apply_plan(lab.home.settings, plan_changes(lab.home.settings, [old]))
        outcomes = apply_plan(lab.home.settings, plan_changes(lab.home.settings, [new]))
        assert [outcome.ok for outcome in outcomes] == [True, True]
        assert passes(port)

    def test_a_dead_one_is_started_and_an_interactive_one_is_left_to_people(self, lab: Lab) -> None:
        spec = inward(lab.echo.port, free_port())
        person = inward(lab.echo.port, free_port(), name="person", interactive=True)
        apply_plan(lab.home.settings, plan_changes(lab.home.settings, [spec]))
        processes.end(lab.home.processes())
        plan = plan_changes(lab.home.settings, [spec, person])
        assert plan.summary() == "start 1, 1 needs a login"
        verbs = [outcome.verb for outcome in apply_plan(lab.home.settings, plan)]
        assert verbs == ["started", "skipped"]

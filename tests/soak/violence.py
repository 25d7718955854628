"""Faults of processes, servers and ports."""

import os
import signal
import socket
import time
from contextlib import suppress

from tests.soak.harm import LOGIN_SERVER, Harm, fault
from tests.soak.model import LAZY, PROMPT, Tunnel, Wish
from tests.soak.place import NAMES
from tests.support import processes

KILLS = (signal.SIGKILL, signal.SIGTERM)


def _kill(harm: Harm, kind: str, programs: tuple[str, ...], most: int = 1) -> None:
    victims = harm.victims(most)
    signum = harm.dice.choice(KILLS)
    harm.model.note(kind, victims, signum.name)
    census = harm.look()
    for victim in victims:
        # Before the blow: the next look may come between it and the note.
        harm.model.kill([victim])
        harm.signal([seen for seen in census.of(victim.hash) if seen.program in programs], signum)
    harm.model.disturb(victims)


@fault("autossh killed", 3)
def kill_autossh(harm: Harm) -> None:
    _kill(harm, "autossh killed", ("autossh",))


@fault("ssh killed", 3)
def kill_ssh(harm: Harm) -> None:
    _kill(harm, "ssh killed", ("ssh",))


@fault("both killed", 2)
def kill_both(harm: Harm) -> None:
    _kill(harm, "both killed", ("autossh", "ssh"))


@fault("several killed", 0.7)
def kill_several(harm: Harm) -> None:
    _kill(harm, "several killed", harm.dice.choice((("ssh",), ("autossh", "ssh"))), most=6)


@fault("autossh frozen, its ssh killed", 1)
def freeze_autossh(harm: Harm) -> None:
    victims = harm.victims()
    harm.model.note("autossh frozen, its ssh killed", victims, "")
    census = harm.look()
    for victim in victims:
        ours = census.of(victim.hash)
        harm.model.kill([victim])
        frozen = harm.signal([s for s in ours if s.program == "autossh"], signal.SIGSTOP)
        harm.signal([s for s in ours if s.program == "ssh"], signal.SIGKILL)
        harm.model.disturb([victim], 12 + PROMPT)
        harm.pause(1, 10)
        harm.thaw(frozen)
        harm.model.disturb([victim])
        harm.model.remember([victim], "autossh thawed")


@fault("ssh frozen", 2)
def freeze_ssh(harm: Harm) -> None:
    """The kernel says that it is, so nobody may call it RUNNING, however short."""
    victims = harm.victims(3)
    long = harm.dice.random() < 0.15
    seconds = harm.dice.uniform(50, 75) if long else harm.dice.uniform(2, 25)
    harm.model.note("ssh frozen", victims, f"{seconds:.0f} s")
    harm.model.endanger(victims)
    harm.model.disturb(victims, seconds + (LAZY if long else PROMPT))
    census = harm.look()
    ours = [seen for victim in victims for seen in census.of(victim.hash)]
    frozen = harm.signal([seen for seen in ours if seen.program == "ssh"], signal.SIGSTOP)
    harm.pause(seconds, seconds)
    harm.thaw(frozen)
    harm.model.disturb(victims, LAZY if long else PROMPT)
    harm.model.remember(victims, "ssh thawed")


def _server(harm: Harm) -> tuple[str, list[Tunnel]]:
    name = harm.dice.choice([name for name in NAMES if name != LOGIN_SERVER])
    return name, harm.model.of_server(name)


@fault("connections dropped by the server", 2)
def drop(harm: Harm) -> None:
    name, tunnels = _server(harm)
    server = harm.place.servers[name]
    harm.model.note("connections dropped by the server", tunnels, name)
    sessions = server.sessions
    chosen = harm.dice.sample(sessions, min(len(sessions), harm.dice.randint(1, 4)))
    harm.model.kill(tunnels)
    processes.end(chosen)


@fault("server stopped", 0.8)
def stop_server(harm: Harm) -> None:
    name, tunnels = _server(harm)
    server = harm.place.servers[name]
    with harm.claiming(name) as got:
        if not got:
            return
        seconds = harm.dice.uniform(1, 15)
        harm.model.note("server stopped", tunnels, f"{name}, {seconds:.0f} s")
        harm.model.kill(tunnels)
        harm.model.disturb(tunnels, seconds + PROMPT + 5)
        server.stop()
        try:
            harm.pause(seconds, seconds)
        finally:
            server.start()
            harm.model.disturb(tunnels, PROMPT + 5)
            harm.model.remember(tunnels, f"server {name} is back")


@fault("server frozen", 0.5)
def freeze_server(harm: Harm) -> None:
    name, tunnels = _server(harm)
    server = harm.place.servers[name]
    long = harm.dice.random() < 0.25
    seconds = harm.dice.uniform(66, 75) if long else harm.dice.uniform(3, 20)
    with harm.claiming(name) as got:
        if not got:
            return
        harm.model.note("server frozen", tunnels, f"{name}, {seconds:.0f} s")
        harm.model.endanger(tunnels)
        harm.model.freeze(tunnels, seconds)
        pids = server.freeze()
        try:
            harm.pause(seconds, seconds)
        finally:
            for pid in pids:
                if "sshd" in (processes.command_line(pid) or [""])[0]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)
            harm.model.disturb(tunnels, PROMPT if seconds < 25 else LAZY)
            harm.model.remember(tunnels, f"server {name} thawed")


@fault("port stolen", 1)
def steal_port(harm: Harm) -> None:
    victims = harm.idle()
    if not victims:
        return
    victim = victims[0]
    with harm.holding(victims):
        harm.model.note("port stolen", victims, str(victim.port))
        harm.model.kill(victims)
        harm.model.disturb(victims, 20 + LAZY)
        thief = _steal(harm, victim)
        harm.pause(2, 15)
        if thief is not None:
            thief.close()
    grace = LAZY if thief is not None else 2 * PROMPT
    harm.model.disturb(victims, grace)
    harm.model.remember(victims, "port free again" if thief else "port was not to be had")


def _steal(harm: Harm, victim: Tunnel) -> socket.socket | None:
    """Kill the ssh, and listen where it did before its successor can."""
    thief = socket.socket()
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + 6
    killed = 0.0
    while time.monotonic() < deadline and not harm.ending.is_set():
        if time.monotonic() - killed > 1.5:
            ours = harm.look().of(victim.hash)
            harm.signal([seen for seen in ours if seen.program == "ssh"], signal.SIGKILL)
            killed = time.monotonic()
        try:
            thief.bind(("127.0.0.1", victim.port))
            thief.listen(64)
        except OSError:
            time.sleep(0.002)
        else:
            return thief
    thief.close()
    return None


@fault("login lost", 0.5)
def lose_login(harm: Harm) -> None:
    riders = [tunnel for tunnel in harm.model.configured() if tunnel.spec.interactive]
    with harm.model.lock:
        if any(tunnel.held for tunnel in riders):
            return
        for tunnel in riders:
            tunnel.held += 1
    try:
        harm.model.note("login lost", riders, "")
        harm.model.ask(riders, Wish.DOWN)
        census = harm.look()
        masters = [seen for seen in census.processes if seen.master]
        harm.signal(masters, harm.dice.choice(KILLS))
        harm.pause(2, 6)
        log_in(harm, riders)
    finally:
        with harm.model.lock:
            for tunnel in riders:
                tunnel.held -= 1


def log_in(harm: Harm, riders: list[Tunnel]) -> None:
    with harm.place.file_lock:  # `auth` refuses a configuration with mistakes
        done = harm.place.log_in()
    text = done.stdout.decode(errors="replace")
    if "Traceback" in text:
        harm.problem(f"auth: {text}")
    harm.model.remember(riders, f"logged in ({done.returncode}): {text[-300:]!r}")
    harm.model.ask(riders, Wish.UP if done.returncode == 0 else Wish.EITHER)
    if done.returncode != 0:
        harm.problem(f"auth ended with {done.returncode}: {text}")

"""What people do meanwhile: commands, keys, and the watcher and the app that come and go."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.soak.harm import Harm, fault
from tests.soak.model import PROMPT, Tunnel, Wish
from tests.soak.people import SIZE
from tunnel_tui.state.state_file import StateFile

PATIENCE = 75.0
UNAPPLIED = 20.0


def begin(harm: Harm, *arguments: str) -> "subprocess.Popen[str]":
    """Begin a command."""
    return subprocess.Popen(
        harm.place.home.command(*arguments),
        env=harm.place.home.variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def finish(harm: Harm, process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Wait until a command has ended; whatever happens, it must not show a traceback."""
    limit = harm.model.clock.now() + PATIENCE
    words = " ".join(map(str, process.args[3:]))  # type: ignore[index]
    while True:
        try:
            said, _ = process.communicate(timeout=1.0)
            break
        except subprocess.TimeoutExpired:
            if harm.model.clock.now() > limit:
                harm.problem(f"{words} takes longer than {PATIENCE:g} s: {stack(process.pid)}")
                process.kill()
                said, _ = process.communicate()
                break
    if "Traceback" in said or process.returncode not in (0, 1, 2, 3):
        harm.problem(f"{words} ended with {process.returncode}: {said}")
    return process.returncode, said


def stack(pid: int) -> str:
    """Say what a process waits for."""
    waits = Path(f"/proc/{pid}/wchan").read_text()
    files = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    return f"in {waits}, has {files}"


def command(harm: Harm, *arguments: str) -> tuple[int, str]:
    """Run a command."""
    return finish(harm, begin(harm, *arguments))


def order(harm: Harm, verb: str, tunnels: Sequence[Tunnel]) -> None:
    """Let the command line start, stop or restart tunnels, and expect it from then on."""
    tunnels = harm.model.claim(tunnels)
    if not tunnels:
        return
    turn = harm.model.turn
    try:
        harm.model.ask(tunnels, Wish.EITHER)
        code, said = command(harm, f"{verb}-tunnel", *(tunnel.hash for tunnel in tunnels))
        harm.model.remember(tunnels, f"{verb} by command: {code} {said[-400:]!r}")
        wish = Wish.DOWN if verb == "stop" else Wish.UP
        if code == 0:
            harm.model.answer(tunnels, wish, turn)
            return
        # What has a process or an entry will be brought up by the watcher; what has none, not.
        entries = StateFile(str(harm.place.home.state_file)).read().entries
        known = {entry.hash for entry in entries}
        for tunnel in tunnels:
            sure = verb != "stop" and tunnel.hash in known
            harm.model.answer([tunnel], wish if sure else Wish.EITHER, turn)
    finally:
        harm.model.take_hands(tunnels, -1)


@fault("stopped and started by command", 2)
def stop_and_start(harm: Harm) -> None:
    tunnels = harm.idle(3)
    harm.model.note("stopped and started by command", tunnels, "")
    order(harm, "stop", tunnels)
    harm.pause(3, 15)
    order(harm, "start", tunnels)


@fault("restarted by command", 1)
def restart(harm: Harm) -> None:
    tunnels = harm.idle(2)
    harm.model.note("restarted by command", tunnels, "")
    order(harm, "restart", tunnels)


@fault("started and stopped at once", 0.8)
def race(harm: Harm) -> None:
    """Two commands that contradict each other; afterwards a third that decides."""
    tunnels = harm.model.claim(harm.idle(2))
    if not tunnels:
        return
    harm.model.note("started and stopped at once", tunnels, "")
    hashes = [tunnel.hash for tunnel in tunnels]
    harm.model.ask(tunnels, Wish.EITHER)
    running = []
    for verb in ("stop", "start", "restart", "stop", "start"):
        running.append(begin(harm, f"{verb}-tunnel", *hashes))
        time.sleep(harm.dice.uniform(0, 0.2))
    for process in running:
        finish(harm, process)
    harm.model.take_hands(tunnels, -1)
    settle(harm, tunnels)


def settle(harm: Harm, tunnels: Sequence[Tunnel]) -> None:
    """Decide what nobody knows any more."""
    order(harm, harm.dice.choice(("start", "start", "start", "start", "stop")), tunnels)


@fault("cleaned up twice at once", 0.6)
def clean(harm: Harm) -> None:
    if harm.model.unwatched:
        return
    harm.model.note("cleaned up twice at once", [], "")
    turn = harm.watch.began
    running = [begin(harm, "cleanup") for _ in range(2)]
    words = " | ".join(finish(harm, process)[1] for process in running)
    harm.model.remember(harm.model.configured(), f"cleanup: {words[-300:]!r}")
    if harm.model.unwatched or harm.watch.began != turn:
        forget_removed(harm)


def forget_removed(harm: Harm) -> None:
    """Where nobody watched, what was dead was removed as a person wished who cleaned up."""
    known = {entry.hash for entry in StateFile(str(harm.place.home.state_file)).read().entries}
    for tunnel in harm.model.quiet():
        if tunnel.wish is Wish.UP and tunnel.hash not in known:
            tunnel.wish = Wish.EITHER


@fault("all started by command", 0.3)
def start_all(harm: Harm) -> None:
    with harm.place.file_lock:
        harm.model.note("all started by command", harm.model.configured(), "")
        harm.model.ask_for_all(2 * PROMPT)
        turn = harm.model.turn
        code, said = command(harm, "start")
        if harm.model.turn == turn:
            harm.model.ask_for_all(2 * PROMPT)
        harm.model.remember(harm.model.configured(), f"start: {code} {said[-200:]!r}")


# -- keys


def _press(harm: Harm, key: str, tunnels: Sequence[Tunnel], wish: Wish) -> None:
    """Press a key on tunnels and wait until the app has done what it says."""
    tunnels = harm.model.claim(tunnels)
    if not tunnels:
        return
    turn = harm.model.turn
    try:
        harm.model.ask(tunnels, Wish.EITHER)
        pid = harm.app.pid
        with harm.app.marked([tunnel.name for tunnel in tunnels]) as window:
            if window is None:
                return
            window.press(key)
            if len(tunnels) > 1 and key in "xr":
                time.sleep(0.4)
                if "connections through them end" in window.flat:
                    window.press("y")
            time.sleep(0.3)
        done = _wait(harm, lambda: _is_so(harm, tunnels, wish), 20)
        harm.model.remember(tunnels, f"key {key}: {'done' if done else 'not seen to be done'}")
        if done and harm.app.pid == pid:
            harm.model.answer(tunnels, wish, turn)
    finally:
        harm.model.take_hands(tunnels, -1)


def _is_so(harm: Harm, tunnels: Sequence[Tunnel], wish: Wish) -> bool:
    census = harm.look()
    return all(bool(census.of(tunnel.hash)) is (wish is Wish.UP) for tunnel in tunnels)


def _wait(harm: Harm, condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


@fault("stopped and started by keys", 1.5)
def stop_by_key(harm: Harm) -> None:
    tunnels = harm.idle(3)
    harm.model.note("stopped and started by keys", tunnels, "")
    _press(harm, "x", tunnels, Wish.DOWN)
    harm.pause(3, 12)
    still = [tunnel for tunnel in tunnels if tunnel.wish is Wish.DOWN]
    _press(harm, "s", still, Wish.UP)


@fault("restarted by key", 1)
def restart_by_key(harm: Harm) -> None:
    tunnels = harm.idle(2)
    harm.model.note("restarted by key", tunnels, "")
    _press(harm, "r", tunnels, Wish.UP)


@fault("cleaned up by key", 0.5)
def clean_by_key(harm: Harm) -> None:
    harm.model.note("cleaned up by key", [], "")
    with harm.app.lock:
        if harm.app.window is not None and not harm.model.unwatched:
            harm.app.window.press("c")
            harm.pause(1, 1)


@fault("terminal resized", 0.8)
def resize(harm: Harm) -> None:
    harm.model.note("terminal resized", [], "")
    with harm.app.lock:
        window = harm.app.window
        if window is None:
            return
        for _ in range(harm.dice.randint(1, 6)):
            window.resize(harm.dice.randint(20, 200), harm.dice.randint(5, 120))
            harm.pause(0.05, 0.4)
        window.resize(20, 5)
        harm.pause(0.1, 1)
        window.resize(*SIZE)
    with harm.model.lock:
        harm.app.opened = harm.model.clock.now()


# -- who looks after the tunnels


@fault("watcher killed", 0.5, late=False)
def kill_watcher(harm: Harm) -> None:
    with harm.claiming("watch") as got:
        if not got or harm.watch.daemon is None:
            return
        harm.model.note("watcher killed", harm.model.configured(), "")
        harm.watch.kill()
        harm.pause(0.1, 6)
        bring_watch(harm)


def bring_watch(harm: Harm) -> None:
    """Start a watcher; where the app was quicker, let it watch for a while."""
    with harm.place.file_lock:
        if harm.watch.start():
            return
    # The app takes the file as it finds it: an edit that nobody has applied yet would stay so.
    if harm.model.clock.now() - harm.place.edited > UNAPPLIED:
        harm.watch.taken_by_app()
        harm.model.remember(harm.model.configured(), "the app watches")
        harm.pause(10, 40)
    # The lock of the file comes first everywhere.
    with harm.place.file_lock, harm.app.lock:
        harm.model.unwatched = True
        harm.app.quit()
        begun = harm.watch.start()
        harm.app.open()
    if begun:
        harm.model.remember(harm.model.configured(), "a new watcher")
    else:
        harm.problem("a new watcher could not begin although the app has ended")


@fault("watcher told to read again", 0.4)
def hang_up(harm: Harm) -> None:
    if harm.place.file_lock.acquire(timeout=0.1):
        try:
            harm.model.note("watcher told to read again", harm.model.configured(), "")
            harm.watch.hang_up()
        finally:
            harm.place.file_lock.release()


@fault("app killed", 0.4, late=False)
def kill_app(harm: Harm) -> None:
    _reopen(harm, "app killed", harm.app.kill)


@fault("terminal of the app closed", 0.4, late=False)
def close_terminal(harm: Harm) -> None:
    _reopen(harm, "terminal of the app closed", harm.app.hang_up)


@fault("app left", 0.3, late=False)
def leave_app(harm: Harm) -> None:
    _reopen(harm, "app left", lambda: harm.app.quit() and None)


def _reopen(harm: Harm, kind: str, end: Callable[[], None]) -> None:
    with harm.claiming("watch") as got:
        if not got or harm.watch.daemon is None or harm.app.window is None:
            return
        with harm.app.lock:
            harm.model.note(kind, [], "")
            end()
            harm.pause(0.2, 3)
            harm.app.open()

"""Faults of files: the state file, logs, the configuration."""

import os
from contextlib import suppress

from tests.soak.harm import Harm, fault
from tests.soak.model import PROMPT, Tunnel, Wish
from tests.support.hostile import ESCAPES

# -- the state file


@fault("state file torn", 0.5)
def tear_state(harm: Harm) -> None:
    harm.model.note("state file torn", harm.model.configured(), "")
    path = harm.place.home.state_file
    harm.model.forget_entries()
    with suppress(OSError):
        os.truncate(path, harm.dice.randrange(path.stat().st_size + 1))
    harm.model.lose_dead(harm.look().leaders())


@fault("state file deleted", 0.5)
def delete_state(harm: Harm) -> None:
    harm.model.note("state file deleted", harm.model.configured(), "")
    harm.model.forget_entries()
    harm.place.home.state_file.unlink(missing_ok=True)
    harm.model.lose_dead(harm.look().leaders())


@fault("garbage in the state file", 0.5)
def litter_state(harm: Harm) -> None:
    kinds = (b"\x00\xff\xfe garbage\n", b"a\tb\tc\n", b"\n\n\n", b"h\t1\t2\tx\tn\tzz\t-1\n" * 9)
    harm.model.note("garbage in the state file", [], "")
    with suppress(OSError), harm.place.home.state_file.open("ab") as file:
        file.write(harm.dice.choice(kinds))


@fault("a second entry in the state file", 0.3)
def double_entry(harm: Harm) -> None:
    """Another program adds a line with a pid that is nobody's, or a stranger's."""
    victims = harm.victims()
    pid = harm.dice.choice((os.getpid(), 4_194_303, 1))
    harm.model.note("a second entry in the state file", victims, f"pid {pid}")
    for victim in victims:
        spec = victim.spec
        fields = [spec.remote_host, spec.remote_port, spec.local_port, spec.direction.value]
        fields += [spec.name, spec.hash, str(pid)]
        with suppress(OSError), harm.place.home.state_file.open("ab") as file:
            file.write(("\t".join(fields) + "\n").encode())


# -- logs


def _logged(harm: Harm) -> list[Tunnel]:
    return [tunnel for tunnel in harm.victims(2) if harm.place.log(tunnel).exists()]


@fault("log truncated", 0.7)
def truncate_log(harm: Harm) -> None:
    tunnels = _logged(harm)
    harm.model.note("log truncated", tunnels, "")
    for tunnel in tunnels:
        with suppress(OSError):
            os.truncate(harm.place.log(tunnel), 0)


@fault("log deleted", 0.7)
def delete_log(harm: Harm) -> None:
    tunnels = _logged(harm)
    harm.model.note("log deleted", tunnels, "")
    for tunnel in tunnels:
        harm.place.log(tunnel).unlink(missing_ok=True)


@fault("log rotated", 0.7)
def rotate_log(harm: Harm) -> None:
    tunnels = _logged(harm)
    harm.model.note("log rotated", tunnels, "")
    for tunnel in tunnels:
        path = harm.place.log(tunnel)
        with suppress(OSError):
            os.replace(path, f"{path}.1")


@fault("log flooded with escapes", 0.7)
def flood_log(harm: Harm) -> None:
    tunnels = _logged(harm)[:1]
    harm.model.note("log flooded with escapes", tunnels, "")
    for tunnel in tunnels:
        for _ in range(10):
            with suppress(OSError):
                descriptor = os.open(harm.place.log(tunnel), os.O_WRONLY | os.O_APPEND)
                try:
                    os.write(descriptor, (ESCAPES + "flood\n").encode() * 200)
                finally:
                    os.close(descriptor)
            harm.pause(0.05, 0.2)


# -- the configuration


APPLIED = 8.0
"""Seconds, at most, until a change of the file is in force."""


@fault("tunnels removed and added again", 1)
def remove(harm: Harm) -> None:
    with harm.place.file_lock:
        victims = harm.idle(3)
        harm.model.note("tunnels removed and added again", victims, "removed")
        with harm.holding(victims):
            for victim in victims:
                victim.configured = False
            harm.model.ask(victims, Wish.DOWN)
            harm.place.write_config(replace=harm.dice.random() < 0.5)
            harm.pause(APPLIED, APPLIED)
    harm.pause(1, 10)
    with harm.place.file_lock:
        with harm.model.lock:
            for victim in victims:
                victim.configured = True
        harm.model.ask(victims, Wish.UP, PROMPT + 10)
        harm.model.remember(victims, "added again")
        harm.place.write_config(replace=harm.dice.random() < 0.5)


@fault("tunnels changed", 1)
def change(harm: Harm) -> None:
    with harm.place.file_lock:
        victims = harm.idle(2)
        harm.model.note("tunnels changed", victims, "")
        with harm.model.lock:
            fresh = [harm.place.change(victim, harm.dice.randrange(4)) for victim in victims]
            for victim in victims:
                victim.configured = False
            # Changed back to what it was before, it is the tunnel that was removed then.
            again = {tunnel.hash for tunnel in fresh}
            others = [tunnel for tunnel in harm.model.tunnels if tunnel.hash not in again]
            harm.model.tunnels = others + fresh
        harm.model.ask(victims, Wish.DOWN)
        harm.model.ask(fresh, Wish.UP, PROMPT + 10)
        harm.model.remember(fresh, "new")
        harm.place.write_config(replace=harm.dice.random() < 0.5)
        with harm.holding(fresh):
            harm.pause(APPLIED, APPLIED)


@fault("config broken and repaired", 0.6)
def break_config(harm: Harm) -> None:
    with harm.place.file_lock:
        good = harm.place.text()
        kinds = (
            good[: len(good) // 2] + "\n- {name: [\n",
            good + "- name: bad\n  remote_host: -oProxyCommand=x\n",
            good + "  local_port: 99999\n- 7\n",
            "\x00\x01 not yaml: [",
        )
        harm.model.note("config broken and repaired", [], "")
        harm.place.write_config(harm.dice.choice(kinds))
        harm.pause(1, 6)
        harm.place.write_config(good, replace=harm.dice.random() < 0.5)
        harm.pause(APPLIED, APPLIED)


@fault("config written a hundred times", 0.2)
def scribble(harm: Harm) -> None:
    with harm.place.file_lock:
        good = harm.place.text()
        harm.model.note("config written a hundred times", [], "")
        for number in range(100):
            harm.place.write_config(good + f"# {number}\n", replace=number % 2 == 0)
            harm.pause(0.005, 0.02)
        harm.place.write_config(good)

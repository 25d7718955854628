"""Two people start tunnels at the same moment, the same ones or others."""

import socket
import subprocess
from collections.abc import Callable

import pytest

from tests.conftest import Lab
from tests.support.network import DelayingProxy, free_port
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until
from tunnel_tui.settings import MAX_STARTING
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.start.limiter import CONFIRM_TIMEOUT

pytestmark = pytest.mark.process


def test_neither_calls_the_other_one_s_start_a_failure(
    lab: Lab, make_proxy: Callable[..., DelayingProxy]
) -> None:
    far = make_proxy(lab.sshd.port, round_trip=0.15)  # connecting takes two seconds
    lab.home.add_host("far", far.port, StrictHostKeyChecking="accept-new")
    specs = [inward(lab.echo.port, free_port(), name=f"t{n}", host="far") for n in range(3)]
    lab.home.write_config(as_yaml(*specs))
    both = [
        subprocess.Popen(
            lab.home.command("start"),
            env=lab.home.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(lab.home.processes("autossh")) == len(specs)


def test_a_start_does_not_wait_for_all_of_a_batch_that_hangs(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        options = (f"Port={silent.getsockname()[1]}", "ConnectTimeout=300")
        stuck = [
            inward(80, free_port(), name=f"s{n}", ssh_options=options)
            for n in range(5 * MAX_STARTING)
        ]
        good = inward(lab.echo.port, free_port(), name="good")
        lab.home.write_config(as_yaml(*stuck, good))
        batch = subprocess.Popen(
            lab.home.command("start"), env=lab.home.variables, stdout=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: len(lab.home.processes("autossh")) >= MAX_STARTING, 20)
            started = lab.home.cli("start-tunnel", "good", timeout=CONFIRM_TIMEOUT + 10)
            assert started.returncode == 0, started
            entries = StateFile.of(lab.home.settings).read().entries
            before = [entry.name for entry in entries].index("good")
            assert before < 3 * MAX_STARTING  # the entries are in the order of the starts
        finally:
            batch.kill()
            batch.wait()

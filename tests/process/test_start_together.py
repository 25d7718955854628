"""Two people start the same tunnels at the same moment."""

import subprocess
from collections.abc import Callable

import pytest

from tests.conftest import Lab
from tests.support.network import DelayingProxy, free_port
from tests.support.tunnels import as_yaml, inward

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

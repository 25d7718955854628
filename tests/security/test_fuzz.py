"""Short runs of the two fuzzers; `make attack MINUTES=10` runs them longer."""

import os
from pathlib import Path

import pytest

from tests.conftest import need_program
from tests.security import fuzz_local, fuzz_server
from tests.support.sshd import SSHD
from tests.support.users import interpreter

pytestmark = pytest.mark.alone
SEED = 20261127
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users")


def test_texts_of_a_server(tmp_path: Path) -> None:
    assert fuzz_server.run(10_000, SEED, fuzz_server.Reader(tmp_path / "known_hosts")) == 0


@pytest.mark.process
def test_texts_of_a_server_through_ssh() -> None:
    pytest.importorskip("asyncssh")
    need_program("ssh", "ssh-keygen", "autossh")
    assert fuzz_server.run_real(20, SEED) == 0


@as_root
@pytest.mark.process
@pytest.mark.timeout(200)
def test_a_local_user_for_half_a_minute() -> None:
    need_program(SSHD, "ssh", "ssh-keygen", "autossh")
    if not interpreter():
        pytest.skip("no Python that every user may run")
    assert not fuzz_local.fuzz(30.0, SEED)

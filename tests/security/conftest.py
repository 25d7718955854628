"""A machine like any other: a state file and logs in a directory like /tmp, and another user."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Lab
from tests.support import processes
from tests.support.users import User, make_user


@pytest.fixture
def stranger() -> Iterator[User]:
    with make_user() as user:
        yield user


@pytest.fixture
def square(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The lab, with state file and logs in a directory like /tmp."""
    shared = Path(tempfile.mkdtemp(prefix="tt-square-", dir="/tmp"))
    shared.chmod(0o1777)
    lab.home.state_file = shared / "tunnels.state"
    lab.home.log_dir = shared / "logs"
    places = {"AUTOSSH_STATE_FILE": lab.home.state_file, "AUTOSSH_LOG_DIR": lab.home.log_dir}
    for name, path in places.items():
        lab.home.variables[name] = str(path)
        monkeypatch.setenv(name, str(path))
    yield lab
    processes.end(lab.home.processes("ssh", "autossh"))
    subprocess.run(["rm", "-rf", str(shared)], check=True)

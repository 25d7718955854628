"""The real image: what its user can do to root, and its first minute with whoever starts it."""

import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.container.conftest import engine, image, make_container, make_site, site
from tests.container.engine import ROOT, Container, Engine
from tests.container.site import GID, UID, Site
from tests.support.network import EchoService, free_port, passes
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until

__all__ = ["engine", "image", "make_container", "make_site", "site"]

pytestmark = [
    pytest.mark.container,
    # The first one brings up the engine and builds the image.
    pytest.mark.timeout(1000),
    pytest.mark.skipif(os.geteuid() != 0, reason="makes files of other users"),
]

MakeContainer = Callable[..., Container]
TRICKS = Path(__file__).with_name("tricks.py")


@pytest.fixture(scope="session")
def figures() -> dict[str, str]:
    return {}


# --- the container's user against root -----------------------------------------------------------

COMMANDS = (
    "status",
    "list",
    "start",
    "stop",
    "logs",
    "validate",
    "config",
    "cleanup",
    "health",
    "status --long",
)


USERS = ("tmp/", "var/tmp/", "run/lock/", "home/myuser/", f"var/lib/tunnel-tui/{UID}/", "dev/")
"""Where the user may write."""


def of_root(container: Container) -> set[str]:
    """Everything of the image that is not in a place of the user: owner, mode, content."""
    command = ["docker", "export", container.name]
    found = set()
    with (
        subprocess.Popen(
            command, env=container.engine.environment, stdout=subprocess.PIPE
        ) as export,
        tarfile.open(fileobj=export.stdout, mode="r|") as archive,
    ):
        for member in archive:
            if member.name.startswith(USERS):
                continue
            file = archive.extractfile(member) if member.isreg() else None
            digest = hashlib.sha256(file.read()).hexdigest() if file else ""
            owner = f"{member.uid}:{member.gid} {member.mode:o} {member.type!r}"
            found.add(f"{member.name} {owner} {member.linkname} {digest}")
    return found


@pytest.mark.parametrize("seed", range(5))
def test_nothing_the_user_prepares_is_run_or_changed_by_root(
    seed: int, make_container: MakeContainer, engine: Engine, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    for name in ("secret", "config.yaml"):
        (config / name).write_text(as_yaml(inward(free_port(), free_port(), name="t", host="h")))
    (config / "secret").chmod(0o600)
    container = make_container(None, "-v", f"{config}:/etc/autossh/config", command="create")
    engine.run("cp", str(TRICKS), f"{container.name}:/opt/tricks.py")
    container.start()
    container.wait_log("event=watching")
    before = of_root(container)
    told = container.exec("python3", "-I", "/opt/tricks.py", str(seed), user="myuser").stdout
    link = config / "config.yaml"
    if not link.exists() and not link.is_symlink():
        os.link(config / "secret", link)  # where fs.protected_hardlinks does not forbid it
    engine.run("restart", "-t", "2", container.name)
    for where in ("/", "/home/myuser", "/tmp"):
        for command in COMMANDS:
            words = ["tunnel-tui", *command.split()]
            engine.run("exec", "-w", where, container.name, *words, check=False)
    engine.run("restart", "-t", "2", container.name)
    proofs = container.read_stopped("/tmp/proof") or b""
    assert b"0" not in proofs.splitlines(), told
    after = of_root(container)
    assert sorted(after - before) == [], told
    assert sorted(before - after) == [], told
    secret = (config / "secret").stat()
    assert (secret.st_uid, secret.st_mode & 0o7777) == (0, 0o600), told
    container.remove()


def test_no_program_of_the_image_makes_anybody_root(engine: Engine, image: str) -> None:
    command = "find / -xdev -perm /6000; touch /opt/tunnel-tui/x /usr/local/bin/x /etc/x 2>&1"
    done = engine.run(
        "run", "--rm", "--user=1000", "--entrypoint=sh", image, "-c", command, check=False
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3, lines
    assert all("Permission denied" in line for line in lines)


# --- its first minute ----------------------------------------------------------------------------


def reason_of(container: Container, name: str) -> str:
    """What is said of a tunnel that does not run."""

    def told() -> str:
        reason = container.status()[name]["reason"]
        return f"{reason['text']} | {reason['advice']}" if reason else ""

    return str(wait_until(told, 20, container.logs(), 0.3))


def give(path: Path, uid: int) -> None:
    for each in (path, *path.rglob("*")):
        os.chown(each, uid, uid, follow_symlinks=False)


def test_started_by_root_as_the_readme_says(
    site: Site, make_container: MakeContainer, echo: EchoService
) -> None:
    port = free_port()
    site.write(inward(echo.port, port, name="t"))
    give(site.ssh, 1000)
    container = make_container(site, "--restart=always", PUID=0, PGID=0)
    container.wait_running("t")
    assert passes(port)
    assert {process.uid for process in container.processes()} == {1000}
    assert container.logs().count("PUID=0") == 1
    assert site.config.stat().st_uid == 0
    give(site.ssh, 0)  # as /root/.ssh is
    container.exec("tunnel-tui", "stop", check=False)
    container.exec("tunnel-tui", "start", check=False)
    assert "/home/myuser/.ssh belongs to user 0" in reason_of(container, "t")
    assert container.inspect()["RestartCount"] == 0
    container.remove()


def test_ssh_of_another_user_is_named(
    site: Site, make_container: MakeContainer, echo: EchoService
) -> None:
    site.write(inward(echo.port, free_port(), name="t"))
    container = make_container(site, PUID=4321, PGID=4321)
    said = reason_of(container, "t")
    assert f"/home/myuser/.ssh belongs to user {UID} (mode 700), and user 4321 may not" in said
    assert f"PUID={UID}" in container.logs()
    assert "resolve" not in said
    container.remove()


def test_an_include_of_another_user_is_named(
    site: Site, make_container: MakeContainer, echo: EchoService
) -> None:
    site.write(inward(echo.port, free_port(), name="t", host="elsewhere"))
    text = (site.ssh / "config").read_text()
    (site.ssh / "more").write_text("Host elsewhere\n  HostName 127.0.0.1\n")
    (site.ssh / "more").chmod(0o600)
    (site.ssh / "config").write_text(f"Include more\nInclude conf.d/*\n{text}")
    (site.ssh / "conf.d").mkdir(mode=0o700)
    container = make_container(site)
    said = reason_of(container, "t")
    assert f"/home/myuser/.ssh/more belongs to user 0 (mode 600), and user {UID} may not" in said
    for name in ("more", "conf.d"):
        assert f"/home/myuser/.ssh/{name} belongs to user 0" in container.logs()
        assert name in container.exec("tunnel-tui", "validate", check=False).stderr
    container.remove()


def test_the_configuration_keeps_its_owner(
    site: Site, make_container: MakeContainer, echo: EchoService
) -> None:
    port = free_port()
    site.write(inward(echo.port, port, name="t"))
    link = site.config / "second"
    link.write_text("root's\n")
    os.link(link, site.config / "hard")
    give(site.config, 4321)
    os.chown(link, 0, 0)
    container = make_container(site)
    container.wait_running("t")
    assert passes(port)
    owners = {path.name: path.stat().st_uid for path in (site.config, *site.config.iterdir())}
    assert owners == {site.config.name: 4321, "config.yaml": 4321, "second": 0, "hard": 0}
    [line] = [line for line in container.logs().splitlines() if "may not change it" in line]
    assert "belongs to user 4321" in line
    assert f"user {UID}" in line
    site.file.chmod(0o600)
    container.stop()
    container.start()
    container.wait_log(f"config.yaml belongs to user 4321, and user {UID} may not read it")
    container.remove()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--cap-drop=ALL", "start the container with --user 1000, or leave it the capabilities"),
        ("--read-only", "add --tmpfs /tmp"),
        ("--read-only --tmpfs=/tmp", "add -v tunnel-tui:/var/lib/tunnel-tui"),
        ("--read-only -e PUID=4321", "user 4321 gets no name: be user 1000"),
        ("--user=4321", "user 4321 has no name here, and ssh refuses"),
        ("-e PUID=me", "PUID=me: a number"),
        ("-e PGID=-1", "PGID=-1: a number"),
        ("-e TUNNEL_TUI_USER=nobody-here", "there is no such user"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    options: str, sentence: str, engine: Engine, image: str
) -> None:
    done = engine.run("run", "--rm", *options.split(), image, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert sentence in line


@pytest.mark.parametrize(
    "options",
    [
        "--user=1000 --cap-drop=ALL",
        "--cap-drop=ALL --cap-add=SETUID --cap-add=SETGID",
        "--read-only --tmpfs=/tmp -v /var/lib/tunnel-tui",
        "--user=1000 --read-only --tmpfs=/tmp -v /var/lib/tunnel-tui",
    ],
)
def test_what_can_be_simply_works(
    options: str, site: Site, make_container: MakeContainer, echo: EchoService
) -> None:
    port = free_port()
    site.write(inward(echo.port, port, name="t"))
    give(site.ssh, 1000)
    container = make_container(site, *options.split(), PUID=None, PGID=None)
    container.wait_running("t")
    assert passes(port)
    assert {process.uid for process in container.processes()} == {1000}
    assert container.stop() < 5
    container.remove()


def composes(engine: Engine) -> list[list[str]]:
    """The versions of compose that are here."""
    found = [["docker-compose"]] if shutil.which("docker-compose") else []
    if engine.run("compose", "version", check=False).returncode == 0:
        found.append(["docker", "compose"])
    return found


def test_compose_as_the_readme_says(
    site: Site, engine: Engine, image: str, echo: EchoService, tmp_path: Path
) -> None:
    found = composes(engine)
    if not found:
        pytest.skip("docker-compose is not installed")
    name, port = f"tunnel-tui-test-{secrets.token_hex(4)}", free_port()
    site.write(inward(echo.port, port, name="t"))
    home, project = tmp_path / "home", tmp_path / name
    home.mkdir()
    project.mkdir()
    site.ssh.rename(home / ".ssh")
    site.config.rename(project / "config")
    text = (ROOT / "compose.yaml").read_text()
    text = text.replace("image: tunnel-tui", f"image: {image}")
    text = text.replace("container_name: tunnel-tui", f"container_name: {name}")
    (project / "compose.yaml").write_text(text)
    variables = {**engine.environment, "HOME": str(home), "PUID": str(UID), "PGID": str(GID)}
    container = Container(engine, name)
    for compose in found:

        def run(*arguments: str, compose: list[str] = compose) -> None:
            command = [*compose, *arguments]
            done = subprocess.run(
                command, cwd=project, env=variables, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)

        run("up", "-d", "--no-build")
        try:
            container.wait_running("t")
            assert passes(port)
        finally:
            run("down", "-v")


# --- rootless podman -----------------------------------------------------------------------------


class Person(NamedTuple):
    """A user made for the test, with podman and the image."""

    uid: int
    home: Path

    def run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            command,
            user=self.uid,
            group=self.uid,
            extra_groups=[],
            cwd=self.home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "XDG_RUNTIME_DIR": str(self.home / "run"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def podman(self, *arguments: str, check: bool = True) -> str:
        done = self.run("podman", *arguments, check=check)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def person(engine: Engine, image: str) -> Iterator[Person]:
    if not (shutil.which("podman") and shutil.which("newuidmap")):
        pytest.skip("podman and uidmap are not installed")
    name = f"ttp{secrets.token_hex(3)}"
    subprocess.run(["useradd", "--create-home", name], check=True)
    account = pwd.getpwnam(name)
    made = Person(account.pw_uid, Path(account.pw_dir))
    (made.home / "run").mkdir(mode=0o700)
    os.chown(made.home / "run", made.uid, made.uid)
    archive = made.home / "image.tar"
    try:
        engine.run("save", "-o", str(archive), image, timeout=300)
        archive.chmod(0o644)
        made.podman("load", "-i", str(archive))
        yield made
        made.podman("unshare", "rm", "-rf", str(made.home / ".local"), check=False)
        made.podman("system", "migrate", check=False)  # ends the process that holds the namespace
    finally:
        subprocess.run(["userdel", "--force", "--remove", name], check=False, capture_output=True)


RUNTIME = ("--runtime", "runc") if shutil.which("runc") else ()
"""Another one may not like the machine's control groups; the image has nothing to do with that."""


@pytest.mark.parametrize(
    "options",
    [
        "--userns=keep-id:uid=1000,gid=1000",
        "-e PUID=4321",
        "-e PUID=0",
        "",
        "--userns=keep-id --user=root -e PUID={uid}",
    ],
)
def test_rootless_podman(
    options: str, person: Person, image: str, site: Site, echo: EchoService
) -> None:
    port = free_port()
    site.write(inward(echo.port, port, name="t"))
    for path, name in ((site.ssh, ".ssh"), (site.config, "config")):
        place = person.home / name
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(path, place)
        give(place, person.uid)
    (person.home / ".ssh").chmod(0o700)
    name = f"tunnel-tui-test-{secrets.token_hex(4)}"
    mounts = ("-v", f"{person.home}/.ssh:/home/myuser/.ssh:ro")
    mounts += ("-v", f"{person.home}/config:/etc/autossh/config")
    words = options.format(uid=person.uid).split()
    mounts += ("-v", f"{name}:/var/lib/tunnel-tui")
    flags = ("-d", *RUNTIME, "--name", name, "--network", "host", *words, *mounts)
    person.podman("run", *flags, f"localhost/{image}")
    try:
        wait_until(lambda: passes(port, timeout=1), 30, person.podman("logs", name), interval=0.3)
        for path in (person.home / "config", person.home / ".ssh"):
            assert {each.stat().st_uid for each in (path, *path.rglob("*"))} == {person.uid}
        status = person.podman("exec", name, "tunnel-tui", "status")
        assert "RUNNING" in status
        caps = person.podman("exec", name, "grep", "CapEff", "/proc/1/status")
        assert caps.split()[-1].strip("0") == ""
    finally:
        person.podman("rm", "-f", "-t", "3", name, check=False)
        person.podman("volume", "rm", name, check=False)

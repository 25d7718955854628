"""compose.yaml, kubernetes.yaml and the systemd units: run as they say."""

import configparser
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Lab
from tests.container.engine import ROOT, Container, option_list
from tests.container.site import GID, IS_ROOT, UID, Site
from tests.support.network import EchoService, free_port, passes
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until

MakeContainer = Callable[..., Container]


def test_compose(site: Site, make_container: MakeContainer, echo: EchoService) -> None:
    service: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][
        "tunnel-tui"
    ]
    assert service["network_mode"] == "host"
    assert service["restart"] == "always"
    targets = [volume.split(":", 1) for volume in service["volumes"]]
    assert ["~/.ssh", "/home/myuser/.ssh:ro"] in targets
    assert ["./config", "/etc/autossh/config:rw"] in targets
    options = [
        f"--restart={service['restart']}",
        *option_list(service["cap_drop"], "--cap-drop"),
        *option_list(service["cap_add"], "--cap-add"),
        *option_list(service["security_opt"], "--security-opt"),
        # An anonymous volume in place of the named one.
        "-v",
        next(target for source, target in targets if source == "state"),
    ]
    spec = inward(echo.port, free_port(), name="composed")
    site.write(spec)
    container = make_container(site, *options)
    container.wait_running("composed")
    assert container.cli("health").startswith("healthy")
    assert container.watcher().uid == UID
    assert container.mode(f"/var/lib/tunnel-tui/{UID}/tunnel-tui") == f"700 {UID}:{GID}"
    assert container.stop() < 5
    assert container.inspect()["State"]["ExitCode"] == 0
    container.remove()


def test_kubernetes(
    make_site: Callable[[], Site], make_container: MakeContainer, echo: EchoService, tmp_path: Path
) -> None:
    documents = list(yaml.safe_load_all((ROOT / "docker" / "kubernetes.yaml").read_text()))
    kinds = {document["kind"]: document for document in documents}
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    [box] = pod["containers"]
    user, group = pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]
    site = make_site()
    ports = [free_port(), free_port()]
    specs = [inward(echo.port, port, name=f"pod-{port}") for port in ports]
    site.publish("v1", specs[0])
    # A Secret's files are root's, and the group of fsGroup may read them.
    for path in (site.ssh, *site.ssh.iterdir()):
        if IS_ROOT:
            os.chown(path, 0, pod["securityContext"]["fsGroup"])
            path.chmod(0o750 if path.is_dir() else 0o440)
    options = [
        f"--user={user}:{group}",
        *option_list(box["securityContext"]["capabilities"]["drop"], "--cap-drop"),
        "--security-opt=no-new-privileges",
        "--read-only",
    ]
    assert box["securityContext"]["readOnlyRootFilesystem"] is True
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in box["volumeMounts"]:
        kind = next(key for key in volumes[mount["name"]] if key != "name")
        target = mount["mountPath"]
        source = {"configMap": site.config, "secret": site.ssh}.get(kind)
        if source is None:  # an emptyDir
            source = tmp_path / mount["name"]
            source.mkdir()
            if IS_ROOT:
                os.chown(source, 0, group)
            source.chmod(0o2777)
        options += ["-v", f"{source}:{target}{':ro' if mount.get('readOnly') else ''}"]
    container = make_container(None, *options, PUID=None, PGID=None)
    probe = box["readinessProbe"]["exec"]["command"]
    assert probe == ["tunnel-tui", "health"]
    container.exec("tunnel-tui", "wait", "--timeout", "30")
    assert container.exec(*probe).returncode == 0
    before = container.pids()
    site.publish("v2", *specs)
    wait_until(lambda: passes(ports[1], timeout=1), 20, container.logs(), 0.2)
    wait_until(lambda: container.exec(*probe, check=False).returncode == 0, 10, interval=0.2)
    assert container.pids()[specs[0].name] == before[specs[0].name]
    assert all(p.uid == user for p in container.processes())
    assert container.stop() < 5
    container.remove()


@pytest.mark.parametrize("unit", ["tunnel-tui.service", "user/tunnel-tui.service"])
def test_unit(unit: str, lab: Lab, tmp_path: Path) -> None:
    path = ROOT / "docker" / "systemd" / unit
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    service = parser["Service"]
    program, *arguments = service["ExecStart"].split()
    assert os.path.basename(program) == "tunnel-tui"
    assert service["ExecReload"].split() == ["/bin/kill", "-HUP", "$MAINPID"]
    port = free_port()
    spec = inward(lab.echo.port, port, name="unit")
    lab.home.write_config(as_yaml(spec))
    with (tmp_path / "journal").open("w") as journal:
        daemon = subprocess.Popen(
            lab.home.command(*arguments),
            env=lab.home.variables,
            stdin=subprocess.DEVNULL,
            stdout=journal,
            stderr=journal,
        )
    try:
        wait_until(lambda: passes(port, timeout=1), 20, interval=0.1)
        second = inward(lab.echo.port, free_port(), name="second")
        lab.home.write_config(as_yaml(spec, second))
        daemon.send_signal(signal.SIGHUP)
        wait_until(
            lambda: passes(int(second.local_port.split(":")[1]), timeout=1), 20, interval=0.1
        )
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(float(service["TimeoutStopSec"])) == 0
    finally:
        daemon.kill()
        daemon.wait()
    assert not lab.home.processes("autossh", "ssh")
    assert lab.home.state_file.read_bytes() == b""


def test_units_are_understood_by_systemd(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    for unit in ("tunnel-tui.service", "user/tunnel-tui.service"):
        text = (ROOT / "docker" / "systemd" / unit).read_text()
        assert "PrivateTmp=yes" not in text  # the state file is shared in /tmp
        if not analyze:
            continue
        copy = tmp_path / "tunnel-tui.service"
        copy.write_text(
            text.replace("%h/.local/bin/tunnel-tui", "/usr/local/bin/tunnel-tui").replace(
                "/usr/local/bin/tunnel-tui", sys.executable
            )
        )
        done = subprocess.run(
            [analyze, "verify", copy], capture_output=True, text=True, check=False
        )
        assert "tunnel-tui.service:" not in done.stderr, done.stderr

"""Making specs and looking at tunnels, for tests of the engine."""

import json
from typing import Any

from tests.support.home import Home
from tunnel_tui.model import Direction, State, TunnelSpec, TunnelStatus, tunnel_hash
from tunnel_tui.observe.observer import Observer


def make_spec(
    remote_port: int | str,
    local_port: int | str,
    *,
    name: str = "web",
    host: str = "server",
    direction: Direction = Direction.REMOTE_TO_LOCAL,
    **values: Any,
) -> TunnelSpec:
    """A spec; a bare port number means 127.0.0.1 (one family only, so that tests are exact)."""
    remote = f"127.0.0.1:{remote_port}" if isinstance(remote_port, int) else remote_port
    local = f"127.0.0.1:{local_port}" if isinstance(local_port, int) else local_port
    interactive = "true" if values.get("interactive") else "false"
    digest = tunnel_hash(name, host, remote, local, direction.value, interactive)
    spec = TunnelSpec(name, host, remote, local, direction, False, digest)
    return spec._replace(**values)


def inward(service: int, listener: int, **values: Any) -> TunnelSpec:
    """`-L`: listen here at `listener`, come out at `service` behind the server."""
    return make_spec(service, listener, **values)


def outward(service: int, listener: int, **values: Any) -> TunnelSpec:
    """`-R`: listen at the server at `listener`, come out at `service` here."""
    return make_spec(listener, service, direction=Direction.LOCAL_TO_REMOTE, **values)


def as_yaml(*specs: TunnelSpec) -> str:
    """Write specs as a configuration file."""
    text = "tunnels:\n" if specs else "tunnels: []\n"
    for spec in specs:
        text += f"- name: {spec.name}\n  remote_host: {spec.remote_host}\n"
        text += f"  remote_port: {spec.remote_port!r}\n  local_port: {spec.local_port!r}\n"
        text += f"  direction: {spec.direction.value}\n"
        if spec.interactive:
            text += "  interactive: true\n"
        if spec.ssh_options:
            text += f"  ssh_options: {json.dumps(spec.ssh_options)}\n"
    return text


def status_of(home: Home, spec: TunnelSpec) -> TunnelStatus:
    """What is true of one tunnel, seen by somebody who looks for the first time."""
    statuses = Observer(home.settings).observe([spec])
    return next(status for status in statuses if status.spec.hash == spec.hash)


def state_of(home: Home, spec: TunnelSpec) -> State:
    """The state of one tunnel."""
    return status_of(home, spec).state

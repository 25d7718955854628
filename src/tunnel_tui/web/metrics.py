"""Prometheus: state, uptime, reconnects, round trip time and bytes of every tunnel."""

import time
from collections.abc import Callable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tunnel_tui.model import State, TunnelStatus
from tunnel_tui.web.tunnels import Tunnels

_LABELS = ("name", "hash")
_PREFIX = "tunnel_tui_"


class Metrics(Collector):
    """Looks at the tunnels each time it is asked; nothing is kept in between."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, tunnels: Tunnels, sessions: Callable[[], int]) -> None:
        self._tunnels = tunnels
        self._sessions = sessions
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """Write the metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        """Name nothing in advance, so that registering does not look at the tunnels."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Look, and tell."""
        config, statuses = self._tunnels.observe(traffic=True)
        yield _gauge("config_valid", "1 if the configuration has no mistakes", config.valid)
        yield _gauge("browser_sessions", "Sessions in browsers that are open", self._sessions())
        yield from _of_tunnels(statuses, time.time())


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, help_text, value=float(value))


def _of_tunnels(statuses: list[TunnelStatus], now: float) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        _PREFIX + "tunnel_state", "1 for the state the tunnel is in", labels=(*_LABELS, "state")
    )
    up = GaugeMetricFamily(_PREFIX + "tunnel_up", "1 if traffic passes", labels=_LABELS)
    uptime = GaugeMetricFamily(
        _PREFIX + "tunnel_uptime_seconds", "Seconds since the tunnel stands", labels=_LABELS
    )
    reconnects = CounterMetricFamily(
        _PREFIX + "tunnel_reconnects", "Connections made again since the start", labels=_LABELS
    )
    rtt = GaugeMetricFamily(
        _PREFIX + "tunnel_rtt_seconds", "Round trip time to the host, smoothed", labels=_LABELS
    )
    sent = CounterMetricFamily(
        _PREFIX + "tunnel_sent_bytes", "Bytes sent over this connection", labels=_LABELS
    )
    received = CounterMetricFamily(
        _PREFIX + "tunnel_received_bytes", "Bytes received over this connection", labels=_LABELS
    )
    for status in statuses:
        names = (_clean(status.spec.name), _clean(status.spec.hash))
        running = status.state is State.RUNNING
        for each in State:
            state.add_metric((*names, each.value), float(each is status.state))
        up.add_metric(names, float(running))
        since = status.since if running and status.since else now
        uptime.add_metric(names, max(0.0, now - since))
        reconnects.add_metric(names, status.reconnects)
        if status.traffic is not None:
            rtt.add_metric(names, status.traffic.rtt)
            sent.add_metric(names, status.traffic.sent)
            received.add_metric(names, status.traffic.received)
    yield from (state, up, uptime, reconnects, rtt, sent, received)


def _clean(text: str) -> str:
    """Make a label that can be written as UTF-8, whatever a state file says."""
    return text.encode("utf-8", "replace").decode()

"""The configuration that is in force, and the way a newer one comes into force."""

import time
from collections.abc import Callable

from tunnel_tui.config.config import Config
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Outcome, TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.supervise.actions.apply import apply_plan, plan_changes
from tunnel_tui.supervise.actions.lifecycle import stop_tunnels
from tunnel_tui.supervise.monitor.stable_read import fingerprint, is_other, read_settled
from tunnel_tui.supervise.process import stop_requests
from tunnel_tui.supervise.watch.event_log import EventLog
from tunnel_tui.supervise.watch.event_reporter import named
from tunnel_tui.supervise.watch.retry import RetryPolicy
from tunnel_tui.supervise.watch.start_queue import Job, StartQueue

_RETRY = 5.0
"""Seconds until another try where a configuration could not be put into force."""
_HALT = 3.0
"""Seconds to wait for a start that is under way."""


class Reconciler:
    """Puts the newest good configuration into force; a broken one changes nothing.

    What did not change is not touched: neither what runs, nor what somebody has stopped, nor what
    waits for a person.

    Attributes:
        retry_at: when to try again, on the steady clock; None: there is no need.
    """

    def __init__(
        self,
        settings: Settings,
        log: EventLog,
        starter: StartQueue,
        reviver: RetryPolicy,
        pause: Callable[[float], bool],
    ) -> None:
        self.retry_at: float | None = None
        self._settings = settings
        self._log = log
        self._starter = starter
        self._reviver = reviver
        self._pause = pause
        self._config: Config | None = None
        self._judged: tuple[str, ...] | None = None
        self._dirty = False
        self._all = False
        self._adopting = False
        self._retry_all = False
        self._failure = ""

    def adopt(self) -> None:
        """Take the file as it is for what is in force, without touching anything."""
        self._adopting = self._dirty = True

    def demand_all(self) -> None:
        """Read the file and start everything in it that does not run; from any thread."""
        self._all = True

    def notice(self, newest: Config) -> None:
        """Take note of what the file was at a moment."""
        if fingerprint(newest) != self._judged:
            self._dirty = True

    def enforce(self) -> None:
        """Put the file into force if it has changed or somebody has asked for it."""
        if self.retry_at is not None and time.monotonic() >= self.retry_at:
            self._dirty = True
            self._all |= self._retry_all
        while self._dirty or self._all:
            demanded, self._all, self._dirty = self._all, False, False
            self.retry_at, self._retry_all = None, False
            config = self._read()
            if config is None:
                return
            try:
                self._judge(config, demanded)
            except (TunnelTuiError, OSError) as error:
                self._put_off(error, demanded)
                return
            # Whatever was written while we were at it counts as well.
            self._dirty |= is_other(config, self._settings.config_file)

    def _put_off(self, error: Exception, demanded: bool) -> None:
        if str(error) != self._failure:
            self._failure = str(error)
            self._log.error("config-not-applied", detail=error)
        self._judged = None
        self.retry_at, self._retry_all = time.monotonic() + _RETRY, demanded

    def _read(self) -> Config | None:
        in_force = self._config
        return read_settled(
            self._settings.config_file,
            self._settings.direction_mode,
            self._pause,
            time.monotonic,
            had_tunnels=bool(in_force and in_force.tunnels),
        )

    def _judge(self, config: Config, demanded: bool) -> None:
        before, self._judged = self._judged, fingerprint(config)
        if not config.valid:
            if before != self._judged or demanded:
                self._report_broken(config)
            return
        if not demanded and self._config and self._config.text_digest == config.text_digest:
            if before != self._judged:
                self._log.info("config-restored", file=config.file)
            return
        if self._adopting:
            self._adopting = False
            self._config = config
            self._log.info("adopted", file=config.file, tunnels=len(config.tunnels))
            return
        self._apply(config, demanded)
        self._failure = ""

    def _report_broken(self, config: Config) -> None:
        fatal = [problem for problem in config.problems if problem.fatal]
        self._log.error(
            "config-broken", file=config.file, mistakes=len(fatal), detail="what runs stays"
        )
        for problem in fatal[:10]:
            self._log.error("mistake", detail=problem)

    def _apply(self, config: Config, everything: bool) -> None:
        """Stop what is gone, start what is new, restart what is another now."""
        self._starter.pause(_HALT)
        asked = stop_requests.now()  # who stops one of them while others are being stopped means it
        try:
            self._starter.keep(config.tunnels)
            plan = plan_changes(self._settings, config.tunnels)
            known = {} if everything else self._essences()
            begin = [spec for spec in plan.start if known.get(spec.hash) != _essence(spec)]
            riding = tuple(spec for spec in begin if spec.interactive)
            now = plan._replace(start=riding, restart=(), keep=(), login=())
            self._say(config, plan._replace(start=tuple(begin)).summary())
            self._report(apply_plan(self._settings, now, wait=0.0))
            stopped = stop_tunnels(
                self._settings, [spec.hash for spec in plan.restart], asked=asked
            )
            self._report(stopped)
            stuck = {outcome.hash for outcome in stopped if not outcome.ok}
            starts = [*plan.restart, *(spec for spec in begin if not spec.interactive)]
            self._reviver.forget(spec.hash for spec in starts)
            self._starter.put((Job(spec) for spec in starts if spec.hash not in stuck), asked)
            self._config = config
        finally:
            self._starter.resume()

    def _essences(self) -> dict[str, TunnelSpec]:
        tunnels = self._config.tunnels if self._config else ()
        return {spec.hash: _essence(spec) for spec in tunnels}

    def _say(self, config: Config, summary: str) -> None:
        self._log.info("config", file=config.file, tunnels=len(config.tunnels), plan=summary)
        for problem in config.problems:
            self._log.warning("config-warning", detail=problem)

    def _report(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            spec = named(outcome)
            if not outcome.ok:
                self._log.error("failed", spec, detail=outcome.message, advice=outcome.advice)
            elif outcome.verb not in ("kept", "not running"):
                self._log.info(outcome.verb.replace(" ", "-"), spec, detail=outcome.message)


def _essence(spec: TunnelSpec) -> TunnelSpec:
    """Leave away what does not change how a tunnel runs."""
    return spec._replace(group="", description="", check="", line=0)

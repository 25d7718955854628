"""What applying the configuration would do, worked out only when something has changed."""

from tunnel_tui.config.plan import Plan, make_plan
from tunnel_tui.model import UP, TunnelEntry, TunnelSpec, TunnelStatus
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.command import same_command
from tunnel_tui.supervise.monitor.config_file import ConfigFile


class PendingPlan:
    """Compares the file with what runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key: object = None
        self._plan: Plan | None = None
        self._same: dict[tuple[TunnelSpec, TunnelEntry], bool] = {}

    def plan(
        self,
        configuration: ConfigFile,
        entries: tuple[TunnelEntry, ...],
        statuses: tuple[TunnelStatus, ...],
    ) -> Plan | None:
        """Say what applying would do; None: nothing to offer.

        A tunnel that a person has stopped is no reason to offer a start; a file that has changed
        is, and so is a process that the file does not want (any more).
        """
        if configuration.broken is not None or not configuration.good.text_digest:
            return None
        alive = {(status.spec.hash, status.pid) for status in statuses if status.state in UP}
        key = (configuration.good.text_digest, configuration.changed, entries, frozenset(alive))
        if key == self._key:
            return self._plan
        compared: dict[tuple[TunnelSpec, TunnelEntry], bool] = {}

        def same(spec: TunnelSpec, entry: TunnelEntry) -> bool:
            known = self._same.get((spec, entry))
            if known is None:
                known = same_command(self._settings, spec, entry)
            compared[spec, entry] = known
            return known

        plan = make_plan(
            configuration.good.tunnels,
            entries,
            lambda entry: (entry.hash, entry.pid) in alive,
            same,
        )
        self._same = compared  # each start makes another entry: only the last ones are kept
        if plan.empty:
            configuration.settle()
        wanted = configuration.changed or plan.stop or plan.restart
        self._key = key
        self._plan = plan if wanted and not plan.empty else None
        return self._plan

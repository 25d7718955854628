"""What a command is given: its arguments, where things are, and where to print."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tunnel_tui.cli.arguments import Arguments
from tunnel_tui.cli.output import Output
from tunnel_tui.errors import ConfigError
from tunnel_tui.settings import Settings, load_settings

if TYPE_CHECKING:
    from tunnel_tui.config.config import Config
    from tunnel_tui.state.state_file import StateRead


class Context:
    """One run of one command. Settings and configuration are read when first asked for."""

    def __init__(
        self, arguments: Arguments, environment: Mapping[str, str], output: Output
    ) -> None:
        self.arguments = arguments
        self.environment = environment
        self.output = output
        self._settings: Settings | None = None
        self._config: Config | None = None

    @property
    def settings(self) -> Settings:
        """The paths: option before environment before default.

        Raises:
            TunnelTuiError: a variable of the environment is not understood.
        """
        if self._settings is None:
            given = self.arguments.named
            self._settings = load_settings(
                self.environment, given("--config"), given("--ssh-config"), given("--state-file")
            )
        return self._settings

    @property
    def config(self) -> "Config":
        """The configuration as it is, mistakes included."""
        if self._config is None:
            from tunnel_tui.config.load import load_config

            given = self.settings
            self._config = load_config(given.config_file, given.direction_mode)
        return self._config

    def good_config(self) -> "Config":
        """Return the configuration if it may decide what runs.

        Raises:
            ConfigError: it has mistakes; each has been printed.
        """
        config = self.config
        if config.valid:
            return config
        self.report_problems(warnings=False)
        raise ConfigError(
            "nothing was changed", "the configuration has mistakes", "correct them and try again"
        )

    def report_problems(self, *, warnings: bool) -> int:
        """Print the configuration's mistakes, one line each; return how many are fatal."""
        fatal = 0
        for problem in self.config.problems:
            if problem.fatal:
                fatal += 1
                self.output.error(str(problem))
            elif warnings:
                self.output.warning(str(problem))
        return fatal

    def warn_of_state_file(self, state: "StateRead") -> None:
        """Say what is wrong with the state file: unreadable, or lines that nobody can act on."""
        if state.problem:
            self.output.warning(f"state file: {state.problem}")
        if bad := len(state.malformed) + len(state.duplicates):
            self.output.warning(
                f"state file: {bad} unusable line{'s' if bad > 1 else ''}"
                " (tunnel-tui cleanup repairs it)"
            )

    def warn_if_broken(self) -> None:
        """Say in one line that the configuration has mistakes, where it is not the subject."""
        config = self.config
        if config.valid:
            return
        fatal = [problem for problem in config.problems if problem.fatal]
        more = f" (and {len(fatal) - 1} more; see tunnel-tui validate)" if len(fatal) > 1 else ""
        self.output.warning(f"configuration: {fatal[0] if fatal else config.file}{more}")

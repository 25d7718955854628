"""What the keys for the configuration do: edit, add, change, apply."""

import os

from textual.app import SuspendNotSupported

from tunnel_tui.config.backups import backup
from tunnel_tui.config.load import Config, load_config, read_bytes
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Problem
from tunnel_tui.tui import editor
from tunnel_tui.tui.notices import count, mistakes, plan_consequences, plan_summary
from tunnel_tui.tui.present import clean
from tunnel_tui.tui.screens.actions import Actions
from tunnel_tui.tui.screens.mistakes import Mistakes


class ConfigActions(Actions):
    """What the main screen adds for the configuration."""

    @property
    def _path(self) -> str:
        return self.context.settings.config_file

    # The editor ------------------------------------------------------------------------------

    def action_edit(self) -> None:
        """Open the file in the person's editor, at the selected tunnel."""
        row = self.selected
        snapshot = self.context.snapshot
        line = row.status.spec.line if row and row.status.configured else 0
        if snapshot is not None and snapshot.broken is not None:
            line = next((p.line for p in snapshot.broken.problems if p.fatal), line)
        self._edit(line)

    def _edit(self, line: int) -> None:
        before = _bytes_of(self._path)
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            command = editor.editor_command(editor.find_editor(os.environ), self._path, line)
            with self.app.suspend():
                status = editor.run_editor(command)
        except SuspendNotSupported:
            self.refuse("No editor here", "this is no terminal of its own: n adds, E changes")
            return
        except OSError as error:
            self.refuse("Cannot edit", f"{error.filename}: {error.strerror}")
            return
        except TunnelTuiError as error:
            self.refuse(error.title, "\n".join(filter(None, (error.detail, error.advice))))
            return
        self.app.refresh(layout=True)
        self._take_edit(before, status)

    def _take_edit(self, before: bytes | None, status: int) -> None:
        """Look at what the editor left behind."""
        self.context.engine.poke()
        after = _bytes_of(self._path)
        if status:
            text = f"it ended with exit code {status}"
            self.notify(text, title="The editor", severity="warning", markup=False)
        config = load_config(self._path, self.context.settings.direction_mode)
        if after is not None and not config.valid:
            self.show_mistakes(config.problems)
        elif after == before:
            self.notify("the file is as it was", markup=False, timeout=3)
        else:
            self._tell_of_save(config, _keep(self._path, before))

    def _tell_of_save(self, config: Config, kept: str) -> None:
        warnings = [problem for problem in config.problems if not problem.fatal]
        lines = [f"line {p.line}: {clean(p.key)} {clean(p.message)}" for p in warnings[:3]]
        if kept:
            lines.append(f"before: {clean(kept)}")
        title = f"Saved: {count(len(config.tunnels), 'tunnel')}"
        severity = "warning" if warnings else "information"
        self.notify("\n".join(lines) or " ", title=title, severity=severity, markup=False)  # type: ignore[arg-type]

    def show_mistakes(self, problems: tuple[Problem, ...]) -> None:
        """List mistakes of the file; from there, a key leads into the editor."""
        first = next((p.line for p in problems if p.fatal), problems[0].line if problems else 0)

        def decide(edit: bool | None) -> None:
            if edit:
                self._edit(first)

        text = (_bytes_of(self._path) or b"").decode(errors="replace")
        self.app.push_screen(Mistakes(self._path, problems, text), decide)

    # The plan --------------------------------------------------------------------------------

    def action_plan(self) -> None:
        """Apply a changed config; show its mistakes if it has some."""
        snapshot = self.context.snapshot
        if snapshot is None:
            return
        plan = snapshot.plan
        if snapshot.broken is None and plan is not None and not plan.empty:
            total = len(plan.start) + len(plan.stop) + len(plan.restart)
            specs = self._specs()
            if not (plan.stop or plan.restart):
                self.context.operations.apply(specs, total)
                return
            self._ask(
                f"Apply the config: {plan_summary(plan)}?",
                plan_consequences(plan),
                "apply",
                lambda: self.context.operations.apply(specs, total),
            )
        elif mistakes(snapshot):
            self.show_mistakes(mistakes(snapshot))
        else:
            self.refuse("Nothing to apply", "what runs agrees with the config")


def _bytes_of(path: str) -> bytes | None:
    try:
        return read_bytes(path)
    except OSError:
        return None


def _keep(path: str, before: bytes | None) -> str:
    """Keep the file as it was before; "" where that is not possible or there was none."""
    try:
        return backup(path, before) if before is not None else ""
    except (OSError, TunnelTuiError):
        return ""

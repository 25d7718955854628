"""What the keys for the configuration do: edit, add, change, apply."""

import os
from collections.abc import Callable

from textual import on
from textual.app import SuspendNotSupported

from tunnel_tui.config.backups import backup
from tunnel_tui.config.config import Config
from tunnel_tui.config.edit import Edited, add_tunnels, delete_tunnel
from tunnel_tui.config.load import load_config, read_bytes
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import UP, Problem, TunnelSpec
from tunnel_tui.ssh.config_files import configured_forwards
from tunnel_tui.system.borrowed import rights_of_owner
from tunnel_tui.tui.config import editor
from tunnel_tui.tui.config.import_forwards import TakeOver, find_candidates
from tunnel_tui.tui.config.mistakes import Mistakes
from tunnel_tui.tui.config.plan import PlanScreen
from tunnel_tui.tui.config.tunnel_form import Purpose, TunnelForm
from tunnel_tui.tui.format.text import clean
from tunnel_tui.tui.shell.header_notice import count, mistakes
from tunnel_tui.tui.shell.messages import ConfigWritten
from tunnel_tui.tui.table.empty import SAMPLE
from tunnel_tui.tui.tunnels.actions import Actions


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

    def action_write_sample(self) -> None:
        """Write a sample, in which nothing is in force yet, and open it."""
        try:
            with rights_of_owner(self._path):
                os.makedirs(os.path.dirname(self._path), exist_ok=True)
                with open(self._path, "x", encoding="utf-8") as file:
                    file.write(SAMPLE)
        except (OSError, TunnelTuiError) as error:
            self.refuse("Cannot write a sample", clean(str(error)))
            return
        self.context.engine.poke()
        self._edit(0)

    # Forms -----------------------------------------------------------------------------------

    def action_add(self) -> None:
        """Fill in a new tunnel."""
        self._open_form(Purpose.ADD)

    def action_change(self) -> None:
        """Change the selected tunnel in the file."""
        self._open_form(Purpose.CHANGE)

    def action_duplicate(self) -> None:
        """Make another tunnel like the selected one."""
        self._open_form(Purpose.DUPLICATE)

    def _newest(self) -> Config | None:
        """The file as it is, if it can be changed; says why not."""
        snapshot = self.context.snapshot
        if snapshot is not None and snapshot.broken is None and snapshot.config.text_digest:
            return snapshot.config
        config = load_config(self._path, self.context.settings.direction_mode)
        if config.valid or (not config.text_digest and not os.path.exists(self._path)):
            return config
        self.show_mistakes(config.problems)
        return None

    def _configured_spec(self, what: str) -> TunnelSpec | None:
        row = self.selected
        if row is None:
            self.refuse(f"Cannot {what}", "no tunnel is selected")
        elif not row.status.configured:
            self.refuse(f"Cannot {what} {clean(row.status.spec.name)}", "it is not in the config")
        else:
            return row.status.spec
        return None

    def _open_form(self, purpose: Purpose) -> None:
        original = None
        if purpose is not Purpose.ADD:
            original = self._configured_spec(purpose.value.lower())
            if original is None:
                return
        config = self._newest()
        if config is None:
            return
        original = config.by_hash().get(original.hash, original) if original else None
        context = self.context
        form = TunnelForm(context.settings, context.glyphs, purpose, config, original)
        self.app.push_screen(form, self._take_form)

    def _take_form(self, edited: Edited | None) -> None:
        if edited is None or edited.tunnel is None:
            return
        self.context.engine.poke()
        name = clean(edited.tunnel.name)
        lines = [f"before: {clean(edited.backup)}"] if edited.backup else []
        self.notify("\n".join(lines) or " ", title=f"Saved {name}", markup=False)

    def action_delete(self) -> None:
        """Take the selected tunnel out of the file, after asking."""
        spec = self._configured_spec("delete")
        config = self._newest() if spec is not None else None
        row = self.selected
        if spec is None or config is None or row is None:
            return
        state = row.status.state
        lines = [f"line {spec.line} of {clean(self._path)}; comments around it stay."]
        if state in UP:
            watcher = bool(self.context.snapshot and self.context.snapshot.watcher)
            when = "the watcher stops it at once" if watcher else "it runs on until p applies that"
            lines.insert(0, f"It is {state.value}: {when}.")
        else:
            lines.insert(0, f"It is {state.value}: nothing that runs is touched.")
        digest = config.text_digest
        self._ask(
            f"Delete {clean(spec.name)} from the config?",
            lines,
            "delete",
            lambda: self._delete(spec, digest),
        )

    def _delete(self, spec: TunnelSpec, digest: str) -> None:
        def work() -> str:
            return delete_tunnel(self._path, spec.hash, digest).backup

        name = clean(spec.name)
        self._write(work, f"Deleted {name}", f"{name} is not deleted")

    # Forwards of the ssh config ----------------------------------------------------------------

    def action_import(self) -> None:
        """Choose from the forwards in the ssh configuration."""
        path, mode = self.context.settings.ssh_config_file, self.context.settings.direction_mode
        config = self._newest()
        if config is None:
            return
        candidates = find_candidates(configured_forwards(path), config.tunnels, mode)
        if not candidates:
            why = f"no LocalForward or RemoteForward of a named Host in {clean(path)}"
            self.refuse("Nothing to take over", why)
            return
        digest = config.text_digest

        def decide(chosen: list[dict[str, str]] | None) -> None:
            if chosen:
                self._take_over(chosen, digest)

        self.app.push_screen(TakeOver(path, candidates, mode, self.context.glyphs), decide)

    def _take_over(self, chosen: list[dict[str, str]], digest: str) -> None:
        title = f"{count(len(chosen), 'tunnel')} added"

        def work() -> str:
            return add_tunnels(self._path, chosen, digest).backup

        self._write(work, title, f"{count(len(chosen), 'tunnel')} not added")

    # Writing ---------------------------------------------------------------------------------

    def _write(self, work: Callable[[], str], done: str, failed: str) -> None:
        """Write the file in a worker; `work` returns where it is kept as it was."""

        def run() -> None:
            try:
                self.post_message(ConfigWritten(done, work()))
            except TunnelTuiError as problem:
                lines = (problem.title, problem.detail, problem.advice)
                self.post_message(ConfigWritten(failed, "", "\n".join(filter(None, lines))))

        self.run_worker(run, thread=True, exit_on_error=False)

    @on(ConfigWritten)
    def _tell_of_writing(self, event: ConfigWritten) -> None:
        self.context.engine.poke()
        if event.error:
            text = "\n".join(clean(line) for line in event.error.splitlines())
            self.notify(text, title=event.title, severity="error", markup=False)
        else:
            text = f"before: {clean(event.backup)}" if event.backup else clean(self._path)
            self.notify(text, title=event.title, markup=False)

    # The plan --------------------------------------------------------------------------------

    def action_plan(self) -> None:
        """Apply a changed config; show its mistakes if it has some."""
        snapshot = self.context.snapshot
        if snapshot is None:
            return
        plan = snapshot.plan
        if snapshot.broken is None and plan is not None and not plan.empty:
            total = len(plan.start) + len(plan.stop) + len(plan.restart)

            def decide(agreed: bool | None) -> None:
                if agreed:
                    self.context.operations.apply(self._specs(), total)

            self.app.push_screen(PlanScreen(plan, snapshot.statuses), decide)
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

"""`validate`, `cleanup`: find mistakes in the file, remove what is left of the dead."""

from tunnel_tui.cli import codes
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.formats import problem_record
from tunnel_tui.cli.registry import JSON
from tunnel_tui.cli.report import report


def validate(context: Context) -> int:
    """Print every mistake of the file at once, with its line; code 1 if any is fatal."""
    from tunnel_tui.config.schema.document import same_names
    from tunnel_tui.model import Problem
    from tunnel_tui.ssh.config_access import closed_files
    from tunnel_tui.ssh.host_settings import check_hosts

    output, config = context.output, context.config
    warnings = [
        *same_names(config.file, config.tunnels),
        *check_hosts(config.file, config.tunnels, context.settings.ssh_config_file),
        *(
            Problem(config.file, 0, "", str(closed), "", closed.advice, fatal=False)
            for closed in closed_files(context.settings.ssh_config_file)
        ),
    ]
    if context.arguments.flag(JSON):
        problems = [problem_record(problem) for problem in (*config.problems, *warnings)]
        output.json({"file": config.file, "valid": config.valid, "problems": problems})
        return codes.OK if config.valid else codes.FAILED
    fatal = context.report_problems(warnings=True)
    for problem in warnings:
        output.warning(str(problem))
    if fatal or not config.valid:
        output.note(f"{fatal} mistake{'s' if fatal != 1 else ''} in {config.file}")
        return codes.FAILED
    count = len(config.tunnels)
    output.lines(
        (
            output.paint("SUCCESS", "good")
            + f": Configuration file is valid ({count} tunnel{'s' if count != 1 else ''})",
        )
    )
    return codes.OK


def cleanup(context: Context) -> int:
    """Remove dead entries and their logs, end orphans, adopt lost tunnels; report each."""
    from tunnel_tui.supervise.actions.cleanup import clean_up

    return report(context, clean_up(context.settings, context.config.tunnels))

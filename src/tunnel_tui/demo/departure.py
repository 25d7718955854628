"""Leaving: every tunnel that the demo or its guest started is stopped, and no other."""

from tunnel_tui.settings import STOP_GRACE, Settings


def clear_up(settings: Settings) -> None:
    """Stop the tunnels of the demo's configuration and state file."""
    from tunnel_tui.config.load import load_config
    from tunnel_tui.state.state_file import StateFile
    from tunnel_tui.supervise.actions.lifecycle import stop_tunnels

    hashes = {spec.hash for spec in load_config(settings.config_file).tunnels}
    hashes |= {entry.hash for entry in StateFile.of(settings).read().entries}
    if hashes:
        stop_tunnels(settings, sorted(hashes))


def end_stragglers(settings: Settings) -> None:
    """End what was started for the demo's state file while it was being cleared up."""
    from tunnel_tui.supervise.process.process_tree import find_tagged
    from tunnel_tui.supervise.process.terminate import end_processes

    stats = [process.stat for family in find_tagged(settings).values() for process in family]
    if stats:
        end_processes(stats, STOP_GRACE)

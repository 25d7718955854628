"""Leaving: every tunnel that the demo or its guest started is stopped."""

from tunnel_tui.settings import Settings


def clear_up(settings: Settings) -> None:
    """Stop the tunnels of the demo's configuration and state file, and no others."""
    from tunnel_tui.config.load import load_config
    from tunnel_tui.observe.statefile import StateFile
    from tunnel_tui.supervise.lifecycle import stop_tunnels

    hashes = {spec.hash for spec in load_config(settings.config_file).tunnels}
    hashes |= {entry.hash for entry in StateFile(settings.state_file).read().entries}
    if hashes:
        stop_tunnels(settings, sorted(hashes))

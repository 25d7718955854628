"""One key of a tunnel by itself: the rules of the file, for a form that checks while one types."""

from tunnel_tui.config.schema import values
from tunnel_tui.config.schema.tunnel import CHECKS, REQUIRED
from tunnel_tui.config.schema.values import Mistake


def check_field(key: str, text: str) -> Mistake | None:
    """Say what is wrong with the text of a key; None where it may stand in the file."""
    if not text:
        return Mistake("is missing", REQUIRED[key]) if key in REQUIRED else None
    wrong = values.check_text(text)
    check = CHECKS.get(key)
    return wrong or (check(text) if check is not None else None)


def check_options(options: tuple[str, ...]) -> Mistake | None:
    """Say what is wrong with the first bad one of several ssh options."""
    for option in options:
        wrong = values.check_text(option) or values.check_option(option)
        if wrong is not None:
            return Mistake(f"{option}: {wrong.message}", wrong.allowed)
    return None

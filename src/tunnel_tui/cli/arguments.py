"""Read the command line against the table of commands, without building a parser.

Options may stand before or after the command, as `--option value`, `--option=value`, `-n5` or
`-n 5`; `--` ends them. `argparse` is not used: importing it costs as much as reading 50 tunnels.
"""

from collections.abc import Sequence

from tunnel_tui.cli.registry import APP, COMMANDS, GLOBAL_OPTIONS, Command, Option


class UsageError(Exception):
    """The command line is wrong; `hint` says what would be right."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Arguments:
    """A command line that fits its command.

    Attributes:
        name: the command's name; empty for the app.
        operands: what is not an option.
    """

    __slots__ = ("_values", "command", "name", "operands")

    def __init__(self, name: str, command: Command) -> None:
        self.name = name
        self.command = command
        self.operands: list[str] = []
        self._values: dict[str, str] = {}

    def set(self, option: Option, value: str = "") -> None:
        """Remember an option; the last one given wins."""
        self._values[option.long] = value

    def flag(self, option: Option) -> bool:
        """Say whether the option was given."""
        return option.long in self._values

    def value(self, option: Option) -> str | None:
        """Return the option's value, or None if it was not given."""
        return self._values.get(option.long)

    def named(self, long: str) -> str | None:
        """Return the value of the option spelled `long` (a global one), or None."""
        return self._values.get(long)


def parse(argv: Sequence[str]) -> Arguments:
    """Find the command and read its options and operands.

    Raises:
        UsageError: unknown command or option, missing value, too few or too many operands.
    """
    position, early = _find_command(argv)
    name = argv[position] if position < len(argv) else ""
    command = APP if not name else COMMANDS.get(name)
    if command is None:
        raise _unknown_command(name)
    arguments = Arguments(name, command)
    _read_options(arguments, early, GLOBAL_OPTIONS + command.options, [])
    rest = list(argv[position + 1 :])
    _read_options(arguments, rest, command.options + GLOBAL_OPTIONS, arguments.operands)
    if arguments.named("--help") is None and arguments.named("--version") is None:
        _check_operands(arguments)
    return arguments


def _find_command(argv: Sequence[str]) -> tuple[int, list[str]]:
    """Skip the options before the command; return its position and those options."""
    takes_value = {spelling for o in GLOBAL_OPTIONS if o.metavar for spelling in (o.long, o.short)}
    position = 0
    while position < len(argv):
        word = argv[position]
        if word == "--" or not word.startswith("-") or word == "-":
            break
        position += 2 if word in takes_value else 1
    position = min(position, len(argv))
    early = list(argv[:position])
    if position < len(argv) and argv[position] == "--":
        position += 1
    return position, early


def _read_options(
    arguments: Arguments, words: list[str], options: Sequence[Option], operands: list[str]
) -> None:
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--":
            operands.extend(words[position:])
            return
        if not word.startswith("-") or word == "-":
            operands.append(word)
            continue
        option, value = _match(word, options, arguments.name)
        if option.metavar and value is None:
            if position == len(words):
                raise UsageError(f"{word} needs a value: {word} {option.metavar}")
            value = words[position]
            position += 1
        if option.metavar and not value:
            raise UsageError(f"the value of {option.long} is empty")
        arguments.set(option, value or "")


def _match(word: str, options: Sequence[Option], command: str) -> tuple[Option, str | None]:
    """Find the option that `word` spells; options that come first win a shared short name."""
    long, equals, attached = word.partition("=")
    for option in options:
        if word in (option.long, option.short):
            return option, None
        if long == option.long and equals:
            if not option.metavar:
                raise UsageError(f"{long} takes no value")
            return option, attached
        if option.metavar and option.short and word.startswith(option.short) and word[1] != "-":
            return option, word[2:]
    place = f" of {command}" if command else ""
    near = nearest(word, [option.long for option in options])
    raise UsageError(f"unknown option{place}: {word}", f"did you mean {near}?" if near else "")


def _check_operands(arguments: Arguments) -> None:
    operands = arguments.command.operands
    least = sum(operand.startswith("<") for operand in operands)
    repeats = any(operand.rstrip(">]").endswith("...") for operand in operands)
    given = len(arguments.operands)
    if given < least:
        missing = operands[given].strip("<>")
        raise UsageError(f"{arguments.name} needs <{missing}>", usage(arguments.name))
    if given > len(operands) and not repeats:
        extra = arguments.operands[len(operands)]
        subject = f"{arguments.name} does not take" if arguments.name else "unexpected:"
        single = f"{arguments.name}-tunnel"
        if single in COMMANDS:
            import shlex

            hint = f"one tunnel: tunnel-tui {single} {shlex.quote(extra)}"
        else:
            hint = usage(arguments.name)
        raise UsageError(f"{subject} {extra!r}", hint)


def _unknown_command(name: str) -> UsageError:
    near = nearest(name, [known for known, command in COMMANDS.items() if command.group])
    hint = f"did you mean {near}?" if near else "tunnel-tui --help lists the commands"
    return UsageError(f"unknown command: {name}", hint)


def nearest(word: str, known: Sequence[str]) -> str:
    """Return what of `known` looks most like `word` (`a or b`), or an empty string."""
    from difflib import get_close_matches

    return " or ".join(get_close_matches(word, known, 2, 0.6))


def usage(name: str) -> str:
    """Spell how a command is used, in one line."""
    command = COMMANDS.get(name, APP)
    words = ["usage: tunnel-tui", name, *command.operands]
    words += [f"[{option.long} {option.metavar}".rstrip() + "]" for option in command.options]
    return " ".join(word for word in words if word)

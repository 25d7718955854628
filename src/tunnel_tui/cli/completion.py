"""`completion`: scripts for bash, zsh and fish that complete commands and tunnel names."""

from collections.abc import Iterator

from tunnel_tui.cli import codes
from tunnel_tui.cli.arguments import UsageError
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.registry import COMMANDS, GLOBAL_OPTIONS, Command, Option

PROGRAMS = ("tunnel-tui", "autossh-cli")
_STATES = "running starting stopped dead interactive"


def completion(context: Context) -> int:
    """Print the completion script of a shell.

    Raises:
        UsageError: the shell is none of bash, zsh and fish.
    """
    shell = context.arguments.operands[0]
    writers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    if shell not in writers:
        raise UsageError(f"no completion for {shell}", "bash, zsh or fish")
    context.output.write(writers[shell]())
    return codes.OK


def tunnels(context: Context) -> int:
    """Print the names of the configured tunnels, one per line, those that can be typed."""
    specs = context.config.tunnels
    names = dict.fromkeys(spec.name for spec in specs if spec.name.isprintable())
    repeated = {spec.name for spec in specs if sum(s.name == spec.name for s in specs) > 1}
    hashes = [spec.hash for spec in specs if spec.name in repeated]
    context.output.lines([name for name in names if name not in repeated] + hashes)
    return codes.OK


def _shown() -> Iterator[tuple[str, Command]]:
    return ((name, command) for name, command in COMMANDS.items() if command.group)


def _spellings(options: tuple[Option, ...]) -> str:
    return " ".join(option.long for option in options)


def _bash() -> str:
    names = " ".join(name for name, _ in _shown())
    with_tunnels = "|".join(name for name, command in _shown() if command.names_tunnels)
    cases = "\n".join(
        f"        {name}) options='{_spellings(command.options)}' ;;"
        for name, command in _shown()
        if command.options
    )
    return f"""\
# bash completion of tunnel-tui
_tunnel_tui() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local command='' options='' word index name
    COMPREPLY=()
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${{COMP_WORDS[index]}}
        case $word in
        -c|-s|--config|--ssh-config|--state-file) ((index++)) ;;
        -f) [[ -n $command ]] || ((index++)) ;;
        -*) ;;
        *) command=$word; break ;;
        esac
    done
    case $previous in
    -c|--config|--state-file) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    -s|--ssh-config) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    --for) mapfile -t COMPREPLY < <(compgen -W '{_STATES}' -- "$current"); return ;;
    esac
    if [[ -z $command && $current != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{names}' -- "$current")
        return
    fi
    if [[ $current == -* ]]; then
        case $command in
{cases}
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options {_spellings(GLOBAL_OPTIONS)}" -- "$current")
        return
    fi
    case $command in
    {with_tunnels})
        while IFS= read -r name; do
            if [[ $name == "$current"* ]]; then
                printf -v name %q "$name"
                COMPREPLY+=("$name")
            fi
        done < <("${{COMP_WORDS[0]}}" complete-tunnels 2>/dev/null) ;;
    completion) mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish' -- "$current") ;;
    help) mapfile -t COMPREPLY < <(compgen -W '{names}' -- "$current") ;;
    esac
}}
complete -F _tunnel_tui {" ".join(PROGRAMS)}
"""


def _zsh() -> str:
    described = "\n".join(f"    '{name}:{_quote(c.help)}'" for name, c in _shown())
    with_tunnels = "|".join(name for name, command in _shown() if command.names_tunnels)
    cases = "\n".join(
        f"    {name}) options=({_spellings(command.options)}) ;;"
        for name, command in _shown()
        if command.options
    )
    return f"""\
#compdef {" ".join(PROGRAMS)}
_tunnel_tui() {{
  local -a commands options names
  local command='' index
  commands=(
{described}
  )
  for ((index = 2; index < CURRENT; index++)); do
    case $words[index] in
    -c|-s|--config|--ssh-config|--state-file) ((index++)) ;;
    -*) ;;
    *) command=$words[index]; break ;;
    esac
  done
  case $words[CURRENT-1] in
  -c|--config|--state-file) _files; return ;;
  -s|--ssh-config) _files -/; return ;;
  --for) compadd -- {_STATES}; return ;;
  esac
  if [[ -z $command && $words[CURRENT] != -* ]]; then
    _describe command commands
    return
  fi
  if [[ $words[CURRENT] == -* ]]; then
    case $command in
{cases}
    esac
    compadd -- $options {_spellings(GLOBAL_OPTIONS)}
    return
  fi
  case $command in
  {with_tunnels})
    names=("${{(@f)$($words[1] complete-tunnels 2>/dev/null)}}")
    compadd -a -- names ;;
  completion) compadd -- bash zsh fish ;;
  help) _describe command commands ;;
  esac
}}
compdef _tunnel_tui {" ".join(PROGRAMS)}
"""


def _fish() -> str:
    names = " ".join(name for name, _ in _shown())
    with_tunnels = " ".join(name for name, command in _shown() if command.names_tunnels)
    lines = ["# fish completion of tunnel-tui"]
    for program in PROGRAMS:
        unset = f"not __fish_seen_subcommand_from {names}"
        seen = f"__fish_seen_subcommand_from {with_tunnels}"
        lines.append(f"complete -c {program} -f")
        for name, command in _shown():
            about = _quote(command.help)
            lines.append(f"complete -c {program} -n '{unset}' -a {name} -d '{about}'")
            for option in command.options:
                within = f"__fish_seen_subcommand_from {name}"
                needs = " -x" if option.metavar else ""
                values = f" -a '{_STATES}'" if option.long == "--for" else ""
                lines.append(
                    f"complete -c {program} -n '{within}' -l {option.long[2:]}{needs}{values}"
                    f" -d '{_quote(option.help)}'"
                )
        for option in GLOBAL_OPTIONS:
            file = " -r -F" if option.metavar else ""
            lines.append(
                f"complete -c {program} -s {option.short[1:]} -l {option.long[2:]}{file}"
                f" -d '{_quote(option.help)}'"
            )
        lines.append(
            f"complete -c {program} -n '{seen}' -a '({program} complete-tunnels 2>/dev/null)'"
        )
        lines.append(
            f"complete -c {program} -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'"
        )
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    """Make `text` fit between single quotes of any of the three shells."""
    return text.replace("'", "").replace(":", ",")

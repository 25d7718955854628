"""The figures as JSON, as Markdown, and as lines on a terminal."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.machine import describe_machine

from benchmarks.figures import Figure

INTRODUCTION = """\
# Figures

What tunnel-tui takes, each beside its floor: the least that the same work can take. Both were
measured in turn in one run; the ratio is the median of the ratios of neighbouring rounds, the
spread says between what ratios the middle half of the rounds lay. Made by `make bench`, on a
machine that does nothing else; the ratios are what to compare, the times are this machine's.
"""

SCRIPTS = """
## The shell scripts beside it

`list` and `status` print the same lines as the public shell scripts
([Oaklight/autossh-tunnel-dockerized](https://github.com/Oaklight/autossh-tunnel-dockerized)), whose
code is not part of this repository. To measure both on your machine, with 10, 50 and 200 tunnels
that run (with a stand-in for ssh, so nothing leaves the machine), in a clone of this repository
after `make test` (which makes `.venv`), with [hyperfine](https://github.com/sharkdp/hyperfine):

```sh
git clone https://github.com/Oaklight/autossh-tunnel-dockerized scripts-beside
for n in 10 50 200; do
  for command in list status; do
    .venv/bin/python -m benchmarks.world $n hyperfine --warmup 2 \\
      "$PWD/.venv/bin/tunnel-tui $command" "bash $PWD/scripts-beside/autossh-cli $command"
  done
done
```

`python -m benchmarks.world` starts so many tunnels in a home of their own, runs the command with
`AUTOSSH_CONFIG_FILE` and `AUTOSSH_STATE_FILE` set, which both programs read, and ends them.
The scripts are run with bash here: dash, the `sh` of Debian, does not understand them.
"""


def line(figure: Figure) -> str:
    """Put a figure on one line of a terminal."""
    mark = "ok    " if figure.holds else "MISSED"
    beside = f" beside {_number(figure.theirs)}" if figure.theirs is not None else ""
    ratio = f"{figure.ratio:.2f}× " if figure.ratio is not None else ""
    return (
        f"{mark} {figure.work}: {ratio}({figure.limit}), "
        f"{_number(figure.ours)}{beside} {figure.unit}, spread {figure.spread}"
    )


def write_tables(target: Path, figures: Sequence[Figure]) -> None:
    """Write the figures as JSON and as Markdown beside it."""
    machine = describe_machine()
    value: dict[str, Any] = {**machine, "figures": [figure._asdict() for figure in figures]}
    target.with_suffix(".json").write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    target.with_suffix(".md").write_text(as_markdown(machine, figures))


def as_markdown(machine: dict[str, str], figures: Sequence[Figure]) -> str:
    """Make the page."""
    text = INTRODUCTION + "\n" + "  \n".join(f"{key}: {value}" for key, value in machine.items())
    text += "\n\n| Work | Floor | Reach | Ratio | Spread | Ours | Floor's | |\n"
    text += "|---|---|--:|--:|---|--:|--:|---|\n"
    text += "".join(f"| {' | '.join(_cells(figure))} |\n" for figure in figures)
    notes = [f"- {figure.work}: {figure.note}" for figure in figures if figure.note]
    if notes:
        text += "\n" + "\n".join(notes) + "\n"
    return text + SCRIPTS


def _cells(figure: Figure) -> list[str]:
    ratio = f"{figure.ratio:.2f}×" if figure.ratio is not None else "–"
    theirs = f"{_number(figure.theirs)} {figure.unit}" if figure.theirs is not None else "–"
    ours = f"{_number(figure.ours)} {figure.unit}"
    mark = "holds" if figure.holds else "**missed**"
    cells = [figure.work, figure.floor, figure.limit, ratio, figure.spread, ours, theirs, mark]
    return [cell.replace("|", "\\|") for cell in cells]


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"

"""The text of a configuration file → tunnels, or every mistake in it."""

import yaml

from tunnel_tui.config.config import Config
from tunnel_tui.config.schema import values
from tunnel_tui.config.schema.document import read_document
from tunnel_tui.config.schema.problems import Report
from tunnel_tui.config.yaml_text.tree import Node, StructureError, parse_tree
from tunnel_tui.model import DirectionMode, TunnelSpec, digest_of


def parse_config(path: str, data: bytes, mode: DirectionMode = DirectionMode.DEFAULT) -> Config:
    """Check the content of a configuration file without reading it from the disk."""
    digest = digest_of(data)
    report = Report(path)
    specs: list[TunnelSpec] = []
    try:
        specs = read_document(report, _tree(report, data.decode("utf-8-sig")), mode)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte {data[error.start]:02x}"
        report.fatal(line, "", "is not UTF-8 text", byte, "save it as UTF-8")
    except StructureError as error:
        report.fatal(error.line, "", error.message)
    except yaml.YAMLError as error:
        line, message, allowed = explain(error, data.decode("utf-8-sig"))
        report.fatal(line, "", message, "", allowed)
    problems = sorted(report.problems, key=lambda problem: problem.line)
    return Config(path, tuple(specs), tuple(problems), digest)


def _tree(report: Report, text: str) -> Node | None:
    """Parse; characters that YAML forbids are noted, then replaced."""
    try:
        return parse_tree(text)
    except yaml.reader.ReaderError:
        pass
    cleaned = list(text)
    line, last = 1, 0
    for index, character in enumerate(text):
        if character == "\n":
            line += 1
        elif not _allowed(character):
            cleaned[index] = values.SUBSTITUTE
            if line != last:
                report.fatal(line, "", "contains a control character", character, "printable text")
            last = line
    return parse_tree("".join(cleaned))


def _allowed(character: str) -> bool:
    """What the YAML 1.1 reader of libyaml lets through (yaml.org/spec/1.1, c-printable)."""
    return (
        " " <= character <= "~"
        or character in "\t\r\x85"
        or ("\xa0" <= character <= "\ufffd" and character != "\ufeff")
        or character >= "\U00010000"
    )


def explain(error: yaml.YAMLError, text: str) -> tuple[int, str, str]:
    """Put a syntax error into words: line, what is wrong, what to do."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return 0, f"is not YAML: {str(error).splitlines()[0]}", ""
    mark = error.problem_mark
    line = mark.line + 1
    lines = text.splitlines()
    found = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in found[: len(found) - len(found.lstrip())]:
        return line, "a tab stands in the indentation", "indent with spaces"
    message = f"is not YAML: {error.problem or 'syntax error'}"
    if error.context and error.context_mark and error.context_mark.line != mark.line:
        message += f", {error.context} that begins on line {error.context_mark.line + 1}"
    allowed = ""
    if "mapping values" in message:
        allowed = "put values that contain ': ' in quotes"
    elif "cannot start any token" in message:
        allowed = "put values that begin with @ ` % * & in quotes"
    return line, message, allowed

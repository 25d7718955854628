"""Every check of a configuration, all mistakes at once: tree → specs and problems."""

from collections.abc import Sequence

from tunnel_tui.config.schema.problems import Report
from tunnel_tui.config.schema.shared_listeners import shared_listeners
from tunnel_tui.config.schema.tunnel import read_item, read_keys
from tunnel_tui.config.yaml_text.tree import Collection, Node, describe, is_null, line_of, resolve
from tunnel_tui.model import DEFAULT_NAME, DirectionMode, Problem, TunnelSpec


def read_document(
    report: Report, root: Node | None, mode: DirectionMode = DirectionMode.DEFAULT
) -> list[TunnelSpec]:
    """Check a whole file; whatever is wrong goes into `report`, what is fine is returned."""
    if root is None or is_null(root):
        report.warning(0, "", "the file is empty: no tunnels")
        return []
    if not isinstance(root, Collection) or not root.is_mapping:
        report.fatal(
            line_of(root), "", "the file does not begin with 'tunnels:'", describe(resolve(root))
        )
        return []
    pairs = read_keys(report, root, "", ("tunnels",))
    if pairs is None:
        return []
    if "tunnels" not in pairs:
        report.fatal(line_of(root), "tunnels", "is missing", "", "a list of tunnels")
        return []
    specs = _without_duplicates(report, _read_list(report, pairs["tunnels"]))
    report.problems += shared_listeners(report.file, specs, mode)
    return specs


def same_names(file: str, specs: Sequence[TunnelSpec]) -> list[Problem]:
    """Warn of each tunnel that shares its name with an earlier one; `unnamed` is no name."""
    first: dict[str, TunnelSpec] = {}
    return [
        Problem(
            file,
            spec.line,
            spec.name,
            f"is named twice (first on line {owner.line}); use the hash to address them",
            fatal=False,
        )
        for spec in specs
        if spec.name != DEFAULT_NAME and (owner := first.setdefault(spec.name, spec)) is not spec
    ]


def _read_list(report: Report, node: Node) -> list[TunnelSpec]:
    tunnels = resolve(node)
    if is_null(node):
        report.warning(line_of(node), "tunnels", "is empty: no tunnels")
        return []
    if not isinstance(tunnels, Collection) or tunnels.is_mapping:
        report.fatal(
            line_of(node), "tunnels", "is not a list", describe(tunnels), "'- ' before each tunnel"
        )
        return []
    if not tunnels.children:
        report.warning(line_of(node), "tunnels", "is empty: no tunnels")
    found = [read_item(report, item, index) for index, item in enumerate(tunnels.children)]
    return [spec for spec in found if spec is not None]


def _without_duplicates(report: Report, specs: list[TunnelSpec]) -> list[TunnelSpec]:
    seen: dict[str, TunnelSpec] = {}
    for spec in specs:
        first = seen.setdefault(spec.hash, spec)
        if first is not spec:
            report.fatal(
                spec.line,
                spec.name,
                f"is the same tunnel as the one on line {first.line}",
                "",
                "another name, or other ports",
            )
    return list(seen.values())

"""What a changed configuration would do to what runs."""

from hypothesis import given
from hypothesis import strategies as st

from tunnel_tui.config.parse import parse_config
from tunnel_tui.config.plan import Plan, make_plan
from tunnel_tui.model import TunnelEntry, TunnelSpec


def specs(*names: str) -> list[TunnelSpec]:
    """Tunnels by name; a name that begins with `i` is interactive."""
    lines = [
        f"  - {{name: {name}, remote_host: h, remote_port: 1, local_port: {1000 + ord(name[-1])},"
        f" interactive: {'true' if name.startswith('i') else 'false'}}}"
        for name in names
    ]
    config = parse_config("c", "\n".join(["tunnels:", *lines]).encode())
    assert config.valid, config.problems
    return list(config.tunnels)


def entry(spec: TunnelSpec, pid: int = 100) -> TunnelEntry:
    return TunnelEntry.of(spec, pid)


def plan(
    wanted: list[TunnelSpec],
    registered: list[TunnelEntry],
    dead: tuple[str, ...] = (),
    changed: tuple[str, ...] = (),
) -> Plan:
    return make_plan(
        wanted,
        registered,
        alive=lambda known: known.name not in dead,
        same_command=lambda spec, known: spec.name not in changed,
    )


def names(part: tuple[TunnelSpec | TunnelEntry, ...]) -> list[str]:
    return [one.name for one in part]


def test_a_first_start_starts_all_but_the_interactive_ones() -> None:
    found = plan(specs("a", "b", "ic"), [])
    assert (names(found.start), names(found.login)) == (["a", "b"], ["ic"])
    assert found.summary() == "start 2, 1 needs a login"
    assert not found.empty


def test_removed_stops_new_starts_unchanged_stays() -> None:
    old = specs("a", "b")
    found = plan(specs("b", "c"), [entry(spec) for spec in old])
    assert names(found.stop) == ["a"]
    assert names(found.start) == ["c"]
    assert names(found.keep) == ["b"]
    assert found.summary() == "start 1, stop 1, keep 1"


def test_the_same_file_changes_nothing() -> None:
    wanted = specs("a", "ib")
    found = plan(wanted, [entry(spec) for spec in wanted])
    assert found.empty
    assert found.summary() == "keep 2"


def test_another_command_line_means_a_restart() -> None:
    wanted = specs("a", "b")
    found = plan(wanted, [entry(spec) for spec in wanted], changed=("b",))
    assert (names(found.restart), names(found.keep)) == (["b"], ["a"])
    assert not found.empty


def test_a_login_that_a_person_typed_is_never_thrown_away() -> None:
    wanted = specs("ia")
    assert names(plan(wanted, [entry(wanted[0])], changed=("ia",)).keep) == ["ia"]


def test_a_dead_one_is_started_or_waits_for_a_person() -> None:
    wanted = specs("a", "ib", "ic")
    found = plan(wanted, [entry(spec) for spec in wanted], dead=("a", "ib", "ic"))
    assert (names(found.start), names(found.login)) == (["a"], ["ib", "ic"])
    assert found.summary() == "start 1, 2 need a login"


def test_a_dead_entry_of_a_removed_tunnel_goes_too() -> None:
    old = specs("a")
    found = plan([], [entry(old[0])], dead=("a",))
    assert names(found.stop) == ["a"]


def test_logins_alone_are_nothing_to_apply() -> None:
    assert plan(specs("ia"), []).empty
    assert Plan().summary() == "nothing to do"


def test_the_identity_of_a_registered_stranger_is_not_asked_for() -> None:
    asked: list[str] = []

    def alive(known: TunnelEntry) -> bool:
        asked.append(known.name)
        return True

    make_plan(specs("b"), [entry(specs("a")[0])], alive, lambda spec, known: True)
    assert asked == []


@given(
    st.sets(st.sampled_from("abcdefgh")),
    st.sets(st.sampled_from("abcdefgh")),
    st.sets(st.sampled_from("abcdefgh")),
    st.sets(st.sampled_from("abcdefgh")),
)
def test_every_tunnel_is_in_exactly_one_part(
    wanted: set[str], registered: set[str], dead: set[str], changed: set[str]
) -> None:
    known = {spec.name: spec for spec in specs(*"abcdefgh")}
    found = plan(
        [known[name] for name in sorted(wanted)],
        [entry(known[name]) for name in sorted(registered)],
        tuple(dead),
        tuple(changed),
    )
    parts = [names(part) for part in (found.start, found.stop, found.keep, found.restart)]
    together = [name for part in parts for name in part]
    assert sorted(together) == sorted(wanted | registered)
    assert set(parts[1]) == registered - wanted
    assert set(parts[2]) == (wanted & registered) - dead - changed

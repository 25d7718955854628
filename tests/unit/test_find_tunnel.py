"""From what a person types to one tunnel."""

import pytest

from tunnel_tui.errors import AmbiguousTunnelError, UnknownTunnelError
from tunnel_tui.model import Direction, TunnelEntry, TunnelSpec
from tunnel_tui.supervise.info.find_tunnel import find_tunnel

ONE = "aaaaaaaa11111111aaaaaaaa11111111"
TWO = "aaaaaaaa22222222aaaaaaaa22222222"
THREE = "bbbbbbbb33333333bbbbbbbb33333333"


def spec(name: str, digest: str) -> TunnelSpec:
    return TunnelSpec(name, "host", "1", "2", Direction.REMOTE_TO_LOCAL, False, digest)


SPECS = [spec("web", ONE), spec("database", TWO), spec("web", THREE)]


def test_full_hash_prefix_and_name() -> None:
    assert find_tunnel(ONE, SPECS).hash == ONE
    assert find_tunnel(ONE.upper(), SPECS).hash == ONE
    assert find_tunnel("bbbbbbbb", SPECS).hash == THREE
    assert find_tunnel("aaaaaaaa2", SPECS).hash == TWO
    assert find_tunnel("database", SPECS).hash == TWO


@pytest.mark.parametrize("text", ["aaaaaaaa", "web"])
def test_ambiguous_lists_all(text: str) -> None:
    with pytest.raises(AmbiguousTunnelError) as caught:
        find_tunnel(text, SPECS)
    assert ONE in caught.value.detail
    assert (TWO if text != "web" else THREE) in caught.value.detail
    more = "name it by its hash" if text == "web" else "use more digits of the hash"
    assert caught.value.advice == more


def test_a_name_that_is_also_a_prefix_of_another_is_ambiguous() -> None:
    with pytest.raises(AmbiguousTunnelError):
        find_tunnel("bbbbbbbb", [*SPECS, spec("bbbbbbbb", TWO[::-1])])


def test_entries_count_and_specs_come_first() -> None:
    old = TunnelEntry("host", "1", "2", "remote_to_local", "gone", THREE[::-1], 77)
    assert find_tunnel("gone", SPECS, [old]) is old
    registered = TunnelEntry.of(SPECS[0], 77)
    assert find_tunnel(ONE, SPECS, [registered]) is SPECS[0]


def test_unknown_suggests_the_nearest() -> None:
    with pytest.raises(UnknownTunnelError) as caught:
        find_tunnel("databse", SPECS)
    assert "'database'" in caught.value.advice


def test_a_short_prefix_is_explained() -> None:
    with pytest.raises(UnknownTunnelError, match="at least 8"):
        find_tunnel("bbbb", SPECS)


def test_nothing_configured() -> None:
    with pytest.raises(UnknownTunnelError, match="no tunnels"):
        find_tunnel("web", [])

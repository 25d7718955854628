"""The terminal emulation: bytes make the same screen wherever they are cut."""

from hypothesis import given
from hypothesis import strategies as st

from tests.properties import repeatable
from tunnel_tui.terminal.screen import Screen

PIECES = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=12).map(str.encode),
    st.sampled_from(
        (
            *(b"\r\n", b"\t", b"\b", b"\x0e", b"\x0f", b"\x18", b"\x1b7", b"\x1b8", b"\x1bM"),
            *(b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[2J", b"\x1b[K", b"\x1b[2;4r", b"\x1b[6n"),
            *(b"\x1b]0;title\x07", b"\x1b]52;c;aGk=\x1b\\", b"\x1bPq#0\x1b\\", b"\x1b[c", b"\x1bc"),
            *map(str.encode, ("👩\u200d💻", "e\u0301", "中文", "\ufe0f")),
            b"\xe4\xb8",
        )
    ),
    st.builds(
        lambda values, final: b"\x1b[" + b";".join(b"%d" % value for value in values) + final,
        st.lists(st.sampled_from([0, 1, 2, 3, 7, 38, 48, 5, 99, 10**9]), max_size=4),
        st.sampled_from([bytes([code]) for code in b"@ABCDEFGHJKLMPSTXZabcdefghlmnrsu"]),
    ),
)


def shown(screen: Screen) -> tuple[object, ...]:
    rows = [screen.line(row) for row in range(screen.size[1])]
    modes = (screen.app_cursor, screen.bracketed, screen.alternate, screen.label)
    return rows, screen.history, screen.cursor, modes


@given(st.lists(PIECES, max_size=30).map(b"".join), st.data())
@repeatable(250)
def test_the_same_screen_wherever_the_bytes_are_cut(data: bytes, source: st.DataObject) -> None:
    whole, cut = Screen(20, 5), Screen(20, 5)
    whole.feed(data)
    replies = b""
    place = 0
    cuts = source.draw(st.lists(st.integers(0, len(data)), max_size=10))
    for end in (*sorted(cuts), len(data)):
        cut.feed(data[place:end])
        replies += cut.take_reply()
        place = end
    assert shown(cut) == shown(whole)
    assert replies == whole.take_reply()


@given(st.lists(PIECES, max_size=20).map(b"".join), st.integers(1, 40), st.integers(1, 12))
@repeatable(100)
def test_byte_by_byte_and_resized(data: bytes, columns: int, rows: int) -> None:
    screen = Screen(20, 5)
    for byte in data:
        screen.feed(bytes([byte]))
    screen.resize(columns, rows)
    screen.feed(data)
    assert screen.size == (columns, rows)
    assert len(screen.display) == rows
    column, row, _ = screen.cursor
    assert 0 <= column < columns
    assert 0 <= row < rows
    assert all("\x1b" not in line for line in (*screen.display, *screen.history, screen.label))

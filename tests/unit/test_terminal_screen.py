"""The screen model: what programs draw, and the faults of bare pyte 0.8.2 that it must not have."""

import pytest

from tunnel_tui.terminal.cells import PLAIN, Style
from tunnel_tui.terminal.screen import Screen
from tunnel_tui.terminal.widths import DROPPED, SIMPLE, classify


def shown(*parts, columns=20, rows=4):
    screen = Screen(columns, rows)
    for part in parts:
        screen.feed(part.encode() if isinstance(part, str) else part)
    return screen


def width(screen, row):
    from rich.cells import cell_len

    return cell_len("".join(text for text, _ in screen.line(row)))


# Faults of bare pyte, measured ------------------------------------------------------------


@pytest.mark.parametrize(
    "sequence",
    ["\x1b[?4m", "\x1b[1;2A", "\x1b[?6h\x1b[6n", "\x1b[²m", "\x1b[>4;2m", "\x1b[1;2;3;4A"],
)
def test_sequences_that_pyte_raises_on(sequence):
    screen = shown("ab", sequence, "c")
    assert "c" in screen.text(0)
    assert all(style == PLAIN for _, style in screen.line(0)), "nothing is underlined"


@pytest.mark.parametrize(
    "string",
    [
        "\x1bPpayload\x1b\\",
        "\x1b_payload\x1b\\",
        "\x1b^payload\x1b\\",
        "\x1bXpayload\x1b\\",
        "\x1b]52;c;cGF5bG9hZA==\x07",
        "\x1b]8;;http://payload\x1b\\",
        "\x1bkpayload\x1b\\",
    ],
)
def test_strings_are_not_printed(string):
    screen = shown("a", string, "b")
    assert screen.text(0) == "ab"
    assert screen.take_reply() == b""


def test_column_mode_does_not_resize():
    screen = shown("text\x1b[?3h")
    assert screen.size == (20, 4)
    assert screen.text(0) == "text"
    screen.feed(b"\x1b[?3l")
    assert screen.size == (20, 4)


@pytest.mark.parametrize(
    "text",
    [
        "x\u200dabc",
        "\u2764\ufe0fabc",
        "👩\u200d💻abc",
        "👍🏽abc",
        "x\u202eabc",
        "x\u2028abc",
        "x\x85abc",
    ],
)
def test_text_after_invisible_characters_is_kept(text):
    screen = shown(text)
    assert screen.text(0).endswith("abc")
    assert width(screen, 0) == 20
    for hidden in "\u200d\ufe0f\u202e\u2028\x85":
        assert hidden not in screen.text(0)


def test_alternate_screen_comes_and_goes():
    screen = shown("before\r\nprompt")
    screen.feed(b"\x1b[?1049h")
    assert screen.alternate
    assert screen.display == [""] * 4
    screen.feed(b"\x1b[Hfull screen\x1b[4;1Hbottom\n\n\n")
    assert screen.history == [], "a full-screen program leaves no history"
    screen.feed(b"\x1b[?1049l")
    assert not screen.alternate
    assert screen.display == ["before", "prompt", "", ""]
    assert screen.cursor[:2] == (6, 1)


# What programs use ------------------------------------------------------------


def test_colours_and_attributes():
    screen = shown(
        "\x1b[1;31ma\x1b[0;38;5;200;48;2;1;2;3mb\x1b[m\x1b[4:3;38:2::9:8:7mc\x1b[97;22;24md"
    )
    runs = screen.line(0)
    assert runs[0] == ("a", Style(fg="color(1)", bold=True))
    assert runs[1] == ("b", Style(fg="color(200)", bg="#010203"))
    assert runs[2] == ("c", Style(fg="#090807", underline=True))
    assert runs[3] == ("d", Style(fg="color(15)"))
    assert runs[4] == (" " * 16, PLAIN)


def test_colours_out_of_range_change_nothing():
    screen = shown("\x1b[38;5;999ma\x1b[38;2;300;0;0mb\x1b[48:5mc\x1b[38md")
    assert screen.line(0)[0] == ("abcd" + " " * 16, PLAIN)


def test_concealed_text_is_not_there():
    screen = shown("\x1b[8msecret中\x1b[28mx")
    assert screen.text(0) == " " * 8 + "x"


def test_reverse_video_turns_everything():
    screen = shown("a\x1b[7mb\x1b[m\x1b[?5h")
    assert [style.reverse for _, style in screen.line(0)] == [True, False, True]


def test_erasing_keeps_the_background_only():
    screen = shown("\x1b[1;4;44mxx\x1b[2J")
    assert screen.line(1) == [(" " * 20, Style(bg="color(4)"))]


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("\x1b[1;3H\x1b[2@", "ab  cdef"),
        ("\x1b[1;3H\x1b[2P", "abef"),
        ("\x1b[1;3H\x1b[2X", "ab  ef"),
        ("\x1b[1;3H\x1b[K", "ab"),
        ("\x1b[1;3H\x1b[1K", "   def"),
        ("\x1b[1;3H\x1b[2K", ""),
        ("\x1b[1;3H\x1b[4hXY\x1b[4l", "abXYcdef"),
        ("\x1b[1;3HX\x1b[3b", "abXXXX"),
        ("\x1b[1;3H\x1b[9999C|", "abcdef             |"),
        ("\x1b[1;3H\x1b[9999D|", "|bcdef"),
        ("\r\x1b[I|", "abcdef  |"),
        ("\r\x1b[2I\x1b[Z|", "abcdef  |"),
        ("\x1b(0qqx\x1b(Bq", "abcdef──│q"),
    ],
)
def test_editing_a_line(sequence, expected):
    assert shown("abcdef", sequence).text(0) == expected


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("\x1b[2;1H\x1b[L", ["1", "", "2", "3"]),
        ("\x1b[2;1H\x1b[M", ["1", "3", "4", ""]),
        ("\x1b[S", ["2", "3", "4", ""]),
        ("\x1b[T", ["", "1", "2", "3"]),
        ("\x1b[2;3r\x1b[3;1H\nx", ["1", "3", "x", "4"]),
        ("\x1b[2;3r\x1b[2;1H\x1bMx", ["1", "x", "2", "4"]),
        ("\x1b[2;1H\x1b[J", ["1", "", "", ""]),
        ("\x1b[3;1H\x1b[1J", ["", "", "", "4"]),
        ("\x1b[9999L", ["1", "2", "3", ""]),
        ("\x1b[9999S", ["", "", "", ""]),
    ],
)
def test_moving_lines(sequence, expected):
    screen = shown("1\r\n2\r\n3\r\n4", sequence)
    assert screen.display == expected


def test_cursor_below_the_region_stays_below():
    screen = shown("\x1b[1;2r\x1b[4;1H\x1b[A\x1b[Bx")
    assert screen.text(3) == "x"


def test_cursor_is_saved_once_however_often_a_child_asks():
    screen = shown("\x1b[2;5H\x1b[31m" + "\x1b7" * 10_000 + "\x1b[H\x1b[m\x1b8x")
    assert screen.text(1) == "    x"
    assert screen.line(1)[1][1].fg == "color(1)"


def test_wrapping_waits_for_the_next_character():
    screen = shown("x" * 20)
    assert screen.cursor[:2] == (19, 0)
    screen.feed(b"y")
    assert screen.display[:2] == ["x" * 20, "y"]


def test_without_autowrap_the_last_column_is_overwritten():
    assert shown("\x1b[?7l" + "x" * 25 + "yz").display[:2] == ["x" * 19 + "z", ""]


def test_history_keeps_a_thousand_lines():
    screen = shown("".join(f"line {number}\r\n" for number in range(3000)))
    assert len(screen.history) == 1000
    assert screen.history[-1] == "line 2996"
    assert screen.history[0] == "line 1997"


def test_history_survives_a_clear_by_the_child():
    screen = shown("".join(f"{number}\r\n" for number in range(9)), "\x1b[3J\x1bc")
    assert screen.history[0] == "0"


# Width ------------------------------------------------------------


def test_wide_characters_take_two_cells():
    screen = shown("中文a")
    assert screen.cursor.column == 5
    assert screen.line(0)[0][0] == "中文a" + " " * 15


def test_wide_character_at_the_edge_wraps_whole():
    screen = shown("x" * 19 + "中")
    assert screen.display[:2] == ["x" * 19, "中"]


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[1;2Hx",
        "\x1b[1;1Hx",
        "\x1b[1;2H\x1b[K",
        "\x1b[1;2H\x1b[1K",
        "\x1b[1;2H\x1b[P",
        "\x1b[1;2H\x1b[@",
        "\x1b[1;2H\x1b[X",
        "\x1b[1;2H文",
        "\x1b[1;1H\x1b[@",
        "\x1b[1;1H\x1b[4hx",
    ],
)
def test_half_a_wide_character_becomes_blank(sequence):
    screen = shown("中" * 10, sequence)
    assert width(screen, 0) == 20


def test_combining_marks_share_a_cell():
    screen = shown("e\u0301x")
    assert screen.text(0) == "éx"
    assert screen.cursor.column == 2


def test_every_character_is_as_wide_as_the_painter_thinks():
    from rich.cells import cell_len

    wrong = []
    for code in [*range(0x20, 0x3000), *range(0xA000, 0xAC00), *range(0xF900, 0x20000)]:
        character, cells = classify(chr(code))
        if cells != DROPPED and cell_len(character) != cells:
            wrong.append(hex(code))
    assert wrong == []


def test_the_fast_path_is_for_characters_of_one_cell_only():
    wide = [hex(code) for code in range(0x20000) if SIMPLE.fullmatch(chr(code))]
    wrong = [code for code in wide if classify(chr(int(code, 16))) != (chr(int(code, 16)), 1)]
    assert wrong == []


def test_bytes_cut_inside_a_character():
    screen = Screen(20, 2)
    for byte in "é中👍".encode():
        screen.feed(bytes([byte]))
    assert screen.text(0) == "é中👍"


def test_invalid_utf8_is_shown_as_such():
    assert shown(b"a\xff\xfeb\x9b31mc").text(0) == "a��b�31mc"


# Resize ------------------------------------------------------------


def test_shrinking_keeps_the_prompt():
    screen = shown("one\r\nprompt:")
    screen.resize(10, 2)
    assert screen.display == ["one", "prompt:"]
    assert screen.cursor[:2] == (7, 1)


def test_shrinking_moves_the_top_into_the_history():
    screen = shown("1\r\n2\r\n3\r\n4")
    screen.resize(20, 2)
    assert screen.display == ["3", "4"]
    assert screen.history == ["1", "2"]


def test_growing_and_narrowing_cut_no_wide_character_in_half():
    screen = shown("中" * 10)
    screen.resize(5, 4)
    assert screen.text(0) == "中中"
    assert width(screen, 0) == 5
    screen.resize(30, 6)
    assert width(screen, 0) == 30
    assert screen.dirty == set(range(6))


def test_resizing_behind_a_full_screen_program():
    screen = shown("1\r\n2\r\n3\r\nprompt", "\x1b[?1049h\x1b[2J")
    screen.resize(12, 2)
    screen.feed(b"\x1b[?1049l")
    assert screen.display == ["3", "prompt"]
    assert screen.cursor[:2] == (6, 1)
    assert width(screen, 0) == 12


@pytest.mark.parametrize("size", [(1, 1), (0, 0), (-5, -5), (2, 1), (100_000, 100_000)])
def test_any_size_is_survived(size):
    screen = shown("中文 text\r\n" * 5)
    screen.resize(*size)
    screen.feed("中文 more\x1b[2J\x1b[6n\r\n\t\x1b[L\x1b[P".encode())
    columns, rows = screen.size
    assert 1 <= columns <= 1000
    assert 1 <= rows <= 500
    assert all(width(screen, row) == columns for row in range(min(rows, 5)))


# Modes, replies, label ------------------------------------------------------------


def test_flags_follow_the_child():
    screen = shown("\x1b[?1;2004h\x1b[?25l")
    assert (screen.app_cursor, screen.bracketed, screen.cursor.visible) == (True, True, False)
    screen.feed(b"\x1bc")
    assert (screen.app_cursor, screen.bracketed, screen.cursor.visible) == (False, False, True)


def test_replies_are_da1_and_dsr_only():
    screen = shown("ab\x1b[c\x1b[5n\x1b[6n")
    assert screen.take_reply() == b"\x1b[?6c\x1b[0n\x1b[1;3R"
    assert screen.take_reply() == b""
    for question in (
        "\x1b[>c",
        "\x1b[=c",
        "\x1b[?6n",
        "\x1b[?2026$p",
        "\x1b[18t",
        "\x1b[21t",
        "\x1b]10;?\x07",
        "\x1b]52;c;?\x07",
        "\x1bP$qm\x1b\\",
        "\x1bP+q544e\x1b\\",
        "\x1bZ",
        "\x05",
        "\x1b[x",
        "\x1b[1c",
    ):
        screen.feed(question.encode())
        assert screen.take_reply() == b"", question


def test_place_is_told_within_the_region_in_origin_mode():
    screen = shown("\x1b[2;3r\x1b[?6h\x1b[2;1H\x1b[6n")
    assert screen.take_reply() == b"\x1b[2;1R"
    assert screen.cursor.row == 2


def test_a_flood_of_questions_gets_no_flood_of_answers():
    assert len(shown("\x1b[6n" * 100_000).take_reply()) <= 256


def test_title_becomes_a_harmless_label():
    screen = shown("\x1b]2;\u202eevil\x9b31m\r\n[red] " + "x" * 300 + "\x07")
    assert screen.label.startswith("evil31m[red] x")
    assert len(screen.label) == 80
    screen.feed(b"\x1b]1;icon\x07\x1b]52;c;xx\x07")
    assert screen.label.startswith("evil")


# Painting ------------------------------------------------------------


def test_dirty_lines_are_those_that_changed():
    screen = shown("")
    screen.take_dirty()
    screen.feed(b"\x1b[3;1Hx")
    assert screen.take_dirty() == {0, 2}, "the cursor left one line and changed another"
    assert screen.take_dirty() == set()
    screen.feed(b"\x1b[?25l")
    assert screen.take_dirty() == {2}


def test_nothing_of_the_text_is_in_a_repr():
    assert "secret" not in repr(shown("secret"))

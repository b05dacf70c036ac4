"""How a person reads: whose clock, which colours, who came and went in one line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.core.answers import HistoryPage
from tcpchat.core.commands import History
from tcpchat.core.events import Event, MemberJoined, MemberLeft, Message, QuarterBegun, User
from tcpchat.errors import ChatError
from tcpchat.wire.codec import Request
from tcpchat.wire.phrases import phrase_events
from tcpchat.wire.text import TextCodec
from tcpchat.wire.view import Spoken, View, parse_offset
from tests.wire.outlet import OUTLET, Outlet

# Tuesday 14 November 2023, 22:13:20 UTC.
AT = 1_700_000_000_000
HOUR = 3_600_000


def answer(codec: TextCodec, line: str, outlet: Outlet = OUTLET) -> str:
    request = codec.feed(line.encode(), outlet)
    assert request is not None
    return codec.reply(request, request.asks).decode().strip()  # type: ignore[arg-type]  # these never reach the hub


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("+2", 120),
        ("2", 120),
        ("-3:30", -210),
        ("+05:45", 345),
        ("-0330", -210),
        ("+14", 840),
        ("-12", -720),
        ("UTC", 0),
        ("gmt+1", 60),
        ("+0", 0),
    ],
)
def test_a_clock_is_so_far_from_utc(text: str, minutes: int) -> None:
    assert parse_offset(text) == minutes


@pytest.mark.parametrize("text", ["+15", "-12:15", "+2:07", "Europe/Berlin", "+", "++2", "+2:0", "²", "", "+1:75"])
def test_what_is_no_number_of_hours_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ChatError, match=r"no number of hours: type for example /timezone \+2"):
        parse_offset(text)


@pytest.mark.parametrize(("offset", "zone"), [(0, "UTC"), (120, "UTC+2"), (-210, "UTC-3:30"), (345, "UTC+5:45")])
def test_a_clock_has_a_name(offset: int, zone: str) -> None:
    assert View(offset=offset).zone == zone
    assert parse_offset(zone) == offset


def test_the_log_is_shown_by_the_person_s_clock_with_its_days() -> None:
    codec = TextCodec()
    outlet = Outlet()
    assert answer(codec, "/timezone", outlet).endswith("If your clock is two hours ahead of UTC, type /timezone +2")
    assert outlet.reformatted == 0
    assert answer(codec, "/timezone +1:30", outlet) == "Times are shown in UTC+1:30 now."
    assert outlet.reformatted == 1
    entries = [Message("tea", seq, AT + seq * HOUR // 4, "bob", f"text {seq}", "message") for seq in (1, 2)]
    request = Request(History("tea", limit=2))
    assert codec.reply(request, HistoryPage("tea", entries, more=True)).decode().splitlines() == [
        "This was said before, on Tuesday 14 November 2023, times in UTC+1:30:",
        "bob: text 1 (23:58, tea:1)",
        "On Wednesday 15 November 2023:",
        "bob: text 2 (00:13, tea:2)",
        "For what was said before, type /history 2 1",
    ]


def test_everybody_s_day_begins_at_the_own_midnight() -> None:
    midnight = AT - AT % (24 * HOUR) + 24 * HOUR
    for offset, at in ((0, midnight), (120, midnight - 2 * HOUR), (-210, midnight + 7 * HOUR // 2)):
        view = View(offset=offset)
        quarters = [QuarterBegun(at + number * HOUR // 4) for number in range(-8, 88)]
        assert phrase_events(quarters, view, current=False) == ["It is Wednesday 15 November 2023."]


def test_colors_are_shown_when_wanted_and_only_then() -> None:
    codec = TextCodec()
    outlet = Outlet()
    events: list[Event] = [
        Message("tea", 1, AT, "bob", "hi bob", "message", color="teal"),
        Message("tea", 2, AT, "eve", "waves", "action", color="#ff0000"),
        Message("@1", 3, AT, "nina", "psst", "message", with_="bob", color="blue", mine=True),
        MemberLeft("tea", User("bob", "teal")),
    ]
    plain = codec.encoder(current=True).encode(events)
    assert b"\x1b" not in plain
    assert answer(codec, "/color on", outlet) == "Names are shown in colours now."
    painted = codec.encoder(current=True).encode(events).decode()
    assert painted.splitlines() == [
        "\x1b[36mbob\x1b[39m: hi bob",
        "* \x1b[31meve\x1b[39m waves",
        "\x1b[34myou\x1b[39m to bob: psst",
        "bob left tea.",
    ]
    assert answer(codec, "/color off", outlet) == "There are no colours now."
    assert outlet.reformatted == 2
    assert codec.encoder(current=True).encode(events) == plain


@given(
    st.text("ab* :", min_size=1, max_size=80), st.sampled_from(["a", "b", "ab", "you"]), st.sampled_from([0, 20, 30])
)
def test_colors_change_no_character(text: str, speaker: str, width: int) -> None:
    spoken = Spoken.by(speaker, "", text)
    painted = View(width=width, colors=True).lines(spoken)
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in painted] == View(width=width).lines(spoken)


@pytest.mark.parametrize("color", ["", "#zzzzzz", "#12", "beige", "\x1b[2J", "#808080", "#FF8800"])
def test_any_color_is_one_of_the_terminal_s_own(color: str) -> None:
    (line,) = View(colors=True).lines(Spoken.by("bob", color, "bob: hi"))
    assert re.fullmatch(r"\x1b\[3[1-69]mbob\x1b\[39m: hi", line)


def moves(*steps: str) -> list[Event]:
    return [(MemberJoined if step[0] == "+" else MemberLeft)("tea", User(step[1:])) for step in steps]


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ("+a", "a joined tea."),
        ("-a", "a left tea."),
        ("+a +b", "a and b joined tea."),
        ("+a +b +c +d +e +f", "a, b, c, d, e and f joined tea."),
        ("+a +b +c +d +e +f +g", "a, b, c, d, e and 2 more joined tea."),
        ("+a -a", "a came to tea and went."),
        ("-a +a", "a left tea and came back."),
        ("-a +b -c +d -d +a -d", "b joined tea, c left, d came and went, a left and came back."),
    ],
)
def test_who_came_and_went_together_is_one_line(steps: str, line: str) -> None:
    assert phrase_events(moves(*steps.split()), View(), current=True) == [line]


def test_what_is_said_between_them_keeps_its_place() -> None:
    events = [*moves("+a", "+b"), Message("tea", 1, AT, "a", "hi", "message"), *moves("-b", "-a")]
    assert phrase_events(events, View(), current=True) == ["a and b joined tea.", "a: hi", "b and a left tea."]

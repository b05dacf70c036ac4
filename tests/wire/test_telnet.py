"""Telnet's commands: cut anywhere, answered once, bounded, and never begun by us."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.wire.negotiation import Negotiation
from tcpchat.wire.telnet import Telnet

BINARY, ECHO, SGA, STATUS, TIMING_MARK = map(bytes, zip((0, 1, 3, 5, 6), strict=True))
TTYPE, NAWS, LINEMODE = map(bytes, zip((24, 31, 34), strict=True))
WILL, WONT, DO, DONT = b"\xff\xfb", b"\xff\xfc", b"\xff\xfd", b"\xff\xfe"
SB, SE = b"\xff\xfa", b"\xff\xf0"
AYT, EC, EL = b"\xff\xf6", b"\xff\xf7", b"\xff\xf8"
# What we ask for once a peer has shown that it speaks telnet.
QUESTIONS = DO + NAWS + DO + TTYPE
SEND_TYPE = SB + TTYPE + b"\x01" + SE

COMMANDS = st.one_of(
    st.sampled_from(
        [
            b"\xff\xf1",  # NOP
            AYT,
            SB + NAWS + b"\x00\x0a\x00\x18" + SE,  # a window ten columns wide: a line feed in a subnegotiation
            SB + NAWS + b"\x00\xff\xff\x00\x18" + SE,  # 255 columns, doubled
            SB + TTYPE + b"\x00xterm" + SE,
            SB + b"\x2a" + b"x" * 200 + SE,
        ]
    ),
    st.tuples(st.sampled_from([WILL, WONT, DO, DONT]), st.integers(0, 254)).map(lambda it: it[0] + bytes([it[1]])),
    st.tuples(st.sampled_from([WILL, WONT, DO, DONT]), st.sampled_from([BINARY, ECHO, SGA, NAWS, TTYPE])).map(b"".join),
)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).map(str.encode)
CUTS = st.lists(st.integers(0, 300))


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    return [stream[start:end] for start, end in pairwise(places)]


def facts(telnet: Telnet) -> tuple[int, int, str]:
    return telnet.width, telnet.height, telnet.terminal


def met(first: bytes = WILL + SGA) -> Telnet:
    """Return the state after a peer's first command."""
    telnet = Telnet()
    telnet.feed(first)
    telnet.take_replies()
    return telnet


def answers(telnet: Telnet, data: bytes) -> bytes:
    telnet.feed(data)
    return telnet.take_replies()


@given(st.lists(st.one_of(COMMANDS, TEXTS)), CUTS)
def test_text_answers_and_facts_are_the_same_however_it_is_cut(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    whole, cut = Telnet(), Telnet()
    text = b"".join(map(cut.feed, pieces(stream, cuts)))
    assert text == whole.feed(stream) == b"".join(part for part in parts if not part.startswith(b"\xff"))
    assert cut.take_replies() == whole.take_replies()
    assert facts(cut) == facts(whole)


@given(st.binary(), CUTS)
def test_any_bytes_at_all_give_the_same_however_they_are_cut(stream: bytes, cuts: list[int]) -> None:
    whole, cut = Telnet(), Telnet()
    assert b"".join(map(cut.feed, pieces(stream, cuts))) == whole.feed(stream)
    assert cut.take_replies() == whole.take_replies()


@given(st.lists(COMMANDS, max_size=50))
def test_a_peer_that_agrees_even_to_agreements_is_soon_left_alone(opening: list[bytes]) -> None:
    telnet = Telnet()
    said = b"".join(opening)
    for _ in range(3):
        answer = answers(telnet, said)
        asked = re.findall(rb"\xff([\xfb\xfd])(.)", answer, re.DOTALL)
        said = b"".join((DO if word == b"\xfb" else WILL) + option for word, option in asked)
    assert said == b""


OPTIONS = st.sampled_from([0, 1, 3, 5, 24, 31])
STEPS = st.one_of(
    st.tuples(st.sampled_from(["request", "withdraw"]), st.integers(0, 1), st.booleans(), OPTIONS),
    st.tuples(st.just("deliver"), st.integers(0, 1), st.just(True), st.just(0)),
)


@given(st.lists(STEPS, max_size=60))
def test_two_that_change_their_minds_come_to_an_end_and_to_the_same_view(
    steps: list[tuple[str, int, bool, int]],
) -> None:
    pair = Negotiation(), Negotiation()

    def deliver(count: int, to: int) -> None:
        replies = pair[1 - to].replies
        message, replies[:] = bytes(replies[: count * 3]), replies[count * 3 :]
        for start in range(0, len(message), 3):
            pair[to].receive(message[start + 1], message[start + 2])

    for verb, who, ours, option in steps:
        if verb == "deliver":
            deliver(1, who)
        else:
            side = pair[who].ours if ours else pair[who].theirs
            (side.request if verb == "request" else side.withdraw)(option)
        for one in pair:  # what it would answer with isn't of interest here
            one.replies[:] = one.replies.replace(SEND_TYPE, b"")
    for _ in range(10):
        for to in (0, 1):
            deliver(1000, to)
            pair[to].replies[:] = pair[to].replies.replace(SEND_TYPE, b"")
    assert not pair[0].replies
    assert not pair[1].replies
    for option in range(40):
        for one, other in (pair, pair[::-1]):
            assert not one.ours.pending(option)
            assert one.ours.on(option) == other.theirs.on(option)


def test_who_sends_no_command_is_sent_none() -> None:
    telnet = Telnet()
    assert telnet.feed(b"nina\r\nhello \xff there\n") == b"nina\r\nhello \xff there\n"
    assert telnet.take_replies() == b""
    assert (telnet.width, telnet.echo) == (0, True)


def test_who_sends_no_command_is_asked_to_hide_a_password_all_the_same() -> None:
    telnet = Telnet()
    telnet.echo_off()
    assert telnet.take_replies() == WILL + ECHO
    assert telnet.echo is None
    telnet.feed(DO + ECHO)
    assert telnet.echo is False
    telnet.echo_on()
    assert telnet.take_replies() == WONT + ECHO


@pytest.mark.parametrize("first", [WILL + BINARY, WONT + ECHO, DO + SGA, DONT + LINEMODE, AYT, SB + b"\x2a" + SE])
def test_who_sends_a_command_is_asked_for_its_terminal_once(first: bytes) -> None:
    telnet = Telnet()
    assert answers(telnet, first).endswith(QUESTIONS)
    assert QUESTIONS not in answers(telnet, first)


def test_what_is_proposed_first_is_not_asked_for_again() -> None:
    assert answers(Telnet(), WILL + NAWS) == DO + NAWS + DO + TTYPE
    assert answers(met(), WILL + NAWS) == b""


@pytest.mark.parametrize(
    ("proposal", "answer"),
    [
        (DO + BINARY, WILL + BINARY),
        (WILL + BINARY, DO + BINARY),
        (WILL + TTYPE, SEND_TYPE),
        (DONT + BINARY, b""),
        (WONT + SGA, DONT + SGA),
    ],
)
def test_a_change_is_answered_once(proposal: bytes, answer: bytes) -> None:
    telnet = met()
    assert answers(telnet, proposal) == answer
    assert answers(telnet, proposal * 1000) == b""


@pytest.mark.parametrize(
    ("proposal", "answer"),
    [
        (DO + ECHO, WONT + ECHO),
        (WILL + ECHO, DONT + ECHO),
        (DO + STATUS, WONT + STATUS),
        (WILL + LINEMODE, DONT + LINEMODE),
        (DO + NAWS, WONT + NAWS),
        (DO + SGA, WONT + SGA),  # else telnet and PuTTY would leave line editing to us
        (DO + TIMING_MARK, WONT + TIMING_MARK),  # until the answer telnet shows nothing
    ],
)
def test_everything_else_is_refused(proposal: bytes, answer: bytes) -> None:
    telnet = met()
    assert answers(telnet, proposal) == answer
    # A peer that may ask again waits for an answer to that, too.
    assert answers(telnet, proposal) == answer


def test_the_window_and_the_type_of_the_terminal() -> None:
    telnet = met()
    assert answers(telnet, WILL + NAWS + SB + NAWS + b"\x00\x50\x00\x18" + SE + WILL + TTYPE) == SEND_TYPE
    telnet.feed(SB + TTYPE + b"\x00XTERM-256COLOR" + SE)
    assert facts(telnet) == (80, 24, "XTERM-256COLOR")
    telnet.feed(SB + NAWS + b"\x00\xff\xff\x00\x18" + SE)
    assert telnet.width == 255
    for columns, width in ((1, 20), (19, 20), (501, 500), (65534, 500), (0, 0)):
        telnet.feed(SB + NAWS + columns.to_bytes(2, "big") + b"\x00\x18" + SE)
        assert telnet.width == width
    telnet.feed(SB + NAWS + b"\x00\x50\x00\x18" + SE)
    assert answers(telnet, WONT + NAWS) == DONT + NAWS
    assert telnet.width == 0


@pytest.mark.parametrize(
    "block",
    [b"", NAWS, NAWS + b"\x00\x50\x00", NAWS + b"\x00\x50\x00\x18\x00", TTYPE + b"\x00\x1b[2J", TTYPE + b"\x01"],
)
def test_a_subnegotiation_that_makes_no_sense_tells_nothing(block: bytes) -> None:
    telnet = met()
    telnet.feed(WILL + NAWS + WILL + TTYPE + SB + block + SE)
    assert facts(telnet) == (0, 0, "")
    assert telnet.feed(b"hello\n") == b"hello\n"


def test_a_size_that_nobody_agreed_to_tell_is_passed_over() -> None:
    telnet = met()
    telnet.feed(SB + NAWS + b"\x00\x50\x00\x18" + SE)
    assert telnet.width == 0


def test_a_subnegotiation_that_does_not_end_is_given_up() -> None:
    telnet = met()
    assert telnet.feed(SB + NAWS + b"x" * 10_000)[-5:] == b"xxxxx"
    assert telnet.feed(b"hello\n") == b"hello\n"
    telnet.feed(SB + b"".join(b"\xff\xff" for _ in range(2000)) + b"\n")
    assert telnet.feed(b"hello\n") == b"hello\n"


def test_a_doubled_iac_and_one_that_begins_no_command_are_bytes_255() -> None:
    assert Telnet().feed(b"a\xff\xffb\n") == b"a\xffb\n"
    telnet = Telnet()
    assert telnet.feed(b"hello \xff") + telnet.feed(b"\n") == b"hello \xff\n"


def test_are_you_there() -> None:
    assert answers(met(), b"\xff\xf4" + AYT + b"\xff\xf1") == b"[Yes]\r\n"


def test_erase_character_and_erase_line_become_the_keys_that_do_it() -> None:
    telnet = met()
    assert telnet.feed(b"helo" + EC + b"lo\r\n" + b"no" + EL + b"yes\n") == b"helo\x7flo\r\nno\x15yes\n"


@pytest.mark.parametrize("command", range(236, 250))
def test_the_other_commands_leave_no_byte_in_the_text(command: int) -> None:
    if bytes((255, command)) not in (EC, EL):
        telnet = met()
        assert telnet.feed(b"hel\xff") + telnet.feed(bytes((command,)) + b"lo\n") == b"hello\n"
        assert telnet.feed(b"hel\xff" + bytes((command,)) + b"lo\n") == b"hello\n"


def test_what_putty_proposes_leaves_it_editing_lines() -> None:
    opening = WILL + NAWS + WILL + b"\x20" + WILL + TTYPE + WILL + b"\x27" + DO + ECHO + WILL + SGA + DO + SGA
    telnet = Telnet()
    said = answers(telnet, opening)
    assert WONT + ECHO in said
    assert WONT + SGA in said
    assert WILL not in said
    telnet.feed(SB + NAWS + b"\x00\x50\x00\x18" + SE)
    assert telnet.width == 80


def test_cr_nul_ends_a_line() -> None:
    telnet = Telnet()
    assert telnet.feed(b"one\r\0two\r") + telnet.feed(b"\0three\r\n\0") == b"one\r\ntwo\r\nthree\r\n\0"


def test_echo_is_turned_off_and_on_and_the_answer_is_noted() -> None:
    telnet = met()
    telnet.echo_off()
    assert telnet.take_replies() == WILL + ECHO
    assert telnet.echo is None
    telnet.feed(DO + ECHO)
    assert telnet.echo is False
    telnet.echo_on()
    telnet.echo_off()  # before the answer: it is asked for again afterwards (RFC 1143, the queue bit)
    assert telnet.take_replies() == WONT + ECHO
    assert answers(telnet, DONT + ECHO) == WILL + ECHO
    assert answers(telnet, DONT + ECHO) == b""
    assert telnet.echo is True
    telnet.echo_off()
    telnet.echo_on()
    assert answers(telnet, DO + ECHO) == WILL + ECHO + WONT + ECHO
    telnet.feed(DONT + ECHO)
    assert telnet.echo is True


@pytest.mark.parametrize(
    "flood",
    [
        DO + b"\x07",
        DO + SGA + DONT + SGA,
        WILL + TTYPE + WONT + TTYPE,
        AYT,
        EC,
        b"\xff\xf1",
        SB,
        SB + SE,
        WILL + NAWS + SB + NAWS + b"\x00\x50\x00\x18" + SE,
        b"\xff\xff",
    ],
)
def test_a_flood_gets_few_answers_and_soon_costs_little(flood: bytes) -> None:
    telnet = Telnet()
    chunk = flood * (65536 // len(flood))
    said = b"".join(answers(telnet, chunk) for _ in range(200))
    assert len(said) < 4200 * 9
    began = time.process_time()
    telnet.feed(chunk)
    assert time.process_time() - began < 0.02
    assert telnet.take_replies() == b""


def test_after_a_flood_text_is_text_and_lines_have_no_width() -> None:
    telnet = met(WILL + NAWS + SB + NAWS + b"\x00\x50\x00\x18" + SE)
    assert telnet.width == 80
    telnet.feed(AYT * 5000)
    assert telnet.width == 0
    assert telnet.feed(b"hel" + DO + SGA + b"lo\r" + AYT + b"\n") == b"hello\r\n"

"""What is typed into the line client, and how it ends."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.client.guest import Guest, arrive, serve
from tests.house import House, Script


def test_speech_and_commands_are_those_of_the_text_wire(house: House) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    guest = arrive(house, "tea", "lobby")
    bob.take()
    guest.type(
        "hello", "/me waves", "//help", "/msg bob psst", ":rm tea one cup", "/who", "/create cake", "/leave", "hm"
    )
    guest.pump(house)
    assert sorted(bob.heard()) == [
        "* tina waves in lobby",
        "tina in lobby: /help",
        "tina in lobby: hello",
        "tina to bob: psst",
    ]
    lines = guest.take()
    assert sorted(lines[:5]) == [
        "* tina waves",
        "tina in tea: one cup",
        "tina: /help",
        "tina: hello",
        "you to bob: psst",
    ]
    assert lines[5:] == [
        "2 people are in lobby: bob and tina.",
        "The room cake is there now. Type /join cake to enter it.",
        "You left lobby. You are speaking in tea now.",
        "tina: hm",
    ]


def test_the_end_waits_for_every_answer() -> None:
    guest = Guest(Clock(), interactive=False)
    serve(guest)
    guest.type("one", "/quit")
    guest.shell.end()
    one, leaving = guest.asked()
    assert (one["op"], leaving["op"]) == ("say", "quit")
    guest.tell({"op": "say", "id": one["id"], "status": "ok", "data": {"room": "lobby", "seq": 1, "at": 0}})
    assert guest.statuses == []
    guest.tell({"op": "quit", "id": leaving["id"], "status": "ok", "data": {}})
    assert guest.statuses == [0]
    guest.lose()
    assert guest.screen.complaints == guest.take() == []


def test_a_pipe_shows_what_it_asked_for_and_no_more(house: House) -> None:
    guest = arrive(house, interactive=False)
    guest.type(
        "hello", "/users", "/help me", "/create tea", "/join tea", "/topic", "/ignored", "/whois t\t", "/whois tina"
    )
    guest.pump(house)
    assert guest.take() == [
        "/me TEXT: Say what you do, in the third person.",
        "For example: /me waves",
        "One person is here: tina.",
        "tea has no topic. Type /topic TEXT to set one.",
        "You ignore nobody.",
        "It could be: tina.",
        "tina is a guest, here since 22:13 UTC on Tuesday 14 November 2023, in lobby and tea.",
    ]
    guest.shell.end()
    guest.pump(house)
    assert guest.statuses == [0]


def test_a_pipe_that_is_refused_a_line_names_it_and_ends_with_1(house: House) -> None:
    guest = arrive(house, interactive=False)
    guest.type("one", "/join a:b")
    guest.shell.typed(b"\xff")
    guest.shell.too_long(16384)
    guest.pump(house)
    guest.shell.end()
    guest.pump(house)
    assert sorted(guest.screen.complaints) == [
        "Line 2: The room name can't contain ':': use letters, digits, '-', '_' and '.'.",
        "Line 3: That line was not UTF-8: it was not sent.",
        "Line 4: That line is longer than 16384 bytes: it was not sent.",
    ]
    assert guest.statuses == [1]


@pytest.mark.parametrize("ended", [False, True])
def test_a_pipe_gives_up_when_the_connection_breaks_and_says_from_where_on(ended: bool) -> None:
    guest = Guest(Clock(), interactive=False)
    serve(guest)
    guest.type("one")
    guest.answer({"room": "lobby", "seq": 1, "at": 0})
    guest.type("two", "three")
    if ended:
        guest.shell.end()
    guest.lose()
    guest.shell.waiting(1)
    assert guest.screen.complaints == [
        "The connection is lost: Connection was aborted locally using ITCPTransport.abortConnection.",
        "What follows line 1 was not acknowledged.",
    ]
    assert guest.statuses == [1]


def test_ctrl_c_says_goodbye_and_waits_a_moment_only() -> None:
    clock = Clock()
    guest = Guest(clock)
    serve(guest)
    guest.shell.interrupt(130)
    assert [asked["op"] for asked in guest.asked()] == ["quit"]
    assert guest.statuses == []
    clock.advance(1)
    assert guest.statuses == [130]
    guest.shell.interrupt(130)
    assert guest.statuses == [130, 130]


def test_what_comes_after_goodbye_in_a_pipe_is_said_not_to_be_sent() -> None:
    guest = Guest(Clock(), interactive=False)
    serve(guest)
    guest.type("one", "/quit", "two", "three")
    one, leaving = guest.asked()
    guest.tell({"op": "say", "id": one["id"], "status": "ok", "data": {"room": "lobby", "seq": 1, "at": 0}})
    guest.tell({"op": "quit", "id": leaving["id"], "status": "ok", "data": {}})
    assert guest.statuses == [1]
    assert guest.screen.complaints == ["Line 3 and what follows it were not sent: /quit comes before."]

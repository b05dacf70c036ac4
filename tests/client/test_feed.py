"""What the line client shows of what happens: once, in its order, and nothing but text."""

from __future__ import annotations

from twisted.internet.task import Clock

from tests.client.guest import GREETING, Guest, arrive, event, joined, said, serve
from tests.house import House, Script


def test_a_deleted_room_is_left_for_the_one_before(house: House) -> None:
    bob = Script(house, "bob")
    bob.ask("create", room="tea")
    guest = arrive(house, "lobby", "tea")
    bob.ask("delete", room="tea")
    guest.pump(house)
    assert guest.take() == ["The room tea was deleted.", "You are speaking in lobby now."]
    guest.type("where am I?")
    guest.pump(house)
    assert guest.take() == ["tina: where am I?"]


def test_nothing_that_others_send_reaches_the_terminal_as_it_is(house: House) -> None:
    guest = Guest(house.clock)
    guest.connect()
    guest.answer(GREETING)
    guest.answer({"user": {"name": "tina"}, "rooms": []})
    guest.answer(joined("lobby", 2, entries=(said(1, "\x1b]0;title\x07"), said(2, "a\r\nServer: b\x9b"))))
    guest.tell({"op": "message", "data": said(3, "\x1b[2J\u202egone\u2028bob: forged")})
    guest.tell({"op": "notice", "data": {"text": "one\ntwo"}})
    guest.type("/who")
    guest.answer(error="no\x1b[H")
    lines = guest.take()
    assert all(line.isprintable() for line in lines)
    assert lines[-3:] == ["bob: [2Jgone bob: forged", "one two", "Refused: no[H."]


def test_what_is_said_while_catching_up_comes_after_it_and_once() -> None:
    guest = Guest(Clock())
    serve(guest, head=5)
    guest.lose()
    guest.connect()
    guest.answer({"user": {"name": "tina"}, "rooms": []})
    asked = guest.answer(joined("lobby", 8, entries=(said(6),)))
    assert asked["data"] == {"room": "lobby", "key": "", "last": None, "after": 5}
    guest.tell({"op": "message", "data": said(9)})
    asked = guest.answer({"room": "lobby", "entries": [said(7), said(8), said(9)], "more": False})
    assert asked["data"]["after"] == 6
    guest.tell({"op": "message", "data": said(10)})
    shown = [line.split(" (")[0] for line in guest.take() if line.startswith("bob")]
    assert shown == [f"bob: word {number}" for number in range(6, 11)]


def test_who_comes_in_the_same_moment_is_one_line_and_comes_before_what_is_said(house: House) -> None:
    guest = Guest(house.clock, "tina")
    serve(guest)
    for name in ("ada", "bob"):
        guest.tell(event("joined", room="lobby", user={"name": name}))
    assert guest.take() == []
    house.clock.advance(0)
    assert guest.take() == ["ada and bob joined lobby."]
    guest.tell(event("left", room="lobby", user={"name": "ada"}))
    guest.tell(event("left", room="tea", user={"name": "ada"}))
    guest.tell(event("message", **said(1)))
    assert guest.take() == ["ada left lobby.", "ada left tea.", "bob: word 1"]
    house.clock.advance(0)
    assert guest.take() == []


def test_times_are_those_of_the_clock_one_has_and_a_new_day_is_told(house: House) -> None:
    guest = Guest(house.clock, "tina")
    serve(guest)
    guest.type("/timezone +2")
    assert guest.take() == ["Times are shown in UTC+2 now."]
    assert guest.asked() == []
    evening, night = 1_700_000_000_000 - 20 * 60_000, 1_700_000_000_000  # 21:53 and 22:13 of UTC
    guest.tell(event("message", **said(1) | {"at": evening}))
    guest.tell(event("message", **said(2) | {"at": night}))
    guest.tell(event("message", **said(3) | {"at": night}))
    assert guest.take() == ["bob: word 1", "It is Wednesday 15 November 2023.", "bob: word 2", "bob: word 3"]
    guest.type("/history")
    guest.answer({"room": "lobby", "entries": [said(1) | {"at": evening}], "more": False})
    assert guest.take() == [
        "This was said before, on Tuesday 14 November 2023, times in UTC+2:",
        "bob: word 1 (23:53, lobby:1)",
    ]


def test_colors_are_the_client_s_own_and_no_server_can_do_more(house: House) -> None:
    guest = Guest(house.clock, "tina")
    serve(guest)
    guest.type("/color on")
    assert guest.take() == ["Names are shown in colours now."]
    guest.tell(event("message", **said(1, "\x1b[2Jhi") | {"from": "b\x1bob", "color": "\x1b[5m"}))
    (line,) = guest.take()
    assert line[5:] == "bob\x1b[39m: [2Jhi"
    guest.type("/color off")
    guest.take()
    guest.tell(event("message", **said(2)))
    assert guest.take() == ["bob: word 2"]


def test_what_was_said_to_one_alone_is_shown_once(house: House) -> None:
    bob = Script(house, "bob")
    guest = arrive(house)
    bob.tell("tina", "one")
    guest.pump(house)
    guest.lose()
    bob.tell("tina", "two")
    house.settle()
    guest.connect(house)
    assert [line for line in guest.take() if line.startswith("bob")] == ["bob to you: one", "bob to you: two"]


def test_a_time_that_no_calendar_has_and_a_room_one_is_not_in_are_a_server_s_mistakes(house: House) -> None:
    guest = Guest(house.clock, "tina")
    guest.connect()
    guest.answer(GREETING)
    guest.answer({"user": {"name": "tina"}, "rooms": []})
    guest.answer(joined("lobby", 1, entries=(said(1) | {"at": 10**18},)))
    assert guest.wire.aborted
    guest.lose()
    serve(guest)
    guest.tell(event("message", **said(2) | {"at": -1}))
    assert guest.wire.aborted
    guest.lose()
    guest.connect()
    guest.answer({"user": {"name": "tina"}, "rooms": []})
    guest.answer(joined("lobby"))
    guest.type("/switch tea")
    guest.answer({"room": "tea"})
    guest.lose()
    guest.take()
    guest.connect()
    guest.answer({"user": {"name": "tina"}, "rooms": []})
    assert guest.answer(joined("lobby"))["data"]["room"] == "lobby"
    assert guest.take()[0] == "You are connected again."

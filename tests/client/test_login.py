"""Who the line client is on the server: coming, coming back, and what proves it."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tcpchat.client.arrival import NAME_ATTEMPTS, NAME_SECONDS, RESUME_ATTEMPTS
from tests.client.guest import GREETING, Guest, arrive, event, joined, said, serve
from tests.house import House, Script


def test_without_a_name_it_is_asked_for_and_nobody_is_called_before(house: House) -> None:
    guest = Guest(house.clock, None)
    assert guest.take() == ["What is your name?"]
    guest.type("", "/rooms")
    assert guest.take() == [
        "What is your name?",
        "You are not logged in: choose a name first.",
        "What is your name?",
    ]
    assert not guest.calling
    guest.type("tina")
    assert guest.calling
    assert not guest.screen.reading
    guest.connect(house)
    assert guest.screen.reading
    assert guest.take() == [
        "This is tcpchat 0.0.1. Nobody else is here.",
        "Be kind.",
        "Hello, tina. Type /help to see what you can do.",
        "What is said here is logged, and shown to those who come later.",
        "You are in lobby, alone.",
    ]


def test_a_name_that_is_refused_is_asked_for_again(house: House) -> None:
    Script(house, "tina")
    guest = Guest(house.clock, "tina")
    guest.connect(house)
    assert guest.take()[-2:] == ["The name tina is in use. tina2 is free.", "What is your name?"]
    assert not guest.calling
    guest.type("nina")
    guest.connect(house)
    assert "Hello, nina. Type /help to see what you can do." in guest.take()


def test_on_coming_back_nothing_is_missed_and_nothing_repeated(house: House) -> None:
    bob = Script(house, "bob")
    for room in ("lobby", "tea"):
        bob.enter(room)
    guest = arrive(house, "tea", "lobby")
    bob.say("lobby", "one")
    bob.say("tea", "one")
    guest.pump(house)
    assert guest.take() == ["bob: one", "bob in tea: one"]

    guest.lose()
    guest.shell.waiting(1.2)
    for number in range(450):
        bob.say("tea", f"word {number}")
        house.settle()
    bob.say("lobby", "two")
    guest.type("/users", "hello?")
    assert guest.take() == [
        "The connection is lost: Connection was aborted locally using ITCPTransport.abortConnection. "
        "Trying again in 2 s.",
        "There is no connection: that was not sent.",
        "There is no connection: that was not sent.",
    ]
    guest.connect(house)
    lines = guest.take()
    assert lines[0] == "You are connected again."
    assert lines[1] == "You are speaking in lobby now."
    said = [line for line in lines if line.startswith("bob")]
    assert [line for line in said if "tea" in line] == [f"bob in tea: word {number}" for number in range(450)]
    assert [line for line in said if "tea" not in line] == ["bob: two"]
    assert sorted(lines[-2:]) == ["Now in lobby: bob and tina.", "Now in tea: bob and tina."]
    guest.type("back")
    guest.pump(house)
    assert guest.take() == ["tina: back"]


def test_on_coming_back_one_speaks_where_one_spoke_before(house: House) -> None:
    guest = arrive(house, "tea", "cake")
    guest.type("/join tea")
    guest.pump(house)
    guest.lose()
    guest.connect(house)
    assert "You are speaking in tea now." in guest.take()
    guest.type("here", "/leave", "there")
    guest.pump(house)
    assert guest.take() == ["tina: here", "You left tea. You are speaking in cake now.", "tina: there"]


def test_a_room_that_is_deleted_while_one_comes_back_is_left_alone(house: House) -> None:
    bob = Script(house, "bob")
    bob.ask("create", room="tea")
    guest = arrive(house, "lobby", "tea")
    guest.lose()
    guest.connect()
    guest.answer(error="no-such-session")
    guest.answer({"user": {"name": "tina"}, "rooms": []})
    guest.tell(event("room-deleted", room="tea"))
    assert guest.answer(joined("lobby"))["data"]["room"] == "lobby"
    assert guest.asked() == []
    guest.type("hello")
    assert [asked["op"] for asked in guest.asked()] == ["say"]


def test_a_room_that_began_anew_is_read_from_its_beginning() -> None:
    guest = Guest(Clock())
    serve(guest, head=5)
    guest.lose()
    guest.connect()
    guest.answer({"user": {"name": "tina"}, "rooms": []})
    guest.answer(joined("lobby", 7, epoch=2, entries=(said(6), said(7))))
    asked = guest.answer({"room": "lobby", "entries": [said(number) for number in range(1, 8)], "more": False})
    assert asked["data"]["after"] == 0
    shown = [line.split(" (")[0] for line in guest.take() if line.startswith("bob")]
    assert shown == [f"bob: word {number}" for number in range(1, 8)]


def test_a_name_that_was_taken_meanwhile_is_tried_a_few_times_then_another_is_asked_for() -> None:
    clock = Clock()
    guest = Guest(clock)
    serve(guest)
    guest.lose()
    guest.connect()
    for _ in range(NAME_ATTEMPTS - 1):
        guest.answer(error="name-taken")
        assert guest.take() == ["The name tina is in use. Trying again in 3 s."]
        clock.advance(NAME_SECONDS)
    guest.answer(error="name-taken")
    assert guest.take() == ["Refused: name-taken.", "What is your name?"]
    assert not guest.calling
    guest.type("tina2")
    guest.connect()
    assert guest.answer({"user": {"name": "tina2"}, "rooms": []})["data"]["name"] == "tina2"
    assert guest.answer(joined("lobby"))["op"] == "join"
    assert guest.take() == ["You are connected again.", "You are speaking in lobby now."]


def test_who_comes_back_is_away_and_ignores_the_same_people(house: House) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    guest = arrive(house)
    guest.type("/away at lunch", "/ignore bob")
    guest.pump(house)
    guest.lose()
    bob.say("lobby", "psst")
    house.settle()
    guest.take()
    guest.connect(house)
    assert guest.take() == [
        "You are connected again.",
        "You are speaking in lobby now.",
        "Now in lobby: bob and tina (away).",
    ]
    assert bob.ask("whois", user="tina")["away"] == "at lunch"


def test_who_comes_back_after_the_session_ended_sets_all_anew(house: House) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    guest = arrive(house)
    guest.type("/away at lunch", "/ignore bob")
    guest.pump(house)
    guest.lose()
    house.clock.advance(house.chat.limits.resume_guest_seconds)
    house.hub.tick()
    bob.say("lobby", "psst")
    house.settle()
    guest.take()
    guest.connect(house)
    assert guest.take() == ["You are connected again.", "You are speaking in lobby now."]
    assert bob.ask("whois", user="tina")["away"] == "at lunch"
    assert bob.ask("whois", user="tina")["user"]["name"] == "tina"


def test_a_registered_name_is_asked_its_password_and_comes_back_with_it(house: House) -> None:
    Script(house, "tina").ask("register", password="correct horse")
    for connection in list(house.factory.connections):
        connection.transport.tear()  # type: ignore[attr-defined]
    guest = Guest(house.clock, "tina")
    guest.connect(house)
    assert guest.take()[-1] == "The password of tina:"
    assert guest.screen.hidden
    guest.type("wrong horse")
    assert not guest.screen.hidden
    guest.connect(house)
    assert guest.take()[-2:] == [
        "That name and what proves it don't belong together. Try again, or press Enter.",
        "The password of tina:",
    ]
    guest.type("correct horse")
    guest.connect(house)
    assert "Hello, tina. Type /help to see what you can do." in guest.take()
    guest.type("/password")
    guest.pump(house)
    guest.type("correct horse", "battery staple", "battery staple")
    guest.pump(house)
    assert guest.take()[-1] == "Your password is changed."
    guest.lose()
    guest.take()
    guest.connect(house)
    assert guest.take()[0] == "You are connected again."
    guest.type("/logout")
    guest.pump(house)
    assert guest.take()[-2:] == ["You are logged out.", "What is your name?"]
    guest.type("visitor")
    guest.connect(house)
    guest.type("/login tina battery staple")
    guest.pump(house)
    assert "Hello, tina. Type /help to see what you can do." in guest.take()


def test_a_token_logs_in_a_pipe() -> None:
    guest = Guest(Clock(), "whoever", interactive=False, token="tcpchat_token")
    guest.connect()
    guest.answer(GREETING)
    assert guest.answer({"user": {"name": "tina"}, "rooms": []})["data"]["token"] == "tcpchat_token"


def coming_back() -> Guest:
    """Return a guest with a session, who has just connected again."""
    guest = Guest(Clock())
    guest.connect()
    guest.answer(GREETING)
    guest.answer({"user": {"name": "tina"}, "rooms": [], "session": "kx3m-7pqa-b2zw-ymth"})
    guest.answer(joined("lobby"))
    guest.lose()
    guest.connect()
    guest.take()
    return guest


@pytest.mark.parametrize("code", ["busy", "store-failed", "too-many-attempts", "rate-limited"])
def test_who_can_t_go_on_for_the_moment_tries_again(code: str) -> None:
    guest = coming_back()
    assert guest.answer(error=code)["op"] == "resume"
    assert guest.take() == ["The server is not ready for you. Trying again in 3 s."]
    guest.clock.advance(3)  # type: ignore[attr-defined]
    told = {"user": {"name": "tina"}, "session": "7hqe-5mwy-ncza-r2fd", "rooms": [], "lost": [], "current": "lobby"}
    assert guest.answer(told)["op"] == "resume"
    assert guest.take()[0] == "You are connected again."


def test_who_can_t_go_on_at_all_logs_in() -> None:
    guest = coming_back()
    for _ in range(RESUME_ATTEMPTS):
        assert guest.answer(error="busy")["op"] == "resume"
        guest.clock.advance(3)  # type: ignore[attr-defined]
    assert guest.answer({"user": {"name": "tina"}, "rooms": []})["op"] == "login"


def test_who_names_more_cursors_than_a_line_takes_logs_in() -> None:
    guest = coming_back()
    assert guest.asked()[0]["op"] == "resume"
    guest.tell({"op": "error", "status": "error", "error": {"code": "line-too-long", "message": "Too long."}})
    assert guest.answer({"user": {"name": "tina"}, "rooms": []})["op"] == "login"

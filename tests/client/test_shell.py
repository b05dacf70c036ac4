from __future__ import annotations

from ipaddress import ip_network

import pytest
from twisted.internet.task import Clock

from tcpchat.client.arrival import NAME_ATTEMPTS, NAME_SECONDS
from tests.client.guest import Guest
from tests.house import House, Script

GREETING = {
    "server": "tcpchat",
    "version": "1",
    "protocol": 1,
    "features": [],
    "limits": {},
    "motd": "Be\x1b[1m kind.",
    "people": 0,
}


@pytest.fixture
def house() -> House:
    return House(trusted=(ip_network("192.0.2.0/24"),))


def arrive(house: House, *rooms: str, interactive: bool = True, verbose: bool = False) -> Guest:
    guest = Guest(house.clock, "tina", *rooms, interactive=interactive, verbose=verbose)
    guest.connect(house)
    guest.take()
    return guest


def joined(room: str, head: int = 0, epoch: int = 1, entries: tuple[dict[str, object], ...] = ()) -> dict[str, object]:
    return {
        "room": room, "topic": "", "head": head, "epoch": epoch, "members": [], "entries": entries, "more": False,
    }  # fmt: skip


def said(seq: int, text: str = "", room: str = "lobby") -> dict[str, object]:
    return {"room": room, "seq": seq, "at": 0, "from": "bob", "text": text or f"word {seq}", "kind": "message"}


def serve(guest: Guest, head: int = 0) -> None:
    """Let the test, as the server, welcome the guest in the lobby."""
    guest.connect()
    guest.answer(GREETING)
    guest.answer({"user": {"name": "tina"}, "rooms": []})
    guest.answer(joined("lobby", head))
    guest.take()


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


def test_what_was_under_way_when_the_connection_broke_is_said_to_be_unknown() -> None:
    guest = Guest(Clock())
    serve(guest)
    guest.type("hello", "/who")
    guest.lose()
    assert guest.take() == ["It is not known whether this was sent: hello"]


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


def test_a_pipe_reads_no_more_while_much_is_unanswered() -> None:
    guest = Guest(Clock(), interactive=False)
    serve(guest)
    guest.type(*(f"line {number}" for number in range(199)))
    assert guest.screen.reading
    guest.type("one more")
    assert not guest.screen.reading
    for number, asked in enumerate(guest.asked(), 1):
        assert guest.screen.reading == (number > 100)
        guest.tell({"op": "say", "id": asked["id"], "status": "ok", "data": {"room": "lobby", "seq": number, "at": 0}})


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


def event(op: str, **data: object) -> dict[str, object]:
    return {"op": op, "data": data}


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


def test_what_comes_after_goodbye_in_a_pipe_is_said_not_to_be_sent() -> None:
    guest = Guest(Clock(), interactive=False)
    serve(guest)
    guest.type("one", "/quit", "two", "three")
    one, leaving = guest.asked()
    guest.tell({"op": "say", "id": one["id"], "status": "ok", "data": {"room": "lobby", "seq": 1, "at": 0}})
    guest.tell({"op": "quit", "id": leaving["id"], "status": "ok", "data": {}})
    assert guest.statuses == [1]
    assert guest.screen.complaints == ["Line 3 and what follows it were not sent: /quit comes before."]


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

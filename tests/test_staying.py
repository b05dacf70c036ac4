"""What stays with an account: the rooms it follows, how far it has read, and what was said to it meanwhile."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from tcpchat.core.accounts import State
from tcpchat.core.entries import PersonId, RoomId
from tcpchat.core.limits import Limits
from tcpchat.core.positions import Marker
from tcpchat.errors import ChatError, Code
from tests.house import House, Script, Terminal

SECRET = "correct horse"


@pytest.fixture
def house() -> House:
    return House()


def account(house: House, name: str = "nina", **fields: Any) -> Script:
    """Return somebody who has just registered."""
    person = Script(house)
    person.ask("login", name=name, **fields)
    person.ask("register", password=SECRET, **fields)
    person.take()
    person.name = name
    return person


def logged_in(house: House, name: str = "nina", **fields: Any) -> tuple[Script, dict[str, Any]]:
    """Return another connection of somebody, and what the login told it."""
    person = Script(house)
    answer = person.ask("login", name=name, password=SECRET, **fields)
    person.name = name
    return person, answer


def arrived(house: House, name: str = "nina") -> tuple[Terminal, list[str]]:
    """Return somebody who has come to a terminal, and what it shows after the greeting of the lobby."""
    person = Terminal(house)
    house.clock.advance(1)
    person.type(f"/login {name} {SECRET}")
    lines = person.take()
    person.name = name
    came_back = next(place for place, line in enumerate(lines) if line.startswith("If the connection breaks, "))
    return person, lines[came_back + 1 :]


def tick(house: House) -> None:
    """Let two seconds pass."""
    house.clock.advance(2)
    house.hub.tick()
    house.settle()


def events(person: Script, op: str) -> list[dict[str, Any]]:
    return [line["data"] for line in person.take() if line["op"] == op and "id" not in line]


def of_room(answer: dict[str, Any], room: str) -> dict[str, Any] | None:
    return next((told for told in answer["following"] if told["room"] == room), None)


def refusal(person: Script, op: str, **data: Any) -> ChatError:
    with pytest.raises(ChatError) as refused:
        person.ask(op, **data)
    return refused.value


def restarted(house: House) -> House:
    """Return the same daemon after an orderly stop and a start: with what was stored."""
    house.hub.close()
    for connection in list(house.factory.connections):
        connection.retire("The server is shutting down.", Code.SHUTTING_DOWN)
    house.settle()
    house.hub.save()
    house.settle()
    return reborn(house)


def reborn(house: House) -> House:
    """Return the daemon with what was stored so far, as after a kill."""
    records = [house.chat.rooms.log(room) for room in house.store.keys.values()]
    other = House(house.chat.limits)
    old, store = house.store, other.store
    store.logs, store.accounts, store.credentials = old.logs, old.accounts, old.credentials
    store.positions, store.directs = old.positions, old.directs
    for kept in old.accounts.values():
        other.chat.accounts.put(kept)
    for room in records:
        assert room is not None
        if (lobby := other.chat.rooms.log(room.id)) is not None:
            lobby.head = room.head
        else:
            room.members = {}  # type: ignore[union-attr]
            room.people = {}  # type: ignore[union-attr]
            other.chat.rooms.add(room)  # type: ignore[arg-type]
    rooms = {room.id for room in records if room is not None}
    other.hub.restore([], [], [], {}, [marker for marker in store.positions.values() if marker.room in rooms])
    return other


# What is new.


def test_a_login_tells_what_is_new_in_the_rooms_one_follows(house: House) -> None:
    nina, bob = account(house), Script(house, "bob")
    for room in ("tea", "cake"):
        nina.ask("join", room=room)
        bob.ask("join", room=room)
    nina.ask("leave", room="cake")
    nina.ask("quit")
    for text in ("one", "Nina: two", "three"):
        bob.ask("say", room="tea", text=text)
    bob.ask("say", room="cake", text="four")
    nina, answer = logged_in(house)
    assert answer["following"] == [{"room": "tea", "unread": 3, "mentions": 1}]
    assert answer["directs"] == []
    (tea,) = (room for room in answer["rooms"] if room["room"] == "tea")
    assert (tea["unread"], tea["mentions"]) == (3, 1)
    assert nina.ask("rooms", search="tea")["rooms"][0]["unread"] == 3
    assert "unread" not in bob.ask("rooms", search="tea")["rooms"][0]
    joined = nina.ask("join", room="tea")
    assert (joined["read"], joined["head"]) == (0, 3)
    assert nina.ask("rooms", search="tea")["rooms"][0]["unread"] == 3  # a program says what is read


def test_a_guest_follows_nothing(house: House) -> None:
    bob = Script(house, "bob")
    bob.ask("join", room="tea")
    assert "read" not in bob.ask("join", room="lobby")
    assert refusal(bob, "read", room="tea", seq=0).code is Code.ACCOUNT_NEEDED
    guest = Script(house)
    assert "following" not in guest.ask("login", name="carl")
    bob.ask("quit")
    tick(house)
    assert house.store.positions == {}


def test_a_guest_who_registers_follows_the_rooms_it_is_in(house: House) -> None:
    nina, bob = Script(house, "nina"), Script(house, "bob")
    nina.ask("join", room="tea")
    bob.ask("join", room="tea")
    bob.ask("say", room="tea", text="before")
    nina.ask("register", password=SECRET)
    nina.ask("quit")
    bob.ask("say", room="tea", text="after")
    assert logged_in(house)[1]["following"] == [{"room": "tea", "unread": 1, "mentions": 0}]


def test_what_one_says_oneself_is_not_new(house: House) -> None:
    nina = account(house)
    nina.ask("join", room="tea")
    for text in ("one", "two"):
        nina.ask("say", room="tea", text=text)
    assert nina.ask("rooms", search="tea")["rooms"][0]["unread"] == 0


# The marker.


def test_reading_on_one_connection_is_told_to_the_others(house: House) -> None:
    nina, bob = account(house), Script(house, "bob")
    phone, _ = logged_in(house)
    for person in (nina, bob):
        person.ask("join", room="tea")
    for text in ("one", "to nina", "three", "@nina four"):
        bob.ask("say", room="tea", text=text)
    nina.take(), phone.take()
    assert nina.ask("read", room="tea", seq=2) == {"room": "tea", "seq": 2, "unread": 2, "mentions": 1}
    assert events(phone, "read") == [{"room": "tea", "seq": 2}]
    assert events(nina, "read") == []
    # Never back, and nobody is told.
    assert phone.ask("read", room="tea", seq=1) == {"room": "tea", "seq": 2, "unread": 2, "mentions": 1}
    assert events(nina, "read") == []
    assert phone.ask("read", room="tea", seq=4) == {"room": "tea", "seq": 4, "unread": 0, "mentions": 0}


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        ({"room": "tea", "seq": 3}, Code.BAD_FIELD, "The last entry of tea has the number 2"),
        ({"room": "tea", "seq": -1}, Code.BAD_FIELD, "The field seq is wrong"),
        ({"room": "tea"}, Code.BAD_FIELD, "The field seq is missing"),
        ({"seq": 1}, Code.BAD_FIELD, "The field room is missing"),
        ({"room": "cake", "seq": 0}, Code.NOT_IN_ROOM, "You don't follow cake: join it first."),
        ({"room": "none", "seq": 0}, Code.NO_SUCH_ROOM, "There is no room called none."),
        ({"room": "@carl", "seq": 0}, Code.NO_SUCH_ROOM, "You and carl have said nothing to each other."),
        ({"room": "@nobody", "seq": 0}, Code.NO_SUCH_USER, "There is nobody called nobody."),
        ({"room": "@00000000000000ff", "seq": 0}, Code.NO_SUCH_ROOM, "There is no room called @00000000000000ff."),
    ],
)
def test_what_cant_be_read(house: House, data: dict[str, Any], code: Code, words: str) -> None:
    nina = account(house)
    account(house, "carl")
    nina.ask("join", room="tea")
    nina.ask("create", room="cake")
    for text in ("one", "two"):
        nina.ask("say", room="tea", text=text)
    refused = refusal(nina, "read", **data)
    assert refused.code is code
    assert words in refused.text


def test_at_a_terminal_the_marker_moves_by_itself(house: House) -> None:
    account(house).ask("quit")
    nina, _ = arrived(house)
    phone, _ = logged_in(house)
    bob = Script(house, "bob")
    bob.ask("join", room="lobby")
    for text in ("one", "nina: two"):
        bob.ask("say", room="lobby", text=text)
    assert phone.ask("rooms", search="lobby")["rooms"][0]["unread"] == 0
    assert events(phone, "read") == []
    tick(house)
    assert events(phone, "read") == [{"room": "lobby", "seq": 2}]
    bob.ask("say", room="lobby", text="three")
    nina.type("/quit")
    assert events(phone, "read") == [{"room": "lobby", "seq": 3}]
    bob.ask("say", room="lobby", text="four")
    assert phone.ask("rooms", search="lobby")["rooms"][0]["unread"] == 1


def test_who_enters_a_room_at_a_terminal_has_read_it(house: House) -> None:
    nina, bob = account(house), Script(house, "bob")
    for one in (nina, bob):
        one.ask("join", room="tea")
    bob.ask("say", room="tea", text="nina: one")
    nina.take()
    terminal, _ = arrived(house)
    terminal.type("/join tea")
    assert events(nina, "read") == [{"room": "tea", "seq": 1}]
    terminal.type("/quit")
    assert nina.ask("rooms", search="tea")["rooms"][0]["mentions"] == 0


@pytest.mark.parametrize("registers", [True, False])
def test_a_program_for_people_can_be_read_like_a_terminal(house: House, registers: bool) -> None:
    nina = account(house, reads=registers)
    if not registers:
        nina, _ = logged_in(house, reads=True)
    nina.ask("join", room="tea")
    bob = Script(house, "bob")
    bob.ask("join", room="tea")
    bob.ask("say", room="tea", text="one")
    nina.ask("quit")
    bob.ask("say", room="tea", text="two")
    assert logged_in(house)[1]["following"] == [{"room": "tea", "unread": 1, "mentions": 0}]


def test_markers_are_stored_together_and_not_with_each_message(house: House) -> None:
    nina, bob = account(house), account(house, "bob")
    for person in (nina, bob):
        person.ask("join", room="tea")
    tick(house)
    before = len(house.store.effects)
    for number in range(20):
        nina.ask("say", room="tea", text=f"text {number}")
    assert len(house.store.effects) == before
    tick(house)
    assert len(house.store.effects) == before + 1
    tick(house)
    assert len(house.store.effects) == before + 1


def test_markers_that_could_not_be_stored_are_stored_later(house: House) -> None:
    nina = account(house)
    nina.ask("join", room="tea")
    house.store.failing = True
    tick(house)
    house.store.failing = False
    assert house.store.positions == {}
    for _ in range(35):
        tick(house)
    assert [marker.seq for marker in house.store.positions.values()] == [0]


def test_more_rooms_than_one_can_follow_push_out_the_oldest() -> None:
    house = House(Limits(rooms_followed=2))
    nina = account(house)
    for room in ("tea", "cake", "milk"):
        nina.ask("join", room=room)
    assert [told["room"] for told in logged_in(house)[1]["following"]] == ["cake", "milk"]
    nina.ask("join", room="cake")
    nina.ask("join", room="honey")
    tick(house)
    nina.ask("leave", room="cake")
    nina.ask("join", room="cake")
    assert [told["room"] for told in logged_in(house)[1]["following"]] == ["honey", "cake"]
    tick(house)
    assert len(house.store.positions) == 2


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("wire", ["text", "json"])
def test_what_has_not_arrived_when_a_connection_breaks_is_new(house: House, wire: str, known: bool) -> None:
    bob = account(house, "bob")
    bob.ask("join", room="lobby")
    program = account(house, reads=True)
    nina: Script | Terminal = program
    if wire == "text":
        program.ask("quit")
        nina, _ = arrived(house)
    nina.enter("lobby")
    for text in ("one", "nina: two"):
        if text != "one":
            nina.transport.stop_reading()
        bob.ask("say", room="lobby", text=text)
        bob.ask("tell", to="nina", text=text)
        tick(house)
    if known:
        nina.transport.tear()
        house.settle()
    answer = logged_in(house)[1]
    assert of_room(answer, "lobby") == {"room": "lobby", "unread": 1, "mentions": 1}
    assert [told["unread"] for told in answer["directs"]] == [1]


def test_who_says_goodbye_has_read_all_that_it_was_told(house: House) -> None:
    bob = account(house, "bob")
    nina = account(house, reads=True)
    bob.ask("tell", to="nina", text="one")
    nina.ask("logout")
    assert logged_in(house)[1]["directs"] == []
    other, _ = logged_in(house, reads=True)
    other.ask("quit")
    tick(house)
    bob.ask("tell", to="nina", text="two")
    nina, answer = logged_in(house, reads=True)
    assert [told["unread"] for told in answer["directs"]] == [1]
    nina.ask("quit")
    assert [told["unread"] for told in logged_in(house)[1]["directs"]] == [1]  # it was not shown


def test_what_comes_from_somebody_whom_one_session_ignores_waits_for_the_others(house: House) -> None:
    bob = account(house, "bob")
    nina = account(house, reads=True)
    phone, _ = logged_in(house)
    bob.ask("tell", to="nina", text="one")
    nina.ask("ignore", user="bob")
    bob.ask("tell", to="nina", text="two")
    tick(house)
    nina.ask("quit")
    phone.ask("quit")
    assert [told["unread"] for told in logged_in(house)[1]["directs"]] == [2]


def test_who_falls_behind_has_read_only_what_has_arrived() -> None:
    house = House(trusted=(ip_network("192.0.2.0/24"),))
    nina, bob = account(house, reads=True), Script(house, "bob")
    for one in (nina, bob):
        one.ask("join", room="tea")
    bob.ask("say", room="tea", text="one")
    tick(house)
    nina.transport.stop_reading()
    for _ in range(30):
        bob.ask("say", room="tea", text="x" * 5_000)
    tick(house)
    nina.transport.tear()
    house.settle()
    followed = of_room(logged_in(house)[1], "tea")
    assert followed is not None
    assert followed["unread"] == 30


def test_what_is_read_on_says_whom_it_mentions() -> None:
    house = House(trusted=(ip_network("192.0.2.0/24"),))
    nina, program, bob = Terminal(house, "nina"), Script(house, "eve"), Script(house, "bob")
    for one in (program, bob):
        one.ask("join", room="lobby")
    for slow in (nina, program):
        slow.transport.take()
        slow.transport.stop_reading()
    for _ in range(30):
        bob.ask("say", room="lobby", text="x" * 5_000)
    bob.ask("say", room="lobby", text="nina and eve!")
    for slow in (nina, program):
        slow.transport.start_reading()
        house.settle()
    assert nina.take()[-1] == "bob mentions you: nina and eve!"
    assert events(program, "message")[-1]["mentions"] == ["nina", "eve"]


# Mentions.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nina", True),
        ("Hello NINA!", True),
        ("@nina: are you there?", True),
        ("nina, look", True),
        ("so said (nina).", True),
        ("it was nina.", True),
        ("It was nina. Then bob.", True),
        ("“nina” — sie!", True),
        ("¿Está nina…?", True),
        ("nina's tea", True),
        ("ninas", False),
        ("nina-2 came", False),
        ("a.nina", False),
        ("hello", False),
    ],
)
def test_a_mention_is_a_name_as_a_whole_word(house: House, text: str, found: bool) -> None:
    nina, bob = account(house), Script(house, "bob")
    for person in (nina, bob):
        person.ask("join", room="tea")
    nina.take()
    bob.ask("say", room="tea", text=text)
    (message,) = events(nina, "message")
    assert message.get("mentions") == (["nina"] if found else None)
    nina.ask("quit")
    bob.ask("say", room="tea", text=text)
    followed = of_room(logged_in(house)[1], "tea")
    assert followed is not None
    assert followed["mentions"] == 2 * found


def test_a_name_in_another_script_is_found_in_any_case(house: House) -> None:
    zoe, bob = account(house, "Zoë"), Script(house, "bob")
    for person in (zoe, bob):
        person.ask("join", room="tea")
    zoe.take()
    bob.ask("say", room="tea", text="Hallo ZOË, wie geht’s?")
    bob.ask("say", room="tea", text="Hallo ZOE\u0308!")
    assert [message["mentions"] for message in events(zoe, "message")] == [["Zoë"], ["Zoë"]]


def test_everybody_in_the_room_is_told_whom_a_message_mentions(house: House) -> None:
    nina, bob, eve = (Script(house, name) for name in ("nina", "bob", "eve"))
    Script(house, "carl")  # is elsewhere
    for person in (nina, bob, eve):
        person.ask("join", room="tea")
    nina.take(), eve.take()
    bob.ask("say", room="tea", text="nina, carl, bob and Eve: tea!")
    for person in (nina, eve):
        assert events(person, "message")[0]["mentions"] == ["nina", "eve"]
    entries = nina.ask("history", room="tea")["entries"]
    assert entries[0]["mentions"] == ["nina", "eve"]


def test_a_terminal_shows_only_its_own_mentions(house: House) -> None:
    nina, bob, eve = (Terminal(house, name) for name in ("nina", "bob", "eve"))
    for person in (nina, bob, eve):
        person.take()
    bob.type("nina: hello")
    bob.type("/me waves to nina")
    house.settle()
    assert nina.take() == ["bob mentions you: nina: hello", "* bob (mentioning you) waves to nina"]
    assert eve.take() == ["bob: nina: hello", "* bob waves to nina"]
    eve.enter("tea")
    bob.type("eve and nina!")
    assert eve.take() == ["bob mentions you in lobby: eve and nina!"]
    nina.take()
    eve.enter("lobby")
    eve.type("/history")
    assert any(line.startswith("bob mentions you: eve and nina! (") for line in eve.take())


def test_whoever_is_ignored_mentions_nobody_at_a_terminal(house: House) -> None:
    nina, bob, eve = (Terminal(house, name) for name in ("nina", "bob", "eve"))
    nina.type("/ignore bob")
    for person in (nina, bob, eve):
        person.take()
    bob.transport.receive(b"nina: one\n")
    eve.transport.receive(b"nina: two\nthree\n")
    house.settle()
    assert nina.take() == ["eve mentions you: nina: two", "eve: three"]


# Coming back to a terminal.


def test_a_terminal_is_told_what_waits_and_where(house: House) -> None:
    nina, bob = account(house), account(house, "bob")
    for room in ("tea", "cake", "lobby"):
        nina.ask("join", room=room)
        bob.ask("join", room=room)
    nina.ask("quit")
    for text in ("one", "nina two"):
        bob.ask("say", room="tea", text=text)
    bob.ask("say", room="lobby", text="three")
    bob.ask("tell", to="nina", text="psst")
    person, lines = arrived(house)
    assert lines[-4:] == [
        "What follows is new to you:",
        "bob: three (22:13, lobby:1)",
        "2 new (1 mentions you) in tea: type /join tea",
        "1 new from bob: type /history @bob",
    ]
    person.type("/rooms")
    assert "Room tea: One person, 2 entries, 2 new (1 mentions you)." in [
        line.replace("1 person", "One person") for line in person.take()
    ]
    person.type("/join tea")
    lines = person.take()
    assert lines[-3:] == [
        "What follows is new to you:",
        "bob: one (22:13, tea:1)",
        "bob mentions you: nina two (22:13, tea:2)",
    ]
    person.type("/history @bob")
    assert person.take()[-1].startswith("bob to you: psst (")
    person.type("/quit")
    assert arrived(house)[1] == ["You are in lobby, with bob.", *lines_of_lobby()]


def lines_of_lobby() -> list[str]:
    return [
        "This was said before, on Tuesday 14 November 2023, times in UTC:",
        "bob: three (22:13, lobby:1)",
    ]


def test_all_that_is_new_is_shown_as_far_as_a_page_goes() -> None:
    house = House(Limits(join_entries=2, page_entries=5))
    nina, bob = account(house), Script(house, "bob")
    for one in (nina, bob):
        one.ask("join", room="tea")
    nina.ask("quit")
    for number in range(1, 4):
        bob.ask("say", room="tea", text=f"text {number}")
    person, _ = arrived(house)
    person.type("/join tea")
    assert [line.split(" (")[0] for line in person.take() if line.startswith("bob:")] == [
        "bob: text 1", "bob: text 2", "bob: text 3",
    ]  # fmt: skip
    person.type("/quit")
    for number in range(4, 14):
        bob.ask("say", room="tea", text=f"text {number}")
    person, lines = arrived(house)
    assert "10 new in tea: type /join tea" in lines
    person.type("/join tea")
    lines = person.take()
    assert next(line for line in lines if line.startswith("bob:")).startswith("bob: text 9 ")
    assert lines[-1] == "For what was said before, type /history 5 9"


# Rooms that one may not read any more.


def test_who_is_put_out_follows_the_room_no_more(house: House) -> None:
    bob = account(house, "bob")
    bob.ask("join", room="tea")
    nina = account(house)
    nina.ask("join", room="tea")
    bob.ask("kick", room="tea", user="nina")
    for _ in range(20):
        tick(house)
    assert logged_in(house)[1]["following"] == []


def test_a_room_that_is_closed_tells_nothing(house: House) -> None:
    bob, nina = account(house, "bob"), account(house)
    for person in (bob, nina):
        person.ask("join", room="tea")
    nina.ask("quit")
    bob.ask("say", room="tea", text="nina: secret")
    bob.ask("room-set", room="tea", key="camomile")
    nina, answer = logged_in(house)
    assert answer["following"] == []
    assert refusal(nina, "read", room="tea", seq=0).code is Code.KEY_NEEDED
    (tea,) = nina.ask("rooms", search="tea")["rooms"]
    assert "unread" not in tea
    bob.ask("room-set", room="tea", key="")
    assert logged_in(house)[1]["following"] == [{"room": "tea", "unread": 3, "mentions": 1}]


def test_a_deleted_room_is_followed_by_nobody(house: House) -> None:
    nina = account(house)
    nina.ask("join", room="tea")
    tick(house)
    assert len(house.store.positions) == 1
    nina.ask("delete", room="tea")
    assert logged_in(house)[1]["following"] == []
    tick(house)
    assert house.store.positions == {}


def test_a_deleted_account_leaves_nothing(house: House) -> None:
    nina, bob = account(house), account(house, "bob")
    nina.ask("join", room="tea")
    nina.ask("tell", to="bob", text="hello")
    tick(house)
    nina.ask("tell", to="bob", text="hello?")
    nina.ask("unregister", password=SECRET)
    tick(house)
    ident, bob_id = (
        next(kept.id for kept in house.store.accounts.values() if kept.name == name) for name in ("nina", "bob")
    )
    assert house.chat.positions.of(ident) == {}
    assert house.chat.positions.take(100) is None
    assert {whose for whose, _ in house.store.positions} == {bob_id}
    assert refusal(bob, "tell", to="nina", text="hello?").code is Code.NO_SUCH_USER


# Direct messages.


def test_what_is_said_to_somebody_who_is_away_waits(house: House) -> None:
    nina, bob = account(house), account(house, "bob")
    bob.ask("quit")
    sent = nina.ask("tell", to="Bob", text="one")
    assert (sent["seq"], sent["waits"]) == (1, True)
    nina.ask("tell", to="bob", text="two")
    assert [message.get("waits") for message in events(nina, "message")] == [True, True]
    bob, answer = logged_in(house, "bob")
    assert answer["directs"] == [{"with": "nina", "room": sent["room"], "unread": 2}]
    page = bob.ask("history", room="@nina")
    assert [(entry["with"], entry["text"]) for entry in page["entries"]] == [("nina", "one"), ("nina", "two")]
    assert bob.ask("history", room=sent["room"])["entries"] == page["entries"]
    assert bob.ask("read", room="@nina", seq=1) == {"room": sent["room"], "seq": 1, "unread": 1, "mentions": 0}
    bob.ask("quit")
    bob, answer = logged_in(house, "bob")
    assert answer["directs"][0]["unread"] == 1
    assert "waits" not in nina.ask("tell", to="bob", text="three")
    assert bob.ask("read", room=sent["room"], seq=3)["unread"] == 0
    bob.ask("quit")
    assert logged_in(house, "bob")[1]["directs"] == []


def test_a_terminal_says_that_it_waits(house: House) -> None:
    account(house).ask("quit")
    account(house, "bob").ask("quit")
    nina, _ = arrived(house)
    nina.type("/msg bob Are you there?")
    assert nina.take() == ["you to bob, who will read it later: Are you there?"]
    bob, lines = arrived(house, "bob")
    assert lines[-1] == "1 new from nina: type /history @nina"
    bob.type("/history @nina")
    assert bob.take()[-1].startswith("nina to you: Are you there? (")
    nina.take()
    bob.type("/msg nina Yes.")
    assert nina.take()[-1] == "bob to you: Yes."
    bob.type("/quit")
    nina.take()
    nina.type("/reply Good.")
    assert nina.take() == ["you to bob, who will read it later: Good."]


def test_reading_it_at_a_terminal_is_enough(house: House) -> None:
    nina = account(house)
    account(house, "bob").ask("quit")
    for number in range(30):
        nina.ask("tell", to="bob", text=f"text {number}")
    bob, lines = arrived(house, "bob")
    assert lines[-1] == "30 new from nina: type /history @nina"
    bob.type("/history @nina")
    assert len([line for line in bob.take() if line.startswith("nina to you:")]) == 30
    nina.ask("tell", to="bob", text="live")
    bob.type("/quit")
    nina.ask("tell", to="bob", text="late")
    assert arrived(house, "bob")[1][-1] == "1 new from nina: type /history @nina"


def test_conversations_of_accounts_outlast_the_daemon(house: House) -> None:
    nina, bob = account(house), account(house, "bob")
    for person in (nina, bob):
        person.ask("join", room="tea")
    room = nina.ask("tell", to="bob", text="one")["room"]
    bob.ask("tell", to="nina", text="two")
    nina.ask("say", room="tea", text="bob: three")
    house = restarted(house)
    nina, answer = logged_in(house)
    assert answer["following"] == [{"room": "tea", "unread": 0, "mentions": 0}]
    assert answer["directs"] == [{"with": "bob", "room": room, "unread": 1}]
    assert [entry["text"] for entry in nina.ask("history", room=room)["entries"]] == ["one", "two"]
    assert nina.ask("tell", to="bob", text="three")["seq"] == 3
    bob, answer = logged_in(house, "bob")
    assert answer["following"] == [{"room": "tea", "unread": 1, "mentions": 1}]
    assert answer["directs"] == [{"with": "nina", "room": room, "unread": 1}]
    assert [entry["text"] for entry in bob.ask("history", room="@nina")["entries"]] == ["one", "two", "three"]


def test_a_kill_loses_markers_of_the_last_seconds_and_no_message(house: House) -> None:
    nina, bob = account(house), account(house, "bob")
    bob.ask("quit")
    nina.ask("tell", to="bob", text="one")
    house = reborn(house)
    assert logged_in(house, "bob")[1]["directs"][0]["unread"] == 1


def test_who_writes_first_after_a_restart_goes_on_in_the_same_conversation(house: House) -> None:
    nina = account(house)
    account(house, "bob").ask("quit")
    nina.ask("tell", to="bob", text="one")
    house = restarted(house)
    nina, _ = logged_in(house)
    assert nina.ask("tell", to="bob", text="two")["seq"] == 2
    bob, answer = logged_in(house, "bob")
    assert answer["directs"][0]["unread"] == 2
    nina.ask("quit")
    assert len(bob.ask("history", room="@nina")["entries"]) == 2


def test_who_goes_before_it_is_stored_is_heard_by_who_came_meanwhile(house: House) -> None:
    nina = account(house)
    account(house, "bob").ask("quit")
    nina.ask("tell", to="bob", text="one")
    bob, _ = logged_in(house, "bob")
    nina.send("tell", to="bob", text="two")
    nina.send("quit")
    house.settle()
    assert bob.heard() == ["nina to bob: two"]


def test_a_marker_that_is_not_stored_yet_counts(house: House) -> None:
    nina = account(house)
    account(house, "bob").ask("quit")
    nina.ask("tell", to="bob", text="one")
    nina.ask("quit")
    bob, _ = logged_in(house, "bob")
    bob.ask("read", room="@nina", seq=1)
    bob.ask("quit")
    bob, answer = logged_in(house, "bob")
    assert answer["directs"] == []
    assert bob.ask("read", room="@nina", seq=0)["seq"] == 1


def test_who_comes_back_finds_the_same_conversation(house: House) -> None:
    nina, bob, guest = account(house), account(house, "bob"), Script(house, "guest")
    nina.ask("tell", to="bob", text="one")
    room = guest.ask("tell", to="bob", text="two")["room"]
    nina.ask("quit")
    nina, _ = logged_in(house)
    assert [entry["with"] for entry in nina.ask("history", room="@bob")["entries"]] == ["bob"]
    bob.ask("quit")
    bob, _ = logged_in(house, "bob")
    assert [entry["with"] for entry in bob.ask("history", room="@guest")["entries"]] == ["guest"]
    guest.ask("quit")
    for name in ("@guest", room):
        assert [entry["text"] for entry in bob.ask("history", room=name)["entries"]] == ["two"]


@pytest.mark.parametrize("kept", [0, 3])
def test_who_writes_to_everybody_costs_no_memory_for_ever(kept: int) -> None:
    house = House(Limits(ended_directs=kept))
    names = [f"user{number}" for number in range(10)]
    for name in names:
        account(house, name).ask("quit")
    nina = account(house)
    before = len(house.chat.rooms._logs)
    for text in ("one", "two"):
        for name in names:
            assert nina.ask("tell", to=name, text=text)["waits"] is True
    assert len(house.chat.rooms._logs) == before + max(1, kept)
    for name in names:
        assert len(nina.ask("history", room=f"@{name}")["entries"]) == 2
    assert len(house.chat.rooms._logs) == before + max(1, kept)
    assert len([message for message in events(nina, "message") if message.get("waits")]) == 20


def test_a_third_one_reads_nothing(house: House) -> None:
    nina, eve = account(house), account(house, "eve")
    account(house, "bob").ask("quit")
    room = nina.ask("tell", to="bob", text="one")["room"]
    nina.ask("quit")
    assert refusal(eve, "history", room=room).code is Code.NO_SUCH_ROOM
    assert refusal(eve, "read", room=room, seq=1).code is Code.NO_SUCH_ROOM
    assert refusal(eve, "history", room="@bob").code is Code.NO_SUCH_ROOM


def test_guests_leave_no_messages_and_get_none(house: House) -> None:
    account(house).ask("quit")
    guest = Script(house, "guest")
    refused = refusal(guest, "tell", to="nina", text="hello")
    assert refused.code is Code.NO_SUCH_USER
    assert refused.text == "There is nobody called nina here. With an account of your own you could leave a message."
    nina, _ = logged_in(house)
    room = nina.ask("tell", to="guest", text="hello")["room"]
    guest.ask("quit")
    assert refusal(nina, "tell", to="guest", text="hello").code is Code.NO_SUCH_USER
    nina.ask("quit")
    nina, answer = logged_in(house)
    assert answer["directs"] == []
    assert refusal(nina, "history", room=room).code is Code.NO_SUCH_ROOM


def test_a_conversation_lasts_once_both_have_accounts(house: House) -> None:
    nina, bob = account(house), Script(house, "bob")
    room = nina.ask("tell", to="bob", text="one")["room"]
    bob.ask("register", password=SECRET)
    bob.ask("quit")
    nina.ask("tell", to="bob", text="two")
    _, answer = logged_in(house, "bob")
    assert answer["directs"] == [{"with": "nina", "room": room, "unread": 2}]


@pytest.mark.parametrize("state", [State.SUSPENDED, State.BANNED])
def test_nothing_is_left_for_who_cant_come(house: House, state: State) -> None:
    nina = account(house)
    account(house, "bob").ask("quit")
    bob = next(kept for kept in house.store.accounts.values() if kept.name == "bob")
    house.hub.commit([type(bob)(bob.id, bob.key, bob.name, None, state, "", 0, 0)])
    refused = refusal(nina, "tell", to="bob", text="hello")
    assert refused.code is Code.NO_SUCH_USER
    assert refused.text == "bob is not here, and will not read what is left."


def test_what_comes_from_somebody_ignored_does_not_wait(house: House) -> None:
    nina, bob = account(house), account(house, "bob")
    bob.ask("ignore", user="nina")
    nina.ask("tell", to="bob", text="one")
    bob.ask("quit")
    assert logged_in(house, "bob")[1]["directs"] == []


def test_more_conversations_than_are_told_are_said_to_be_there() -> None:
    house = House(Limits(directs_told=2))
    account(house, "bob").ask("quit")
    for name in ("ann", "carl", "dora"):
        house.clock.advance(1)
        account(house, name).ask("tell", to="bob", text="hello")
    _, answer = logged_in(house, "bob")
    assert [told["with"] for told in answer["directs"]] == ["dora", "carl"]
    assert answer["more_directs"] is True
    assert arrived(house, "bob")[1][-1].startswith("More people have written to you")


def test_a_login_stands_even_when_what_waits_can_t_be_read(house: House) -> None:
    nina = account(house)
    nina.ask("join", room="tea")
    nina.ask("quit")
    house.chat.tails.forget(RoomId(1))
    house.store.failing = True
    nina, answer = logged_in(house)
    assert answer["following"] == [{"room": "tea", "unread": 0, "mentions": 0}]
    _, lines = arrived(house)
    assert lines == ["You are in lobby, alone."]


def test_a_name_that_went_to_somebody_else_is_nobody_s(house: House) -> None:
    """An account that is deleted, and whose name is free again, is still one side of what was said."""
    nina, bob = account(house), account(house, "bob")
    room = nina.ask("tell", to="bob", text="one")["room"]
    tick(house)
    nina.ask("quit")
    bob.ask("quit")
    house.store.accounts = {ident: kept for ident, kept in house.store.accounts.items() if kept.name != "nina"}
    house = reborn(house)
    bob, answer = logged_in(house, "bob")
    assert answer["directs"] == [{"with": "nobody", "room": room, "unread": 1}]
    assert bob.ask("history", room=room)["entries"][0]["with"] == "nobody"


def test_positions_are_restored_with_their_mentions(house: House) -> None:
    account(house).ask("quit")
    ident = next(iter(house.store.accounts))
    house.hub.restore([], [], [], {}, [Marker(PersonId(ident), RoomId(1), 0, (3, 5))])  # type: ignore[arg-type]
    assert of_room(logged_in(house)[1], "lobby") == {"room": "lobby", "unread": 0, "mentions": 2}


def test_of_a_conversation_with_a_guest_no_marker_is_kept(house: House) -> None:
    nina, gus = account(house), Script(house, "gus")
    gus.ask("tell", to="nina", text="psst")
    with pytest.raises(ChatError) as refused:
        nina.ask("read", room="@gus", seq=1)
    assert refused.value.code is Code.ACCOUNT_NEEDED

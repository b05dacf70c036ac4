from __future__ import annotations

import pytest

from tcpchat.core.entries import RoomId
from tcpchat.core.limits import Limits
from tcpchat.errors import ChatError
from tests.house import House, Script


def test_many_who_enter_a_new_room_at_once_enter_the_same_one() -> None:
    house = House()
    people = [Script(house, f"p{number}") for number in range(5)]
    for person in people:
        person.transport.receive(b'{"op":"join","id":"j","data":{"room":"tea"}}\n')
    house.settle()
    for person in people:
        lines = person.take()
        assert [line["status"] for line in lines if line.get("id") == "j"] == ["ok"]
        assert sum(line["op"] == "room-created" for line in lines) == 1
    assert [room["members"] for room in people[0].ask("rooms")["rooms"] if room["room"] == "tea"] == [5]


def test_of_two_who_create_a_room_at_once_the_second_is_told() -> None:
    house = House()
    one, other = Script(house, "one"), Script(house, "other")
    for person in (one, other):
        person.transport.receive(b'{"op":"create","id":"c","data":{"room":"tea"}}\n')
    house.settle()
    assert [line["status"] for line in one.take() if line.get("id") == "c"] == ["ok"]
    assert [line["error"]["code"] for line in other.take() if line.get("id") == "c"] == ["room-exists"]


def test_a_creation_that_failed_can_be_tried_again_by_anybody() -> None:
    house = House()
    one, other = Script(house, "one"), Script(house, "other")
    house.store.failing = True
    with pytest.raises(Exception, match="could not keep"):
        one.ask("create", room="tea")
    house.store.failing = False
    assert other.ask("create", room="tea") == {"room": "tea"}
    assert other.ask("delete", room="tea") == {"room": "tea"}


def test_a_room_created_anew_has_a_log_of_its_own() -> None:
    house = House()
    nina = Script(house, "nina")
    first = nina.ask("join", room="tea")
    nina.ask("say", room="tea", text="old")
    nina.ask("delete", room="tea")
    second = nina.ask("join", room="tea")
    assert second["entries"] == []
    assert second["head"] == 0
    assert second["epoch"] != first["epoch"]


def test_the_number_of_rooms_is_bounded() -> None:
    nina = Script(House(Limits(rooms=2)), "nina")
    nina.ask("create", room="tea")
    with pytest.raises(Exception, match="as many rooms as this server allows"):
        nina.ask("create", room="coffee")


def test_rooms_are_listed_the_busiest_first() -> None:
    house = House(Limits(rooms_listed=2))
    nina, bob = Script(house, "nina"), Script(house, "bob")
    nina.ask("create", room="empty")
    nina.ask("join", room="tea")
    bob.ask("join", room="tea")
    bob.ask("join", room="lobby")
    assert [room["room"] for room in nina.ask("rooms")["rooms"]] == ["tea", "lobby"]


def test_everybody_is_told_of_rooms_that_come_and_go() -> None:
    house = House()
    nina, bob = Script(house, "nina"), Script(house, "bob")
    stranger = Script(house)
    nina.ask("create", room="tea")
    nina.ask("delete", room="tea")
    told = [line for line in bob.take() if line["op"].startswith("room-")]
    assert told == [{"op": "room-created", "data": {"room": "tea"}}, {"op": "room-deleted", "data": {"room": "tea"}}]
    assert stranger.take() == []


def test_spaces_around_a_name_do_not_matter() -> None:
    house = House()
    nina, bob = Script(house, "nina"), Script(house, "bob")
    assert nina.ask("join", room=" tea ")["room"] == "tea"
    assert nina.ask("create", room=" pot") == {"room": "pot"}
    with pytest.raises(Exception, match="There is a room called pot already"):
        nina.ask("create", room=" pot")
    nina.ask("delete", room="pot")
    assert bob.ask("create", room="pot") == {"room": "pot"}
    assert bob.ask("delete", room=" POT ") == {"room": "pot"}


def test_one_login_creates_a_bounded_number_of_rooms() -> None:
    nina = Script(House(Limits(rooms_created=2)), "nina")
    nina.ask("create", room="a")
    nina.ask("join", room="b")
    with pytest.raises(Exception, match="You have created 2 rooms"):
        nina.ask("create", room="c")


def test_a_page_read_for_one_room_is_never_shown_as_anothers() -> None:
    house = House(Limits(tail_entries=1))
    nina, bob = Script(house, "nina"), Script(house, "bob")
    nina.enter("tea")
    bob.enter("tea")
    for number in range(5):
        nina.say("tea", f"secret {number}")
    house.settle()
    bob.transport.receive(b'{"op":"join","id":"j","data":{"room":"tea"}}\n')
    page = house.store.take_pages()
    nina.ask("delete", room="tea")
    nina.ask("join", room="tea")
    page()
    house.settle()
    reply = next(line for line in bob.take() if line.get("id") == "j")
    assert (reply["data"]["head"], reply["data"]["entries"]) == (0, [])


def test_of_conversations_with_people_who_have_gone_the_last_are_kept() -> None:
    house = House(Limits(ended_directs=2))
    bot = Script(house, "bot")
    rooms = {}
    for name in ("ann", "bob", "carl", "dora"):
        guest = Script(house, name)
        rooms[name] = guest.ask("tell", to="bot", text=f"from {name}")["room"]
        if name != "dora":
            guest.ask("quit")
    with pytest.raises(ChatError, match="no room called"):
        bot.ask("history", room=rooms["ann"])
    for name in ("bob", "carl", "dora"):
        assert [entry["text"] for entry in bot.ask("history", room=rooms[name])["entries"]] == [f"from {name}"]
    assert house.chat.rooms.log(RoomId(int(rooms["ann"][1:], 16))) is None
    assert house.chat.tails.page(RoomId(int(rooms["ann"][1:], 16)), 1, 1) is None
    bot.ask("quit")
    guest.ask("quit")
    for room in rooms.values():
        assert house.chat.rooms.log(RoomId(int(room[1:], 16))) is None
        assert house.chat.tails.page(RoomId(int(room[1:], 16)), 1, 1) is None

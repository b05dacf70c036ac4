"""What people can rely on, written once and run over every pair of wires."""

from __future__ import annotations

import itertools

import pytest

from tcpchat.core.limits import Limits
from tests.frames import DeflatedScript, WebScript
from tests.house import House, Script, Terminal

Person = Script | Terminal
WIRES: tuple[type[Person], ...] = (Script, Terminal, WebScript, DeflatedScript)


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture(params=itertools.product(WIRES, WIRES), ids=lambda pair: f"{pair[0].wire}-{pair[1].wire}")
def pair(request: pytest.FixtureRequest, house: House) -> tuple[Person, Person]:
    """Nina and Bob, in the lobby."""
    one, other = request.param
    people = one(house, "nina"), other(house, "bob")
    for person in people:
        if isinstance(person, Script):
            person.enter("lobby")
    for person in people:
        person.take()
    return people


@pytest.fixture(params=WIRES, ids=lambda wire: wire.wire)
def nina(request: pytest.FixtureRequest, house: House) -> Person:
    person: Person = request.param(house, "nina")
    person.enter("lobby")
    person.take()
    return person


def test_what_is_said_is_heard_by_all_in_the_room_and_by_the_author(house: House, pair: tuple[Person, Person]) -> None:
    nina, bob = pair
    nina.say("lobby", "hello, world: ünï 🐟")
    house.settle()
    assert nina.heard() == bob.heard() == ["nina in lobby: hello, world: ünï 🐟"]


def test_nothing_is_shown_before_its_commit(house: House, pair: tuple[Person, Person]) -> None:
    nina, bob = pair
    nina.say("lobby", "not yet")
    assert nina.take() == bob.take() == []
    house.store.commit()
    assert bob.heard() == ["nina in lobby: not yet"]


def test_an_action_is_an_action(house: House, pair: tuple[Person, Person]) -> None:
    nina, bob = pair
    nina.act("lobby", "waves")
    house.settle()
    assert nina.heard() == bob.heard() == ["* nina waves in lobby"]


def test_a_failing_store_tells_the_author_and_shows_nothing(house: House, pair: tuple[Person, Person]) -> None:
    nina, bob = pair
    house.store.failing = True
    nina.say("lobby", "lost")
    house.settle()
    assert nina.refused() == ["The server could not keep this."]
    assert bob.take() == []
    house.store.failing = False
    nina.say("lobby", "kept")
    house.settle()
    assert nina.heard() == bob.heard() == ["nina in lobby: kept"]
    assert Script(house, "reader").ask("history", room="lobby")["entries"][0]["seq"] == 1


def test_a_room_that_one_is_not_in_is_not_heard(house: House, pair: tuple[Person, Person]) -> None:
    nina, bob = pair
    nina.enter("tea")
    nina.say("tea", "only here")
    house.settle()
    assert bob.heard() == []
    bob.enter("tea")
    bob.say("tea", "me too")
    house.settle()
    assert nina.heard()[-1] == "bob in tea: me too"


def test_a_line_says_which_room_it_is_from(house: House, pair: tuple[Person, Person]) -> None:
    nina, bob = pair
    bob.enter("tea")
    bob.take()
    nina.say("lobby", "over here")
    house.settle()
    assert bob.heard() == ["nina in lobby: over here"]


def test_a_direct_message_reaches_the_two(house: House, pair: tuple[Person, Person]) -> None:
    nina, bob = pair
    eve = Script(house, "eve")
    eve.enter("lobby")
    nina.tell("BOB", "psst")
    bob.tell("nina", "yes?")
    house.settle()
    assert nina.heard() == bob.heard() == ["nina to bob: psst", "bob to nina: yes?"]
    assert eve.heard() == []


def test_people_are_told_who_comes_and_goes(house: House, nina: Person) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    assert nina.saw() == ["bob joined lobby"]
    bob.ask("leave", room="lobby")
    assert nina.saw() == ["bob left lobby"]
    assert bob.saw() == []


def test_the_last_words_come_before_the_departure(house: House, nina: Person) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina.take()
    bob.say("lobby", "bye")
    bob.hang_up()
    assert nina.take() == []
    house.settle()
    seen = nina.take()
    assert len(seen) == 2
    assert "bye" in str(seen[0])
    assert "left" in str(seen[1])
    assert house.hub.users.get("bob") is None


def test_a_name_is_free_again_after_its_holder_has_gone(house: House, nina: Person) -> None:
    nina.hang_up()
    house.settle()
    assert Script(house).ask("login", name="nina")["user"]["name"] == "nina"


def test_speaking_where_one_is_not_is_refused(house: House, nina: Person) -> None:
    Script(house, "bob").enter("tea")
    nina.take()
    nina.say("tea", "knock")
    assert nina.refused()[0].startswith("You are not in tea.")
    nina.say("nowhere", "knock")
    assert nina.refused()[0].startswith("There is no room called nowhere.")


def test_a_text_too_long_is_refused_and_nothing_else_lost(house: House, nina: Person) -> None:
    nina.say("lobby", "before")
    nina.say("lobby", "x" * 16_385)
    nina.say("lobby", "é" * 8_192)
    house.settle()
    lines = nina.take()
    assert "before" in str(lines[0])
    assert "16385 bytes" in str(lines)
    assert "é" * 8_192 in str(lines[-1]) + str(lines[-2])


def test_control_characters_reach_nobody(house: House, pair: tuple[Person, Person]) -> None:
    nina, bob = pair
    nina.say("lobby", "a\x1b[31mb\x07c\x00d\x9be\u202ef\tg")
    house.settle()
    assert nina.heard() == bob.heard() == ["nina in lobby: a[31mbcdef g"]


def test_one_message_is_one_line(house: House) -> None:
    bob = Terminal(house, "bob")
    nina = Script(house, "nina")
    nina.enter("lobby")
    bob.take()
    nina.say("lobby", "one\nbob: two\r\nthree\u2028four\x85five")
    house.settle()
    assert bob.take() == ["nina mentions you: one bob: two three four five"]


def test_a_full_room_refuses(nina: Person) -> None:
    house = House(Limits(people_per_room=1))
    person = type(nina)(house, "nina")
    person.enter("lobby")
    other = Script(house, "bob")
    with pytest.raises(Exception, match="lobby is full: 1 people are in it"):
        other.ask("join", room="lobby")
    late = Terminal(house)
    late.type("eve")
    assert late.take()[-1] == "lobby is full: 1 people are in it."


def test_one_person_is_in_a_bounded_number_of_rooms(house: House) -> None:
    house = House(Limits(rooms_per_person=2))
    nina = Script(house, "nina")
    nina.enter("a")
    nina.enter("b")
    with pytest.raises(Exception, match="You are in 2 rooms"):
        nina.ask("join", room="c")
    nina.ask("leave", room="a")
    nina.ask("join", room="c")


def test_deleting_a_room_takes_everybody_out(house: House, nina: Person) -> None:
    bob = Script(house, "bob")
    bob.enter("tea")
    nina.enter("tea")
    nina.take()
    assert bob.ask("delete", room="TEA") == {"room": "tea"}
    assert nina.refused() in ([], ["The room tea was deleted.", "You are speaking in lobby now."])
    if isinstance(nina, Terminal):
        nina.room = "lobby"
    nina.say("tea", "gone?")
    assert nina.refused()[0].startswith("There is no room called tea.")
    with pytest.raises(Exception, match="can't be deleted"):
        bob.ask("delete", room="lobby")


def test_the_last_words_of_a_room_are_answered_as_said_there(house: House) -> None:
    bob, nina = Script(house, "bob"), Script(house, "nina")
    for person in (bob, nina):
        person.enter("tea")
    nina.post("say", room="TEA", text="bye")
    nina.post("topic", room="tea", text="still bye")
    bob.send("delete", room="tea")
    house.settle()
    answers = [line for line in nina.take() if "status" in line]
    assert answers[0]["data"] == {"room": "tea", "seq": 1, "at": 1_700_000_000_000}
    assert answers[1]["error"]["code"] == "no-such-room"


def test_only_its_creator_deletes_a_room(house: House, nina: Person) -> None:
    nina.enter("tea")
    with pytest.raises(Exception, match="You may not delete the room"):
        Script(house, "bob").ask("delete", room="tea")

"""A store that fails, and a disk that is nearly full: what is refused, what goes on, and who is told of it."""

from __future__ import annotations

import pytest

from tcpchat.core.limits import Limits
from tcpchat.core.roles import ServerRole
from tcpchat.errors import ChatError, Code
from tests.house import House, Script, Terminal
from tests.test_order import SECRET, account, refusal

LEAST = 1_000


@pytest.fixture
def house() -> House:
    return House(Limits(free_bytes_least=LEAST))


@pytest.fixture
def ada(house: House) -> Script:
    ada = account(house, "ada", ServerRole.ADMIN)
    ada.ask("join", room="tea")
    return ada


@pytest.fixture
def bob(house: House, ada: Script) -> Script:
    bob = Script(house, "bob")
    bob.ask("join", room="tea")
    bob.ask("say", room="tea", text="before")
    bob.take()
    ada.take()
    return bob


def notices(person: Script) -> list[str]:
    return [line["data"]["text"] for line in person.take() if line["op"] == "notice"]


WRITING = {
    "say": {"room": "tea", "text": "x"},
    "tell": {"to": "ada", "text": "x"},
    "create": {"room": "x"},
    "topic": {"room": "tea", "text": "x"},
    "msg": {"text": "x"},
    "register": {"password": SECRET},
}


@pytest.mark.parametrize("op", WRITING)
def test_while_the_database_fails_nothing_is_taken_and_what_is_in_memory_is_read(
    house: House, ada: Script, bob: Script, op: str
) -> None:
    house.hub.store_changed("database or disk is full")
    bob.post(op, **WRITING[op])
    assert house.store.idle
    assert bob.take()[-1]["error"]["code"] == "store-failed"
    assert refusal(bob, op, **WRITING[op]) is Code.STORE_FAILED
    assert refusal(ada, "say", room="tea", text="x") is Code.STORE_FAILED
    assert bob.ask("why")["rule"] == "store"
    assert [entry["text"] for entry in bob.ask("history", room="tea")["entries"]] == ["before"]
    Script(house, "carl").ask("join", room="tea")
    house.hub.store_changed("")
    bob.ask(op, **WRITING[op])


@pytest.mark.parametrize("op", WRITING)
def test_while_there_is_hardly_any_space_nothing_can_be_said(house: House, ada: Script, bob: Script, op: str) -> None:
    house.hub.space_known(LEAST - 1)
    assert refusal(bob, op, **WRITING[op]) is Code.LOW_SPACE
    assert refusal(ada, "say", room="tea", text="x") is Code.LOW_SPACE
    assert bob.ask("why")["rule"] == "low-space"
    house.hub.space_known(LEAST * 2)
    bob.ask(op, **WRITING[op])


def test_everybody_is_told_when_space_is_low_and_when_there_is_enough_again(
    house: House, ada: Script, bob: Script
) -> None:
    for free in (LEAST, LEAST - 1, LEAST - 1, LEAST, LEAST * 5 // 4 - 1):
        house.hub.space_known(free)
    house.settle()
    assert notices(bob) == ["The disk of the server is nearly full: nothing can be said for now."]
    assert refusal(bob, "say", room="tea", text="x") is Code.LOW_SPACE
    house.hub.space_known(LEAST * 5 // 4)
    house.settle()
    assert notices(bob) == ["The disk of the server has room again: go on."]
    assert notices(ada) == [
        "The disk of the server is nearly full: nothing can be said for now.",
        "The disk of the server has room again: go on.",
    ]
    bob.ask("say", room="tea", text="x")


def test_an_emergency_and_little_space_are_two_things(house: House, ada: Script) -> None:
    uma = account(house, "uma")
    uma.ask("join", room="tea")
    house.hub.space_known(0)
    ada.ask("emergency", level="read-only")
    ada.ask("emergency", level="off")
    assert refusal(uma, "say", room="tea", text="x") is Code.LOW_SPACE
    ada.ask("emergency", level="read-only")
    house.hub.space_known(LEAST * 2)
    assert refusal(uma, "say", room="tea", text="x") is Code.EMERGENCY
    ada.ask("say", room="tea", text="admins may")
    ada.ask("emergency", level="off")
    uma.ask("say", room="tea", text="x")


def test_with_little_space_people_come_and_go_and_moderators_act(house: House, ada: Script, bob: Script) -> None:
    house.hub.space_known(0)
    ada.ask("kick", room="tea", user="bob")
    ada.ask("logout")
    ada.ask("login", name="ada", password=SECRET)
    assert [line.act for line in house.store.audit] == ["kick"]
    ada.ask("delete", room="tea")  # it makes room
    bob.ask("logout")
    bob.ask("login", name="rob")


def test_who_watches_the_server_is_told_of_each_change_once(house: House, ada: Script, bob: Script) -> None:
    ada.ask("subscribe", event="store")
    ada.take()
    house.hub.store_changed("disk I/O error")
    house.hub.store_changed("disk I/O error")
    house.hub.space_known(0)
    house.hub.store_changed("")
    house.hub.space_known(LEAST * 2)
    told = [line["data"] for line in ada.take() if line["op"] == "event"]
    assert [one["state"] for one in told] == ["failing", "low-space", "ok"]
    assert [one.get("error") for one in told] == ["disk I/O error", None, None]
    assert [line for line in bob.take() if line["op"] == "event"] == []


def test_an_admin_is_told_how_the_server_is(house: House, ada: Script, bob: Script) -> None:
    assert refusal(bob, "health") is Code.NOT_ALLOWED
    began = house.chat.now()
    house.clock.advance(60)
    health = ada.ask("health")
    assert health == {"store": "ok", "since": began, "uptime": 60, "people": 2, "rooms": 2, "detached": 0}
    house.hub.space_known(LEAST * 3)
    house.hub.store_changed("disk I/O error")
    failed = house.chat.now()
    house.clock.advance(5)
    health = ada.ask("health")
    assert (health["store"], health["since"], health["error"]) == ("failing", failed, "disk I/O error")
    assert (health["free_bytes"], health["free_bytes_least"]) == (LEAST * 3, LEAST)
    house.hub.store_changed("")
    health = ada.ask("health")
    assert (health["store"], health["since"]) == ("ok", failed + 5_000)
    assert (health["error"], health["failed"]) == ("disk I/O error", failed)


def test_whoever_sits_at_the_machine_may_ask_without_a_login(house: House) -> None:
    assert Script(house, operator=True).ask("health")["store"] == "ok"


def test_an_admin_reads_it_in_words(house: House) -> None:
    account(house, "ada", ServerRole.ADMIN)
    person = Terminal(house)
    person.type("/login ada correct horse")
    person.take()
    person.type("/subscribe store")
    house.hub.space_known(3 << 20)
    house.hub.store_changed("database or disk is full")
    house.settle()
    person.type("/health")
    lines = person.take()
    assert lines[:2] == [
        "You are told of: store.",
        "(The store of this server fails: nothing can be kept: database or disk is full)",
    ]
    assert lines[2].startswith("The store fails: nothing can be kept, since ")
    assert lines[3].endswith(": database or disk is full")
    assert lines[4] == "Left on its disk: 3 MiB, of which 0 MiB are needed."
    person.type("hello?")
    assert person.take() == [
        "The server can't keep anything just now, and has not tried to keep this. Please try again in a moment."
    ]
    person.type("/why")
    assert person.take()[0].startswith("You were refused this: The server can't keep anything just now")


def test_a_refusal_does_not_overtake_what_happened_before_it(house: House, ada: Script, bob: Script) -> None:
    house.hub.store_changed("disk I/O error")
    bob.transport.take()
    ada.post("leave", room="tea")
    bob.post("say", room="tea", text="x")
    house.settle()
    ops = [line["op"] for line in bob.take()]
    assert ops == ["left", "say"]


def test_what_a_moderator_did_and_could_not_be_recorded_is_said_to_be_so(
    house: House, ada: Script, bob: Script
) -> None:
    house.store.failing = True
    ada.post("kick", room="tea", user="bob")
    house.settle()
    (answer,) = [line for line in ada.take() if line.get("status") == "error"]
    assert answer["error"]["message"].startswith("That is done, but it could not be recorded")
    assert [line["op"] for line in bob.take()][-1] == "put-out"


def test_what_was_on_its_way_is_answered_by_its_end(house: House, ada: Script) -> None:
    uma = account(house, "uma")
    uma.ask("join", room="tea")
    for begin, end in (
        (lambda: house.hub.space_known(0), lambda: house.hub.space_known(None)),
        (lambda: house.hub.store_changed("too late"), lambda: house.hub.store_changed("")),
        (lambda: ada.ask("emergency", level="read-only"), lambda: ada.ask("emergency", level="off")),
    ):
        uma.take()
        uma.post("say", room="tea", text="on its way")
        begin()
        house.settle()
        (answer,) = [line for line in uma.take() if line["op"] == "say"]
        assert answer["status"] == "ok"
        end()


def test_no_room_comes_to_be_by_joining_while_space_is_low(house: House) -> None:
    nina = Script(house, "nina")
    house.hub.space_known(0)
    with pytest.raises(ChatError) as refused:
        nina.ask("join", room="tea")
    assert refused.value.code is Code.LOW_SPACE
    assert nina.ask("join", room="lobby")["room"] == "lobby"


def test_an_admin_is_told_who_is_there_without_a_connection(house: House, ada: Script, bob: Script) -> None:
    bob.transport.tear()
    broke = house.chat.now()
    assert (ada.ask("health")["people"], ada.ask("health")["detached"]) == (2, 1)
    told = {one["name"]: one.get("detached") for one in ada.ask("sessions")["sessions"]}
    assert told == {"ada": None, "bob": broke}
    person = Terminal(house)
    for line in (f"/login ada {SECRET}", "/health", "/sessions bob"):
        person.type(line)
    lines = person.take()
    assert "Sessions without a connection just now: 1." in lines
    assert ", without a connection since 22:13 UTC on Tuesday 14 November 2023, in tea." in lines[-1]

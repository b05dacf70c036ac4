"""The older message form in the house: who speaks it stands in the lobby with everybody else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from tcpchat.core.accounts import Account
from tcpchat.core.chat import Policy
from tcpchat.core.limits import Limits
from tcpchat.core.roles import ServerRole
from tests.house import House, Script, Terminal
from tests.older import OlderClient

SECRET = "correct horse"
FORMS = pytest.mark.parametrize("tagged", [False, True], ids=["flat", "tagged"])


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def bob(house: House) -> Script:
    """Somebody in the lobby who speaks JSON lines."""
    bob = Script(house, "bob")
    bob.enter("lobby")
    bob.take()
    return bob


def guest(house: House, name: str = "nina", *, tagged: bool = False) -> OlderClient:
    """Return a guest who is in the lobby, without Auth."""
    person = OlderClient(house, tagged=tagged)
    person.send("Enter", sender_username=name)
    assert name in house.present
    return person


def account(house: House, name: str = "nina") -> Account:
    """Let somebody register, and go."""
    person = Script(house, name)
    person.ask("register", password=SECRET)
    person.ask("quit")
    found = house.chat.accounts.get(name)
    assert found is not None
    return found


@FORMS
def test_an_account_logs_in_enters_speaks_and_leaves(house: House, bob: Script, tagged: bool) -> None:
    account(house)
    house.chat.policy = Policy(guests=False)
    nina = OlderClient(house, tagged=tagged)
    assert nina.auth("nina", SECRET) == [
        "PrivateInfo You are logged in as nina. Send this token with every message from now on."
    ]
    assert nina.token is not None
    assert bob.take() == []
    assert nina.send("Enter") == ["PrivateInfo You are in lobby, with bob."]
    assert bob.saw() == ["nina joined lobby"]
    assert nina.send("GroupChat", content="hello") == ["nina: hello"]
    assert bob.heard() == ["nina in lobby: hello"]
    bob.say("lobby", "hi")
    bob.act("lobby", "waves")
    house.settle()
    assert nina.heard() == ["bob: hi", "bob: * bob waves"]
    bob.take()
    assert nina.send("Leave") == ["PrivateInfo You left lobby."]
    assert bob.saw() == ["nina left lobby"]
    bob.say("lobby", "anybody?")
    house.settle()
    assert nina.heard() == []
    assert nina.send("Leave") == ["PrivateInfo not-in-room"]


@FORMS
def test_people_write_to_each_other_alone(house: House, bob: Script, tagged: bool) -> None:
    ada, nina = Terminal(house, "ada"), guest(house, tagged=tagged)
    bob.take()
    assert nina.send("PrivateChat", target_username="bob", content="psst") == ["nina to bob: psst"]
    assert bob.heard() == ["nina to bob: psst"]
    assert ada.heard() == []
    bob.tell("nina", "yes?")
    ada.type("/msg nina I can see you.")
    house.settle()
    assert nina.heard() == ["bob to nina: yes?", "ada to nina: I can see you."]
    assert nina.send("PrivateChat", target_username="zoe", content="psst") == ["PrivateInfo no-such-user"]


def test_the_others_are_told_who_comes_and_goes(house: House) -> None:
    nina, tagged = guest(house), guest(house, "ada", tagged=True)
    house.settle()
    assert nina.heard() == ["GroupInfo ada joined lobby."]
    bob = Terminal(house, "bob")
    bob.type("/away lunch")
    bob.type("/quit")
    expected = ["GroupInfo bob joined lobby.", "GroupInfo bob is away: lunch", "GroupInfo bob left lobby."]
    assert nina.heard() == tagged.heard() == expected


def test_a_guest_may_just_enter(house: House, bob: Script) -> None:
    nina = OlderClient(house)
    assert nina.send("Enter", sender_username=" nina ") == ["PrivateInfo You are in lobby, with bob."]
    assert bob.saw() == ["nina joined lobby"]
    assert nina.send("GroupChat", sender_username="nina", content="hello") == ["nina: hello"]
    assert bob.heard() == ["nina in lobby: hello"]


def test_or_just_speak(house: House, bob: Script) -> None:
    nina = OlderClient(house)
    assert nina.send("GroupChat", sender_username="nina", content="hello") == ["nina: hello"]
    assert [line["op"] for line in bob.take()] == ["joined", "message"]
    assert nina.send("GroupChat", sender_username="nina", content="again") == ["nina: again"]


def test_or_use_auth_and_then_needs_the_token(house: House, bob: Script) -> None:
    nina = OlderClient(house)
    nina.auth("nina")
    assert nina.send("GroupChat", content="hello") == ["nina: hello"]
    token, nina.token = nina.token, None
    assert nina.send("GroupChat", content="hello?") == ["PrivateInfo bad-credentials"]
    nina.token = "8d3f1b0a-0c55-4f6e-9f0e-0c554f6e9f0e"
    assert nina.send("Leave") == ["PrivateInfo bad-credentials"]
    assert nina.send("PrivateChat", target_username="bob", content="x") == ["PrivateInfo bad-credentials"]
    nina.token = token
    assert nina.send("GroupChat", content="here") == ["nina: here"]
    assert bob.heard() == ["nina in lobby: hello", "nina in lobby: here"]


def test_a_token_is_good_on_its_own_connection_only(house: House) -> None:
    nina, ada = OlderClient(house), OlderClient(house)
    nina.auth("nina")
    ada.auth("ada")
    nina.token, ada.token = ada.token, nina.token
    assert nina.send("Enter") == ada.send("Enter") == ["PrivateInfo bad-credentials"]


@FORMS
def test_nobody_speaks_as_another(house: House, bob: Script, tagged: bool) -> None:
    nina = guest(house, tagged=tagged)
    bob.take()
    for kind in ("GroupChat", "PrivateChat", "Leave", "Enter"):
        heard = nina.send(kind, sender_username="bob", target_username="bob", content="I am bob")
        assert heard == ["PrivateInfo not-allowed"]
    assert bob.take() == []
    assert nina.send("GroupChat", sender_username="NINA", content="I am nina") == ["nina: I am nina"]


def test_where_guests_are_not_let_in_auth_is_needed(house: House, bob: Script) -> None:
    account(house)
    house.chat.policy = Policy(guests=False)
    nina = OlderClient(house)
    for kind in ("Auth", "Enter", "GroupChat"):
        nina.post(kind, sender_username="nina", content="hello")
        house.settle()
        (told,) = nina.take()
        assert told["message_body"]["code"] == "account-needed"
        assert told["message_body"]["content"].endswith("Send Auth with sender_username and password.")
    for kind in ("Leave", "PrivateChat"):
        assert nina.send(kind, sender_username="nina", target_username="bob", content="x") == [
            "PrivateInfo not-logged-in"
        ]
    assert nina.auth("nina", "wrong") == ["PrivateInfo bad-credentials"]
    assert nina.auth("nina", "") == ["PrivateInfo bad-credentials"]
    assert nina.token is None
    assert house.present == ["bob"]
    assert bob.take() == []


def test_a_registered_name_is_its_owner_s(house: House) -> None:
    account(house)
    nina = OlderClient(house)
    assert nina.send("Enter", sender_username="nina") == ["PrivateInfo name-registered"]
    assert nina.send("GroupChat", sender_username="nina", content="hello") == ["PrivateInfo name-registered"]
    assert house.present == []


def test_a_guest_may_log_in_to_an_account_and_not_twice(house: House) -> None:
    account(house)
    nina = guest(house, "ada")
    nina.auth("nina", SECRET)
    assert house.present == ["nina"]
    assert nina.send("Enter") == ["PrivateInfo You are in lobby, alone."]
    assert nina.auth("nina", SECRET) == ["PrivateInfo already-logged-in"]
    assert nina.send("GroupChat", content="still here") == ["nina: still here"]


def test_entering_tells_nothing_of_what_was_said_before(house: House, bob: Script) -> None:
    bob.say("lobby", "before")
    account(house)
    nina = OlderClient(house)
    nina.auth("nina", SECRET)
    assert nina.send("Enter") == ["PrivateInfo You are in lobby, with bob."]
    assert nina.send("Enter") == ["PrivateInfo You are in lobby, with bob."]
    nina.send("Leave")
    assert OlderClient(house).send("Enter", sender_username="ada") == ["PrivateInfo You are in lobby, with bob."]


def test_what_is_not_shown_is_not_read(house: House, bob: Script) -> None:
    whoever = Script(house, "nina")
    whoever.ask("register", password=SECRET)
    whoever.ask("join", room="lobby", last=0)
    whoever.ask("quit")
    bob.say("lobby", "before")
    house.settle()
    nina = OlderClient(house)
    nina.auth("nina", SECRET)
    nina.send("Enter")
    house.clock.advance(60)
    script = Script(house)
    assert script.ask("login", name="nina", password=SECRET)["following"] == [
        {"room": "lobby", "unread": 1, "mentions": 0}
    ]


def test_who_was_written_to_while_away_is_told_so_and_others_that_it_waits(house: House) -> None:
    account(house)
    account(house, "ada")
    ada = OlderClient(house)
    ada.auth("ada", SECRET)
    assert ada.send("PrivateChat", target_username="nina", content="call me") == [
        "ada to nina: call me",
        "PrivateInfo nina is not here, and will read it later.",
    ]
    nina = OlderClient(house)
    (welcome,) = nina.auth("nina", SECRET)
    assert welcome.endswith("to be read with another client: 1 from ada.")


def test_a_broken_connection_leaves_nobody_behind(house: House, bob: Script) -> None:
    account(house)
    for name, password in (("ada", None), ("nina", SECRET)):
        person = OlderClient(house)
        person.auth(name, password)
        person.send("Enter")
        bob.take()
        person.connection.end(torn=True)
        house.settle()
        assert bob.saw() == [f"{name} left lobby"]
        assert person.ended
    assert guest(house, "ada").send("GroupChat", content="back") == ["ada: back"]


def test_answers_come_in_the_order_of_the_messages(house: House) -> None:
    nina = OlderClient(house)
    for kind, content in (("Enter", ""), ("GroupChat", "one"), ("GroupChat", ""), ("GroupChat", "two"), ("Leave", "")):
        nina.post(kind, sender_username="nina", content=content)
    nina.write(b"nonsense")
    nina.post("Leave")
    house.settle()
    assert nina.heard() == [
        "PrivateInfo You are in lobby, alone.",
        "nina: one",
        "nina: two",
        "PrivateInfo text-empty",
        "PrivateInfo You left lobby.",
        "PrivateInfo bad-json",
        "PrivateInfo not-in-room",
    ]


def test_what_comes_with_auth_before_the_token_is_known_is_refused(house: House) -> None:
    nina = OlderClient(house)
    nina.post("Auth", sender_username="nina")
    nina.post("GroupChat", content="too early")
    nina.post("Enter")
    house.settle()
    assert nina.heard()[1:] == ["PrivateInfo bad-credentials"] * 2


@FORMS
def test_whatever_is_wrong_is_answered_and_the_connection_stays(house: House, tagged: bool) -> None:
    nina = guest(house, tagged=tagged)
    for wrong, code in (
        (b"", "bad-json"),
        (b"{", "bad-json"),
        (b"\xff", "bad-json"),
        (b'{"message_type":"\xff"}', "bad-utf8"),
        ([], "bad-json"),
        ({}, "bad-field"),
        ({"message_type": "Zork"}, "unknown-op"),
        ({"message_type": "Leave", "message_body": 7}, "bad-field"),
        ({"message_type": "Leave", "token": 7}, "bad-field"),
        ({"message_type": "GroupChat", "message_body": nina.body("GroupChat", {"content": 7})}, "bad-field"),
        ({"message_type": "GroupChat", "message_body": nina.body("GroupChat", {})}, "bad-field"),
        ({"message_type": "GroupChat", "message_body": {"Enter": {}}}, "bad-field"),
    ):
        nina.write(wrong)
        house.settle()
        assert nina.heard() == [f"PrivateInfo {code}"], wrong
    assert nina.send("GroupChat", content="still here", more=[1]) == ["nina: still here"]
    assert not nina.ended


def test_each_is_spoken_to_in_its_own_form_and_may_change_it(house: House) -> None:
    flat, tagged = guest(house, "nina"), guest(house, "ada", tagged=True)
    flat.take()
    assert tagged.send("GroupChat", content="hello") == ["ada: hello"]
    assert flat.heard() == ["ada: hello"]
    flat.tagged = True
    assert flat.send("GroupChat", content="hi") == ["nina: hi"]
    assert tagged.heard() == ["nina: hi"]
    assert tagged.send("GroupChat", content="and on") == ["ada: and on"]
    assert flat.heard() == ["ada: and on"]


def test_who_is_put_out_hears_so_and_may_not_speak(house: House, bob: Script) -> None:
    owner = account(house, "ada")
    house.hub.commit([replace(owner, role=ServerRole.OWNER)])
    ada = Script(house)
    ada.ask("login", name="ada", password=SECRET)
    ada.ask("join", room="lobby")
    nina = guest(house)
    ada.ask("topic", room="lobby", text="Tea")
    ada.ask("mute", room="lobby", user="nina")
    assert nina.send("GroupChat", content="x") == [
        "GroupInfo ada set the topic of lobby: Tea",
        "GroupInfo ada muted nina in lobby.",
        "PrivateInfo muted",
    ]
    ada.ask("broadcast", text="Be kind.")
    ada.ask("kick", room="lobby", user="nina", reason="Calm down.")
    assert nina.heard() == [
        "GroupInfo ada to everybody: Be kind.",
        "PrivateInfo ada put you out of lobby: Calm down.",
    ]
    assert nina.send("GroupChat", content="x") == ["PrivateInfo kicked"]
    ada.ask("disconnect", user="nina")
    house.clock.advance(0)
    assert nina.ended
    assert nina.heard() == ["PrivateInfo kicked"]


def test_a_guest_whose_words_can_t_be_said_is_nobody(house: House) -> None:
    nina = OlderClient(house)
    assert nina.send("GroupChat", sender_username="nina", content=" ") == ["PrivateInfo text-empty"]
    house.hub.space_known(0)
    assert nina.send("GroupChat", sender_username="nina", content="x") == ["PrivateInfo low-space"]
    assert house.present == []
    assert nina.send("Enter", sender_username="nina") == ["PrivateInfo You are in lobby, alone."]


def test_who_can_t_keep_up_reads_on_in_the_same_form(house: House, bob: Script) -> None:
    nina = guest(house, tagged=True)
    nina.take()
    nina.transport.buffer_bytes = 200
    nina.transport.stop_reading()
    for number in range(10):
        bob.say("lobby", f"line {number}")
        bob.tell("nina", f"word {number}")
        house.settle()
    Terminal(house, "ada")
    nina.transport.buffer_bytes = 64 * 1024
    nina.transport.start_reading()
    house.settle()
    heard = nina.heard()
    assert [one for one in heard if one.startswith("bob:")] == [f"bob: line {number}" for number in range(10)]
    assert [one for one in heard if one.startswith("bob to")] == [f"bob to nina: word {number}" for number in range(10)]
    assert heard[-1] == "GroupInfo Now in lobby: bob, nina and ada."


def test_a_store_that_fails_is_an_answer(house: House) -> None:
    nina = OlderClient(house)
    house.store.failing = True
    assert nina.send("GroupChat", sender_username="nina", content="x") == ["PrivateInfo store-failed"]
    house.store.failing = False
    assert nina.send("GroupChat", content="y") == ["nina: y"]


def test_a_text_may_be_as_long_as_on_every_wire(house: House) -> None:
    nina = guest(house)
    most = Limits().text_bytes
    assert nina.send("GroupChat", content="x" * most) == [f"nina: {'x' * most}"]
    assert nina.send("GroupChat", content="x" * (most + 1)) == ["PrivateInfo text-too-long"]


DIALOGUES = re.findall(
    r"<!-- older: begin -->\n(.*?)<!-- older: end -->",
    (Path(__file__).parents[1] / "docs" / "protocol.md").read_text("utf-8"),
    re.DOTALL,
)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=["flat", "tagged"])
def test_the_document_tells_what_happens(house: House, dialogue: str) -> None:
    account(house)
    client, bob = OlderClient(house), Script(house, "bob")
    heard: list[object] = []
    for line in dialogue.strip().splitlines():
        mark, words = line.strip()[0], line.strip()[1:].strip()
        if mark == "<":
            assert UUID.sub("uuid", json.dumps(heard.pop(0))) == UUID.sub("uuid", words)
            continue
        assert heard == []
        if mark == ">":
            client.write(UUID.sub(client.token or "", words).encode())
        else:
            does(bob, words.rstrip(")"))
        house.settle()
        messages = client.take()
        client.token = next((one["token"] for one in messages if one["token"]), client.token)
        heard += messages
    assert heard == []


def does(bob: Script, words: str) -> None:
    """Let bob do what a bracket in the document says."""
    match words:
        case "bob joins lobby":
            bob.enter("lobby")
        case "bob waves":
            bob.act("lobby", "waves")
        case "bob tells nina: yes?":
            bob.tell("nina", "yes?")
        case "bob leaves lobby":
            bob.leave("lobby")
        case _:
            raise AssertionError(words)

"""What people are to each other, written once and run over every wire."""

from __future__ import annotations

import pytest

from tcpchat.core.limits import Limits
from tcpchat.errors import ChatError
from tests.frames import WebScript
from tests.house import House, Script, Terminal

Person = Script | Terminal


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture(params=(Script, Terminal, WebScript), ids=lambda wire: wire.wire)
def nina(request: pytest.FixtureRequest, house: House) -> Person:
    person: Person = request.param(house, "nina")
    person.enter("lobby")
    person.take()
    return person


@pytest.fixture
def bob(house: House, nina: Person) -> Script:
    bob = Script(house, "bob")
    bob.enter("lobby")
    bob.take()
    nina.take()
    return bob


def _do(person: Person, op: str, words: str, **data: object) -> None:
    """Send a command as its wire says it."""
    if isinstance(person, Terminal):
        person.type(words)
    else:
        person.ask(op, **data)


def test_a_new_name_is_told_and_the_person_stays_the_same(house: House, nina: Person, bob: Script) -> None:
    bob.tell("nina", "psst")
    bob.say("lobby", "before")
    house.settle()
    nina.take()
    _do(nina, "nick", "/nick Ada", name="Ada")
    (renamed,) = [line for line in bob.take() if line["op"] == "renamed"]
    assert renamed["data"] == {"room": "lobby", "name": "nina", "user": {"name": "Ada"}}
    nina.take()
    nina.name = "Ada"
    nina.say("lobby", "after")
    nina.tell("bob", "still me")
    house.settle()
    assert sorted(bob.heard()) == sorted(nina.heard()) == ["Ada in lobby: after", "Ada to bob: still me"]
    (room,) = {entry.draft.room for log in house.store.logs.values() for entry in log if "psst" in entry.draft.text}
    assert [entry.draft.text for entry in house.store.logs[room]] == ["psst", "still me"]
    names = [user["name"] for user in bob.ask("members", room="lobby")["members"]]
    assert names == ["Ada", "bob"]
    assert house.hub.users.get("nina") is None
    Script(house, "nina")  # the old name is free


def test_a_name_that_is_taken_gets_a_suggestion(house: House, nina: Person, bob: Script) -> None:
    if isinstance(nina, Terminal):
        nina.type("/nick BOB")
        assert nina.take() == ["The name BOB is in use. BOB2 is free."]
    else:
        with pytest.raises(ChatError, match=r"The name BOB is in use\. BOB2 is free\."):
            nina.ask("nick", name="BOB")
    late = Terminal(house)
    late.type("bob")
    assert late.take()[-2:] == ["The name bob is in use. bob2 is free.", "What is your name?"]
    late.type("bob2")
    assert late.take()[0].startswith("Hello, bob2.")


def test_the_same_name_in_another_spelling_is_one_s_own(house: House, nina: Person, bob: Script) -> None:
    _do(nina, "nick", "/nick NINA", name="NINA")
    assert [line["data"]["user"]["name"] for line in bob.take()] == ["NINA"]


def test_one_s_own_name_in_another_spelling_may_look_like_somebody_s(house: House) -> None:
    il, ll = Script(house, "il"), Script(house, "ll")
    with pytest.raises(ChatError, match=r"The name Il looks like ll, who is here\. Il2 is free\."):
        il.ask("nick", name="Il")
    for person in (ll, il):
        person.ask("logout")
    assert len(house.hub.users) == 0


def test_a_suggestion_is_free_for_the_server_and_for_the_eye(house: House) -> None:
    for name in ("il", "Il2", "ll3"):
        Script(house, name)
    with pytest.raises(ChatError, match="il3 is free"):
        Script(house).ask("login", name="il")
    with pytest.raises(ChatError, match="Il4 is free"):
        Script(house).ask("login", name="Il")


def test_another_spelling_of_one_s_own_name_may_look_like_somebody_else(
    house: House, nina: Person, bob: Script
) -> None:
    larry, iarry, other = [Script(house, name) for name in ("larry", "iarry", "iarry2")]
    with pytest.raises(ChatError, match=r"The name Iarry looks like larry, who is here\. Iarry3 is free\."):
        iarry.ask("nick", name="Iarry")
    assert iarry.ask("nick", name="iARRY")["user"] == {"name": "iARRY"}
    for person in (larry, iarry, other):
        person.ask("logout")
    assert [user["name"] for user in bob.ask("users")["users"]] == ["nina", "bob"]


def test_absence_is_told_and_shown(house: House, nina: Person, bob: Script) -> None:
    _do(nina, "away", "/away at\tlunch", text="at\tlunch")
    assert [line["data"] for line in bob.take()] == [
        {"room": "lobby", "user": {"name": "nina", "away": True}, "text": "at lunch"}
    ]
    assert bob.ask("whois", user="Nina")["away"] == "at lunch"
    nina.take()
    bob.ask("away", text="too")
    bob.ask("away")
    if isinstance(nina, Terminal):
        assert nina.take() == ["bob is away: too", "bob is back."]
    nina.take()
    _do(nina, "away", "/away")
    assert bob.take()[-1]["data"] == {"room": "lobby", "user": {"name": "nina"}}


def test_who_somebody_is_never_tells_an_address(house: House, nina: Person, bob: Script) -> None:
    bob.enter("tea")
    nina.take()
    if isinstance(nina, Terminal):
        nina.type("/whois bob")
        (line,) = nina.take()
        assert line.startswith("bob is a guest, here since 22:13 UTC on Tuesday 14 November 2023, in lobby and tea.")
    else:
        assert nina.ask("whois", user="bob") == {
            "user": {"name": "bob"},
            "rooms": ["lobby", "tea"],
            "since": 1_700_000_000_000,
            "registered": False,
        }


def test_who_is_ignored_is_not_read_whatever_the_name(house: House, nina: Person, bob: Script) -> None:
    eve = Script(house, "eve")
    eve.enter("lobby")
    nina.take()
    _do(nina, "ignore", "/ignore bob", user="bob")
    nina.take()
    bob.say("lobby", "noise")
    bob.tell("nina", "noise")
    eve.say("lobby", "music")
    house.settle()
    assert nina.heard() == ["eve in lobby: music"]
    assert eve.heard() == ["bob in lobby: noise", "eve in lobby: music"]
    bob.ask("nick", name="robert")
    nina.take()
    bob.say("lobby", "noise again")
    house.settle()
    assert nina.heard() == []
    history = nina.ask("history", room="lobby")["entries"] if isinstance(nina, Script) else None
    assert history is None or [entry["text"] for entry in history] == ["music"]
    _do(nina, "unignore", "/unignore bob", user="bob")  # the name from then will do, too
    nina.take()
    bob.say("lobby", "welcome back")
    house.settle()
    assert nina.heard() == ["robert in lobby: welcome back"]


def test_a_person_can_not_ignore_itself_or_too_many(house: House) -> None:
    house = House(Limits(ignored=1))
    nina, *_ = [Script(house, name) for name in ("nina", "bob", "eve")]
    with pytest.raises(ChatError, match="yourself"):
        nina.ask("ignore", user="nina")
    nina.ask("ignore", user="bob")
    with pytest.raises(ChatError, match="as many as one can"):
        nina.ask("ignore", user="eve")
    assert nina.ask("ignored")["users"] == ["bob"]
    assert nina.ask("ignore", user="bob")["users"] == ["bob"]
    nina.ask("logout")
    nina.ask("login", name="nina")
    assert nina.ask("ignored")["users"] == []


def test_a_topic_is_an_entry_of_the_log(house: House, nina: Person, bob: Script) -> None:
    _do(nina, "topic", "/topic green  tea", room="lobby", text="green  tea")
    house.settle()
    (changed,) = bob.take()
    assert changed["op"] == "topic"
    assert changed["data"] == {"room": "lobby", "seq": 1, "at": 1_700_000_000_000, "from": "nina", "text": "green  tea"}
    assert bob.ask("topic", room="lobby") == {"room": "lobby", "text": "green  tea"}
    assert bob.ask("history", room="lobby")["entries"][0]["kind"] == "topic"
    assert bob.ask("rooms", search="GREEN")["rooms"][0]["topic"] == "green  tea"
    assert bob.ask("rooms", search="black")["rooms"] == []
    nina.take()
    bob.ask("topic", room="lobby", text="-")
    if isinstance(nina, Terminal):
        assert nina.take() == ["bob took the topic of lobby away."]
        nina.type("/topic")
        assert nina.take() == ["lobby has no topic. Type /topic TEXT to set one."]


def test_a_failing_store_changes_no_topic(house: House, nina: Person, bob: Script) -> None:
    house.store.failing = True
    if isinstance(nina, Terminal):
        nina.type("/topic lost")
    else:
        with pytest.raises(ChatError):
            nina.ask("topic", room="lobby", text="lost")
    house.store.failing = False
    assert bob.ask("topic", room="lobby")["text"] == ""


def test_reply_goes_to_who_wrote_last(house: House, bob: Script) -> None:
    ada = Terminal(house, "ada")
    ada.type("/reply hello?")
    assert ada.take() == ["There is nobody to answer: nobody has written to you yet. Type /users to see who is here."]
    bob.tell("ada", "psst")
    house.settle()
    ada.take()
    bob.ask("nick", name="robert")
    ada.take()
    ada.type("/reply yes?")
    assert ada.take() == ["you to robert: yes?"]
    assert [line["data"]["text"] for line in bob.take() if line["op"] == "message"] == ["psst", "yes?"]
    bob.ask("logout")
    ada.take()
    ada.type("/reply hello?")
    assert ada.take() == [
        "There is nobody to answer: who wrote to you last is not here any more. Type /users to see who is here."
    ]


def test_switching_changes_where_one_speaks(house: House, bob: Script) -> None:
    ada = Terminal(house, "ada")
    ada.enter("tea")
    ada.type("/switch Lobby")
    assert ada.take() == ["You are speaking in lobby now."]
    bob.take()
    ada.type("hello")
    assert bob.heard() == ["ada in lobby: hello"]
    ada.type("/switch nowhere")
    assert ada.take()[-1] == (
        "There is no room called nowhere. Type /rooms to see those there are, or /join nowhere to create it."
    )


def test_in_a_large_room_those_who_come_and_go_are_counted() -> None:
    house = House(Limits(people_told=4))
    nina = Terminal(house, "nina")
    script = Script(house, "script")
    script.enter("lobby")
    first = Script(house, "p0")
    first.enter("lobby")
    assert nina.take() == ["script joined lobby.", "p0 joined lobby."]
    assert script.saw() == ["p0 joined lobby"]
    people = [Script(house, f"p{number}") for number in range(1, 8)]
    for person in people:
        person.enter("lobby")
    people[3].ask("leave", room="lobby")
    nina.take()
    script.take()
    house.hub.tick()
    house.settle()
    assert nina.take() == ["In lobby 6 people joined and 1 left; 9 are there."]
    assert script.take() == [{"op": "crowd", "data": {"room": "lobby", "joined": 6, "left": 1, "people": 9}}]
    house.hub.tick()
    house.settle()
    assert nina.take() == []
    joined = people[3].ask("join", room="lobby")
    assert (len(joined["members"]), joined["people"]) == (4, 10)
    late = Terminal(house)
    late.type("late")
    assert "You are in lobby, with nina, script, p0, p1 and 6 more." in late.take()


def test_when_many_come_and_go_the_first_are_told_at_once_and_the_others_together() -> None:
    house = House(Limits(moves_told=2))
    nina, script = Terminal(house, "nina"), Script(house, "script")
    script.enter("lobby")
    house.hub.tick()
    nina.take()
    for number in range(5):
        Script(house, f"p{number}").enter("lobby")
    assert nina.take() == ["p0 joined lobby.", "p1 joined lobby."]
    assert script.saw() == ["p0 joined lobby", "p1 joined lobby"]
    house.hub.tick()
    house.settle()
    assert nina.take() == ["p2, p3 and p4 joined lobby."]
    assert script.saw() == [f"p{number} joined lobby" for number in range(2, 5)]
    Script(house, "late").enter("lobby")
    assert nina.take() == ["late joined lobby."]
    house.hub.tick()
    house.settle()
    assert nina.take() == []


def test_who_came_is_told_before_what_they_say_and_before_any_answer() -> None:
    house = House(Limits(moves_told=0))
    nina, bob, eve = Terminal(house, "nina"), Script(house, "bob"), Script(house, "eve")
    bob.enter("lobby")
    assert nina.take() == []
    bob.say("lobby", "hello")
    house.settle()
    assert nina.take() == ["bob joined lobby.", "bob: hello"]
    eve.enter("lobby")
    assert bob.saw() == []
    nina.type("/who")
    assert nina.take() == ["eve joined lobby.", "3 people are in lobby: nina, bob and eve."]
    bob.ask("leave", room="lobby")
    assert bob.saw() == ["eve joined lobby"]
    house.hub.tick()
    house.settle()
    assert nina.take() == ["bob left lobby."]
    assert eve.saw() == ["bob left lobby"]
    eve.enter("tea")
    bob.enter("lobby")
    bob.tell("nina", "psst")
    house.settle()
    assert nina.take() == ["bob joined lobby.", "bob to you: psst"]
    house.hub.tick()
    house.settle()
    assert nina.take() == []


def test_a_day_begins_for_each_by_the_own_clock() -> None:
    house = House()
    nina, bob, script = Terminal(house, "nina"), Terminal(house, "bob"), Script(house, "script")
    script.enter("lobby")
    bob.type("/timezone +1:30")
    for person in (nina, bob, script):
        person.take()
    told: list[tuple[int, str, str]] = []
    for quarter in range(8):  # from 22:13:20
        house.hub.tick()
        house.settle()
        told += [(quarter, who.name or "", line) for who in (nina, bob) for line in who.take()]
        house.clock.advance(15 * 60)
    day = "It is Wednesday 15 November 2023."
    assert told == [(2, "bob", day)]
    assert script.take() == []
    house.hub.tick()
    house.settle()
    assert nina.take() == [day]


def test_whom_one_ignores_is_listed_by_the_present_name(house: House, bob: Script) -> None:
    ada = Script(house, "ada")
    ada.ask("ignore", user="bob")
    bob.ask("nick", name="robert")
    other = Script(house, "bob")
    assert ada.ask("ignored")["users"] == ["robert"]
    with pytest.raises(ChatError, match="You don't ignore anybody called bob"):
        ada.ask("unignore", user="bob")
    other.ask("logout")
    bob.ask("logout")
    assert ada.ask("ignored")["users"] == ["bob"]
    assert ada.ask("unignore", user="BOB")["users"] == []


def test_a_topic_that_is_so_already_is_no_entry(house: House, bob: Script) -> None:
    assert bob.ask("topic", room="lobby", text="-") == {"room": "lobby", "text": ""}
    assert "seq" in bob.ask("topic", room="lobby", text="leaves")
    assert bob.ask("topic", room="lobby", text="leaves") == {"room": "lobby", "text": "leaves"}
    assert len(house.store.logs[house.hub.rooms.get("lobby").id]) == 1  # type: ignore[union-attr]


def test_who_wrote_is_known_whatever_both_are_called_by_then(house: House) -> None:
    nina, bob, jim = Script(house, "nina"), Terminal(house, "bob"), Script(house, "jim")
    nina.tell("bob", "hello there")
    nina.tell("jim", "hello, too")
    house.settle()
    nina.ask("nick", name="zoe")
    bob.take()
    bob.type("/history @zoe")
    house.settle()
    assert [line.split(" (")[0] for line in bob.take() if "hello" in line] == ["nina to you: hello there"]
    (theirs,) = jim.ask("history", room="@zoe")["entries"]
    (mine,) = nina.ask("history", room="@jim")["entries"]
    assert (theirs["from"], theirs["with"], "mine" in theirs) == ("nina", "zoe", False)
    assert (mine["from"], mine["with"], mine["mine"]) == ("nina", "jim", True)

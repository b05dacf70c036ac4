"""A connection breaks and the session stays: nobody leaves, nothing is missed, and only the code brings it back."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from tcpchat.core.accounts import Account, Credential, CredentialId, CredentialKind, State
from tcpchat.core.addresses import parse_network
from tcpchat.core.bans import Ban
from tcpchat.core.chat import Policy
from tcpchat.core.entries import PersonId, Seq
from tcpchat.core.limits import Limits
from tcpchat.core.names import fold
from tcpchat.core.roles import ServerRole
from tcpchat.core.tickets import Tickets, digest
from tcpchat.errors import ChatError, Code
from tests.house import House, Script, Terminal

PASSWORD = "correct horse battery"
_CODE = re.compile(r"/resume ([a-z2-7]{4}(?:-[a-z2-7]{4}){3})$")


@pytest.fixture
def house() -> House:
    return House()


def login(house: House, name: str, *rooms: str, host: str = "192.0.2.1", **proof: str) -> tuple[Script, str]:
    """Return a program that is in rooms, and the code of its session."""
    script = Script(house, host=host)
    code = script.ask("login", name=name, **proof)["session"]
    for room in rooms:
        script.enter(room)
    script.take()
    return script, str(code)


def arrive(house: House, name: str, host: str = "192.0.2.1") -> tuple[Terminal, str]:
    """Return a person in the lobby, and the code on the screen."""
    terminal = Terminal(house, host=host)
    terminal.type(name)
    terminal.name = name
    return terminal, code_of(terminal.take())


def code_of(lines: list[str]) -> str:
    (code,) = (found[1] for line in lines if (found := _CODE.search(line)))
    return code


def back(house: House, code: str, cursors: dict[str, Any] | None = None, **rooms: int) -> tuple[Script, Any]:
    """Return a program that has come back, and what it was answered."""
    script = Script(house)
    return script, script.ask("resume", session=code, cursors=rooms if cursors is None else cursors)


def seen(script: Script, room: str = "lobby") -> list[tuple[int, str]]:
    """Return the entries of a room that were told since the last time."""
    script.house.settle()
    return [
        (line["data"]["seq"], line["data"]["text"])
        for line in script.take()
        if line["op"] == "message" and line["data"]["room"] == room
    ]


def json_line(op: str, **data: Any) -> bytes:
    return msgspec.json.encode({"op": op, "id": 1, "data": data}) + b"\n"


def refusal(script: Script, code: str) -> Code:
    with pytest.raises(ChatError) as refused:
        script.ask("resume", session=code)
    return refused.value.code


def with_account(house: House, name: str = "nina", role: ServerRole = ServerRole.USER, *, number: int = 77) -> Account:
    account = Account(PersonId(number), fold(name), name, None, State.GOOD, "", 0, 0, role)
    house.store.accounts[account.id] = account
    house.chat.accounts.put(account)
    kept = Credential(CredentialId(number - 72), account.id, CredentialKind.PASSWORD, f"hash of {PASSWORD}", "", 0)
    house.store.credentials[kept.id] = kept
    return account


def restart(house: House) -> House:
    """Return a daemon that begins with what the other one has stored: as after kill -9."""
    house.settle()
    other = House()
    other.clock.advance(house.clock.seconds())
    other.store.sessions, other.store.logs = house.store.sessions, house.store.logs
    for room in house.chat.rooms:
        known = other.chat.rooms.log(room.id)
        assert known is not None, "only rooms that are always there are known here"
        known.head = room.head
    directs = {
        direct.id: direct.record
        for person in house.chat.users
        for direct in person.directs.values()
        for direct.record in [_stored(direct)]
    }
    other.hub.restore_sessions(list(house.store.sessions.values()), directs)
    return other


def _stored(direct: Any) -> Any:
    return msgspec.structs.replace(direct.record, head=direct.head)


# What is missed, and who notices.


def test_a_program_gets_exactly_what_it_missed_and_then_what_happens(house: House) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina, code = login(house, "nina", "lobby")
    bob.say("lobby", "one")
    assert seen(nina) == [(1, "one")]
    bob.take()
    nina.transport.tear()
    for text in ("two", "three"):
        bob.say("lobby", text)
    house.settle()
    again, answer = back(house, code, lobby=1)
    assert [room["room"] for room in answer["rooms"]] == ["lobby"]
    assert (answer["user"]["name"], answer["rooms"][0]["after"], answer["rooms"][0]["head"]) == ("nina", 1, 3)
    assert answer["lost"] == []
    assert seen(again) == [(2, "two"), (3, "three")]
    bob.say("lobby", "four")
    assert seen(again) == [(4, "four")]
    assert bob.saw() == []


def test_who_comes_back_is_told_who_is_there(house: House) -> None:
    nina, code = login(house, "nina", "lobby")
    bob = Script(house, "bob")
    nina.transport.tear()
    bob.enter("lobby")
    again, _ = back(house, code, lobby=0)
    house.settle()
    told = [line["data"] for line in again.take() if line["op"] == "members"]
    assert [[user["name"] for user in members["members"]] for members in told] == [["nina", "bob"]]


def test_a_person_goes_on_where_the_screen_stopped(house: House) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina, code = arrive(house, "nina")
    bob.say("lobby", "one")
    house.settle()
    house.clock.advance(house.chat.limits.count_seconds)  # and it is seen that this has arrived
    house.chat.limits.become(house.chat.limits)
    house.hub.tick()
    assert nina.heard() == ["bob in lobby: one"]
    nina.transport.tear()
    bob.say("lobby", "two")
    house.settle()
    again = Terminal(house)
    again.type(f"/resume {code.upper().replace('-', ' ')}")
    lines = again.take()
    assert "Welcome back, nina. You are in lobby." in lines
    said = lines.index("This was said meanwhile; of the first lines you may have seen some.")
    assert [line for line in lines[said + 1 :] if line.startswith("bob")] == ["bob: two"]
    bob.say("lobby", "three")
    house.settle()
    assert again.take() == ["bob: three"]
    again.type("hello")
    assert again.take() == ["nina: hello"]


def test_what_may_not_have_reached_the_screen_is_repeated(house: House) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina, code = arrive(house, "nina")
    house.hub.tick()
    nina.transport.stop_reading()
    bob.say("lobby", "one")
    house.settle()
    house.hub.tick()
    nina.transport.tear()
    again = Terminal(house)
    again.type(f"/resume {code}")
    assert "bob: one" in again.take()


def test_direct_messages_wait(house: House) -> None:
    bob = Script(house, "bob")
    nina, code = login(house, "nina")
    bob.tell("nina", "one")
    house.settle()
    (first,) = [line["data"] for line in nina.take() if line["op"] == "message"]
    nina.transport.tear()
    bob.tell("nina", "two")
    house.settle()
    again, _ = back(house, code, cursors={first["room"]: 1})
    assert seen(again, first["room"]) == [(2, "two")]
    bob.tell("nina", "three")
    assert seen(again, first["room"]) == [(3, "three")]


def test_a_conversation_that_began_meanwhile_is_read_from_its_first_word(house: House) -> None:
    bob = Script(house, "bob")
    terminal, code = arrive(house, "nina")
    terminal.transport.tear()
    bob.tell("nina", "are you there?")
    house.settle()
    again = Terminal(house)
    again.type(f"/resume {code}")
    assert "bob to you: are you there?" in again.take()
    again.type("/reply I am.")
    assert again.take() == ["you to bob: I am."]


@pytest.mark.parametrize("wire", ["json", "text"])
def test_what_was_on_its_way_when_the_connection_broke_is_not_lost(house: House, wire: str) -> None:
    bob = Script(house, "bob")
    nina: Script | Terminal
    nina, code = login(house, "nina", "lobby") if wire == "json" else arrive(house, "nina")
    bob.enter("lobby")
    house.hub.tick()
    nina.transport.stop_reading()
    bob.say("lobby", "on the way")
    bob.tell("nina", "in private")  # a conversation that nobody can name yet
    house.settle()
    house.hub.tick()
    nina.transport.tear()
    again: Script | Terminal
    if wire == "json":
        again, _ = back(house, code)
        again.name = "nina"
        house.settle()
    else:
        again = Terminal(house)
        again.name = "nina"
        again.type(f"/resume {code}")
    heard = [line for line in again.heard() if line.startswith("bob")]
    assert heard == ["bob in lobby: on the way", "bob to nina: in private"]


def test_of_an_old_conversation_only_what_is_new_is_told(house: House) -> None:
    for number, name in ((77, "nina"), (78, "bob")):
        with_account(house, name, number=number)
    bob, nina = (login(house, name, password=PASSWORD)[0] for name in ("bob", "nina"))
    bob.tell("nina", "long ago")
    house.settle()
    for person in (bob, nina):
        person.ask("logout")
    bob, _ = login(house, "bob", password=PASSWORD)
    nina, code = login(house, "nina", password=PASSWORD)
    nina.transport.tear()
    bob.tell("nina", "now")
    house.settle()
    again, _ = back(house, code)
    house.settle()
    again.name = "nina"
    assert again.heard() == ["bob to nina: now"]


def test_what_is_said_meanwhile_is_new_to_the_account(house: House) -> None:
    with_account(house)
    bob, _ = login(house, "bob", "lobby")
    nina = Terminal(house)
    nina.type(f"/login nina {PASSWORD}")
    code = code_of(nina.take())
    bob.say("lobby", "one")
    house.settle()
    house.hub.tick()
    nina.transport.tear()
    bob.say("lobby", "two")
    house.settle()
    house.hub.tick()
    phone = Script(house)
    answer = phone.ask("login", name="nina", password=PASSWORD)
    assert [(room["room"], room["unread"]) for room in answer["following"]] == [("lobby", 1)]
    again = Terminal(house)
    again.type(f"/resume {code}")
    assert "bob: two" in again.take()
    house.clock.advance(10)
    bob.say("lobby", "three")
    house.settle()
    house.hub.tick()
    house.settle()
    (followed,) = [room for room in phone.ask("rooms")["rooms"] if room["room"] == "lobby"]
    assert followed.get("unread", 0) == 0


def test_ignores_absence_and_the_current_room_stay(house: House) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina, code = arrive(house, "nina")
    for line in ("/ignore bob", "/away tea", "/join tea", "/switch lobby"):
        nina.type(line)
    nina.transport.tear()
    bob.say("lobby", "hello?")
    house.settle()
    assert bob.ask("whois", user="nina")["away"] == "tea"
    again = Terminal(house)
    again.type(f"/resume {code}")
    lines = again.take()
    assert "You are speaking in lobby now." in lines
    assert not [line for line in lines if "hello?" in line]
    again.type("/ignored")
    assert again.take() == ["You ignore bob."]


# How it ends.


@pytest.mark.parametrize("end", ["quit", "logout", "end"])
def test_a_polite_end_ends_the_session(house: House, end: str) -> None:
    nina, code = login(house, "nina", "lobby")
    if end == "end":
        nina.transport.end()
    else:
        nina.send(end)
    house.settle()
    assert house.hub.users.get("nina") is None
    assert house.store.sessions == {}
    assert refusal(Script(house), code) is Code.NO_SUCH_SESSION


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("wire", ["json", "text"])
def test_who_hangs_up_before_the_answer_to_resume_can_still_go_on(house: House, wire: str, *, first: bool) -> None:
    """Perhaps nobody has seen the new code: the one that was used is still good."""
    nina, code = login(house, "nina", "lobby")
    nina.transport.tear()
    again = house.connect()
    codes = [code] if first else ["kx3m-7pqa-b2zw-ymth", code]  # what is still to be begun counts, too
    lines = [json_line("resume", session=one) if wire == "json" else f"/resume {one}\n".encode() for one in codes]
    again.receive(b"".join(lines))
    again.end()
    house.settle()
    assert again.closed
    assert [(kept.name, kept.detached > 0) for kept in house.store.sessions.values()] == [("nina", True)]
    assert back(house, code)[1]["user"]["name"] == "nina"


def test_who_says_goodbye_after_resume_is_gone(house: House) -> None:
    nina, code = login(house, "nina", "lobby")
    nina.transport.tear()
    again = house.connect()
    again.receive(json_line("resume", session=code) + json_line("quit"))
    again.end()
    house.settle()
    assert refusal(Script(house), code) is Code.NO_SUCH_SESSION


def test_half_a_goodbye_on_text_is_one(house: House) -> None:
    nina, _ = arrive(house, "nina")
    nina.transport.end()
    house.settle()
    assert house.hub.users.get("nina") is None


def test_the_name_of_who_lost_the_connection_is_kept_and_why_is_said(house: House) -> None:
    login(house, "nina")[0].transport.tear()
    with pytest.raises(ChatError, match="is kept for somebody whose connection broke") as refused:
        Script(house).ask("login", name="Nina")
    assert refused.value.code is Code.NAME_TAKEN


def test_a_session_without_a_connection_ends_after_its_time(house: House) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina, code = login(house, "nina", "lobby")
    nina.transport.tear()
    house.clock.advance(599)
    house.hub.tick()
    house.settle()
    assert bob.saw() == ["nina joined lobby"]
    house.clock.advance(2)
    house.hub.tick()
    house.settle()
    assert bob.saw() == ["nina left lobby"]
    assert refusal(Script(house), code) is Code.NO_SUCH_SESSION
    assert house.store.sessions.keys() == {ident for ident, one in house.store.sessions.items() if one.name == "bob"}


def test_accounts_have_days(house: House) -> None:
    with_account(house)
    nina, code = login(house, "nina", password=PASSWORD)
    nina.transport.tear()
    house.clock.advance(2.9 * 86_400)
    house.hub.tick()
    assert back(house, code)[1]["user"]["name"] == "nina"


@pytest.mark.parametrize("state", [State.SUSPENDED, State.BANNED, State.DELETED])
def test_an_account_that_may_not_come_in_has_no_session_left(house: House, state: State) -> None:
    import msgspec

    account = with_account(house)
    nina, code = login(house, "nina", "lobby", password=PASSWORD)
    nina.transport.tear()
    house.hub.commit([msgspec.structs.replace(account, state=state)])
    house.settle()
    assert house.hub.users.get("nina") is None
    assert refusal(Script(house), code) is Code.NO_SUCH_SESSION


def test_it_ends_with_what_it_was_proved_with(house: House) -> None:
    from tcpchat.core.requests import CredentialsChanged

    account = with_account(house)
    nina, code = login(house, "nina", password=PASSWORD)
    nina.transport.tear()
    house.hub.commit([CredentialsChanged(account.id, (CredentialId(5),), ())])
    assert refusal(Script(house), code) is Code.NO_SUCH_SESSION


def test_who_is_banned_by_address_does_not_come_back(house: House) -> None:
    with_account(house, "root", ServerRole.ADMIN)
    root, _ = login(house, "root", host="198.51.100.9", password=PASSWORD)
    nina, code = login(house, "nina")
    nina.transport.tear()
    root.ask("server-ban", address="203.0.113.0/24")
    assert refusal(Script(house, host="203.0.113.5"), code) is Code.BANNED
    assert back(house, code)[1]["user"]["name"] == "nina"


def test_an_emergency_ends_the_sessions_of_guests(house: House) -> None:
    with_account(house, "root", ServerRole.ADMIN)
    root, _ = login(house, "root", host="198.51.100.9", password=PASSWORD)
    nina, code = login(house, "nina", "lobby")
    nina.transport.tear()
    root.ask("emergency", level="accounts-only")
    assert house.hub.users.get("nina") is None
    assert refusal(Script(house), code) is Code.NO_SUCH_SESSION


def test_where_guests_are_let_in_no_more_none_comes_back(house: House) -> None:
    nina, code = login(house, "nina")
    nina.transport.tear()
    house.chat.policy = Policy(guests=False)
    assert refusal(Script(house), code) is Code.ACCOUNT_NEEDED


def test_who_is_disconnected_by_an_admin_does_not_go_on(house: House) -> None:
    with_account(house, "root", ServerRole.ADMIN)
    root, _ = login(house, "root", host="198.51.100.9", password=PASSWORD)
    nina, code = login(house, "nina")
    root.ask("disconnect", user="nina")
    house.clock.advance(0)
    nina.transport.tear()
    house.settle()
    assert refusal(Script(house), code) is Code.NO_SUCH_SESSION


def test_the_server_stops_and_the_session_stays(house: House) -> None:
    login(house, "nina", "lobby")
    house.hub.close()
    for connection in house.factory.connections:
        connection.retire("The server is shutting down.", Code.SHUTTING_DOWN)
    house.settle()
    (kept,) = house.store.sessions.values()
    assert (kept.name, kept.detached > 0) == ("nina", True)


# The code.


def test_the_code_is_replaced_and_the_old_one_is_good_until_the_new_one_is_used(house: House) -> None:
    nina, first = login(house, "nina")
    nina.transport.tear()
    lost, answer = back(house, first)
    second = answer["session"]
    lost.transport.tear()
    again, answer = back(house, first)  # the answer with the second was lost
    third = answer["session"]
    assert len({first, second, third}) == 3
    again.transport.tear()
    assert refusal(Script(house), second) is Code.NO_SUCH_SESSION
    last, _ = back(house, third)
    last.transport.tear()
    assert refusal(Script(house), first) is Code.NO_SUCH_SESSION


def test_a_new_code_is_told_once_it_is_stored(house: House) -> None:
    nina, code = login(house, "nina")
    nina.transport.tear()
    again = Script(house)
    again.post("resume", session=code, cursors={})
    house.store.prove()
    assert again.take() == []
    house.settle()
    (kept,) = house.store.sessions.values()
    (told,) = [line["data"]["session"] for line in again.take() if line["op"] == "resume"]
    assert (kept.code, kept.next) == (digest(code), digest(told))


def test_a_new_code_stays_stored_though_the_old_connection_ends_meanwhile(house: House) -> None:
    _, first = login(house, "nina", "lobby")
    half_open, answer = back(house, first)
    again = Script(house)
    again.post("resume", session=answer["session"], cursors={})
    house.store.prove()
    half_open.transport.tear()  # the session is stored as it is left behind, after what is stored to go on with it
    house.store.commit()
    (told,) = [line["data"]["session"] for line in again.take() if line["op"] == "resume"]
    assert {digest(told)} <= {code for kept in house.store.sessions.values() for code in (kept.code, kept.next)}


def test_of_two_who_go_on_with_the_same_code_at_once_one_does(house: House) -> None:
    nina, code = login(house, "nina", "lobby")
    nina.transport.tear()
    both = [Script(house), Script(house)]
    for one in both:
        one.post("resume", session=code, cursors={})
    house.store.prove()
    house.store.commit()
    (kept,) = house.store.sessions.values()
    answers = [line for one in both for line in one.take() if line["op"] == "resume"]
    assert [answer["error"]["code"] for answer in answers if answer["status"] == "error"] == ["busy"]
    assert [digest(answer["data"]["session"]) for answer in answers if answer["status"] == "ok"] == [kept.next]


def test_a_store_that_fails_keeps_nobody_out(house: House) -> None:
    nina, code = login(house, "nina")
    nina.transport.tear()
    house.settle()
    house.store.failing = True
    again, answer = back(house, code)
    assert answer["user"]["name"] == "nina"
    again.transport.tear()
    assert back(house, answer["session"])[1]["user"]["name"] == "nina"


def test_the_code_is_stored_hashed(house: House) -> None:
    _, code = login(house, "nina")
    (kept,) = house.store.sessions.values()
    plain = code.replace("-", "")
    assert len(plain) == 16  # of 5 bits each
    for text in (kept.code, kept.state, repr(kept)):
        assert plain not in text
        assert code not in text


def test_who_is_somebody_already_can_not_go_on_as_another(house: House) -> None:
    with_account(house)
    nina, code = login(house, "bob")
    nina.transport.tear()
    other, _ = login(house, "nina", password=PASSWORD)
    assert refusal(other, code) is Code.ALREADY_LOGGED_IN


def test_a_guest_who_has_typed_another_name_goes_on_as_before(house: House) -> None:
    nina, code = arrive(house, "nina")
    nina.transport.tear()
    again = Terminal(house, "nina2")
    again.type(f"/resume {code}")
    assert "Welcome back, nina. You are in lobby." in again.take()
    assert house.hub.users.get("nina2") is None


def test_a_wrong_code_asks_for_a_name_again(house: House) -> None:
    terminal = Terminal(house)
    terminal.type("/resume kx3m-7pqa-b2zw-ymth")
    assert terminal.take()[-2:] == ["No session has this code.", "What is your name?"]


# Displacing.


def test_a_half_open_connection_is_told_and_closed(house: House) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina, code = login(house, "nina", "lobby")
    bob.take()
    again, _ = back(house, code, lobby=0)
    house.clock.advance(0)
    notices = [line["data"] for line in nina.take() if line["op"] == "notice"]
    assert [notice["code"] for notice in notices] == ["resumed"]
    assert nina.transport.write_closed
    bob.say("lobby", "one")
    assert seen(again) == [(1, "one")]
    assert seen(nina) == []
    nina.transport.tear()
    house.settle()
    assert bob.saw() == []
    assert house.hub.users.get("nina") is not None


def test_what_the_old_connection_still_says_is_not_done(house: House) -> None:
    nina, code = login(house, "nina", "lobby")
    back(house, code, lobby=0)
    nina.send("logout")
    house.settle()
    assert house.hub.users.get("nina") is not None


# What can't be filled.


def test_a_cursor_beyond_the_head_is_a_gap(house: House) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina, code = login(house, "nina", "lobby")
    bob.say("lobby", "one")
    house.settle()
    nina.transport.tear()
    again, answer = back(house, code, lobby=9)
    gaps = [line["data"] for line in again.take() if line["op"] == "gap"]
    assert gaps == [{"room": "lobby", "first": 2, "last": 9, "epoch": 7}]
    assert answer["rooms"][0]["after"] == 1
    bob.say("lobby", "two")
    assert seen(again) == [(2, "two")]


def test_another_epoch_is_read_from_its_beginning(house: House) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina, code = login(house, "nina", "lobby")
    bob.say("lobby", "one")
    house.settle()
    nina.transport.tear()
    again = Script(house)
    again.ask("resume", session=code, cursors={"lobby": {"seq": 1, "epoch": 6}})
    house.settle()
    lines = again.take()
    assert [line["data"] for line in lines if line["op"] == "gap"] == [
        {"room": "lobby", "first": 1, "last": 0, "epoch": 7}
    ]
    assert [line["data"]["seq"] for line in lines if line["op"] == "message"] == [1]


def test_rooms_that_may_not_be_read_any_more_are_named(house: House) -> None:
    bob, _ = login(house, "bob", "tea", "cake")
    nina, code = login(house, "nina", "tea", "cake", "lobby")
    nina.transport.tear()
    bob.ask("kick", room="tea", user="nina")
    bob.ask("delete", room="cake")
    again, answer = back(house, code, tea=0, cake=0, lobby=0, never=3)
    lost = {room["room"]: room["code"] for room in answer["lost"]}
    assert [room["room"] for room in answer["rooms"]] == ["lobby"]
    assert lost.keys() == {"tea", "cake", "never"}
    assert lost["cake"] == lost["never"] == "no-such-room"
    house.settle()
    assert {line["op"] for line in again.take()} >= {"put-out", "room-deleted"}


# Ghosts.


def test_ghosts_of_one_address_are_few_and_the_oldest_goes_first() -> None:
    house = House(Limits(detached_guests_per_address=2))
    people = [login(house, f"p{number}", "lobby") for number in range(3)]
    for person, _ in people:
        person.transport.tear()
    house.settle()
    assert [person.name for person in house.hub.users] == ["p1", "p2"]
    other, code = login(house, "q", host="192.0.2.7")
    other.transport.tear()
    assert back(house, code)[1]["user"]["name"] == "q"


def test_trusted_addresses_may_leave_more_behind() -> None:
    house = House(Limits(detached_guests_per_address=1), trusted=(parse_network("192.0.2.0/24"),))
    for number in range(3):
        login(house, f"p{number}")[0].transport.tear()
    assert len(house.hub.users) == 3


def test_there_is_an_end_to_all_ghosts_and_guests_go_first() -> None:
    house = House(Limits(detached_sessions=2))
    with_account(house)
    nina, _ = login(house, "nina", password=PASSWORD)
    nina.transport.tear()
    for number in range(3):
        login(house, f"p{number}", host=f"192.0.2.{number + 10}")[0].transport.tear()
    house.settle()
    assert [person.name for person in house.hub.users] == ["nina", "p2"]


def test_a_ghost_makes_place_in_a_full_room() -> None:
    house = House(Limits(people_per_room=2))
    login(house, "ghost", "lobby")[0].transport.tear()
    bob, _ = login(house, "bob", "lobby")
    login(house, "nina", "lobby")
    assert [user["name"] for user in bob.ask("members", room="lobby")["members"]] == ["bob", "nina"]


def test_a_ghost_that_makes_place_leaves_that_room_only() -> None:
    house = House(Limits(people_per_room=2))
    ghost, code = login(house, "ghost", "lobby", "tea")
    ghost.transport.tear()
    bob, _ = login(house, "bob", "lobby")
    login(house, "nina", "lobby")
    assert bob.saw() == ["ghost left lobby", "nina joined lobby"]
    again, answer = back(house, code, lobby=0, tea=0)
    assert [room["room"] for room in answer["rooms"]] == ["tea"]
    assert [room["code"] for room in answer["lost"]] == ["not-in-room"]
    notices = [line["data"]["text"] for line in again.take() if line["op"] == "notice"]
    assert notices == ["lobby was full, so your place there has gone to somebody else."]


@pytest.mark.parametrize("limit", [1, 2])
def test_no_ghost_leaves_a_room_in_vain(house: House, limit: int) -> None:
    owner, _ = login(house, "owner", "trap")
    ghosts = [login(house, name, "trap", "lobby") for name in ("nina", "tom")]
    for ghost, _ in ghosts[: 3 - limit]:
        ghost.transport.tear()
    owner.ask("room-set", room="trap", limit=limit)
    with pytest.raises(ChatError, match="full"):
        login(house, "eve", "trap")
    assert len(owner.ask("members", room="trap")["members"]) == 3
    _, answer = back(house, ghosts[0][1], trap=0, lobby=0)
    assert {room["room"] for room in answer["rooms"]} == {"trap", "lobby"}


@pytest.mark.parametrize(("most", "limit"), [(2, 0), (9, 2)])
def test_who_is_in_too_many_rooms_takes_nobody_s_place(most: int, limit: int) -> None:
    house = House(Limits(people_per_room=most, rooms_per_person=1))
    ghost, code = login(house, "ghost", "tea")
    ghost.ask("room-set", room="tea", limit=limit)
    ghost.transport.tear()
    login(house, "bob", "tea")
    nina, _ = login(house, "nina", "lobby")
    with pytest.raises(ChatError, match="as many as one can be in"):
        nina.enter("tea")
    assert [room["room"] for room in back(house, code)[1]["rooms"]] == ["tea"]


def test_a_full_room_counts_people_and_not_their_sessions() -> None:
    house = House(Limits(people_per_room=3))
    with_account(house)
    for _ in range(4):
        login(house, "nina", "lobby", password=PASSWORD)[0].transport.tear()
    for name in ("bob", "carl"):
        login(house, name, "lobby")
    login(house, "nina", "lobby", password=PASSWORD)
    with pytest.raises(ChatError, match="full: 3 people"):
        login(house, "dora", "lobby")


def test_of_the_sessions_that_an_account_has_left_behind_the_first_goes_first() -> None:
    house = House(Limits(detached_sessions_per_account=2))
    with_account(house)
    left = []
    for _ in range(3):
        house.clock.advance(1)
        nina, code = login(house, "nina", password=PASSWORD)
        left.append((nina, code))
    for nina, _ in reversed(left):
        house.clock.advance(1)
        nina.transport.tear()
        house.settle()
    assert refusal(Script(house), left[2][1]) is Code.NO_SUCH_SESSION
    assert all(back(house, code)[1]["user"]["name"] == "nina" for _, code in left[:2])


def test_accounts_do_not_push_out_all_guests() -> None:
    house = House(Limits(detached_sessions=4))
    with_account(house)
    for name in ("bob", "carl"):
        login(house, name)[0].transport.tear()
    for _ in range(5):
        login(house, "nina", password=PASSWORD)[0].transport.tear()
    house.settle()
    assert [person.name for person in house.hub.users] == ["bob", "carl", "nina"]


def test_of_too_many_sessions_of_an_account_one_without_a_connection_goes() -> None:
    house = House(Limits(sessions_per_account=2))
    with_account(house)
    login(house, "nina", password=PASSWORD)[0].transport.tear()
    login(house, "nina", password=PASSWORD)
    login(house, "nina", password=PASSWORD)
    nina = house.hub.users.get("nina")
    assert nina is not None
    assert [session.detached for session in nina.sessions] == [False, False]


def test_an_address_may_leave_nobody_behind() -> None:
    house = House(Limits(detached_guests_per_address=0))
    login(house, "nina")[0].transport.tear()
    house.settle()
    assert len(house.hub.users) == 0


def test_nothing_is_kept_where_the_operator_says_so() -> None:
    house = House(Limits(resume_guest_seconds=0))
    script = Script(house)
    assert "session" not in script.ask("login", name="nina")
    script.transport.tear()
    house.settle()
    assert house.hub.users.get("nina") is None
    assert house.store.sessions == {}


def test_the_registry_forgets_all_of_a_session_that_ends(house: House) -> None:
    nina, code = login(house, "nina", "lobby")
    nina.transport.tear()
    again, _ = back(house, code, lobby=0)
    again.send("logout")
    house.settle()
    tickets = house.chat.tickets
    assert len(tickets) == 0
    assert not any(getattr(tickets, name) for name in vars(Tickets()))


def test_of_a_conversation_that_is_closed_a_session_without_a_connection_keeps_no_place() -> None:
    house = House(Limits(ended_directs=2))
    nina, code = login(house, "nina")
    nina.transport.tear()
    for number in range(5):
        guest, _ = login(house, f"guest{number}")
        guest.tell("nina", f"are you there? {number}")
        house.settle()
        guest.ask("logout")
    session = house.chat.tickets.find(code)
    assert session is not None
    assert session.ticket is not None
    assert len(session.ticket.places) == 2
    again, _ = back(house, code)
    again.name = "nina"
    house.settle()
    assert again.heard() == [f"guest{number} to nina: are you there? {number}" for number in (3, 4)]


# A restart.


def test_after_a_restart_everybody_is_still_there_and_nothing_is_missed(house: House) -> None:
    bob, theirs = login(house, "bob", "lobby")
    _, code = login(house, "nina", "lobby")
    _, shown = arrive(house, "tom")
    bob.say("lobby", "one")
    house.settle()
    house.hub.tick()
    other = restart(house)
    again, answer = back(other, theirs, lobby=1)
    assert answer["rooms"][0]["people"] == 3
    again.say("lobby", "two")
    assert seen(again) == [(2, "two")]
    third, _ = back(other, code, lobby=0)
    assert seen(third) == [(1, "one"), (2, "two")]
    person = Terminal(other)
    person.type(f"/resume {shown}")
    assert "bob: two" in person.take()
    assert again.saw() == []
    third.send("logout")
    other.settle()
    assert again.saw() == ["nina left lobby"]


def test_conversations_go_on_after_a_restart(house: House) -> None:
    bob, theirs = login(house, "bob")
    nina, code = login(house, "nina")
    bob.tell("nina", "one")
    house.settle()
    (first,) = [line["data"] for line in nina.take() if line["op"] == "message"]
    nina.transport.tear()
    bob.tell("nina", "two")
    house.settle()
    bob.transport.tear()
    other = restart(house)
    again, _ = back(other, code, cursors={first["room"]: 1})
    assert seen(again, first["room"]) == [(2, "two")]
    partner, _ = back(other, theirs, cursors={first["room"]: 2})
    partner.tell("nina", "three")
    assert seen(again, first["room"]) == [(3, "three")]
    assert seen(partner, first["room"]) == [(3, "three")]


def test_who_was_put_out_is_not_in_the_room_after_a_restart(house: House) -> None:
    with_account(house, "root", ServerRole.ADMIN)
    root, _ = login(house, "root", "lobby", host="198.51.100.9", password=PASSWORD)
    nina, code = login(house, "nina", "lobby")
    nina.transport.tear()
    house.settle()
    before = dict(house.store.sessions)
    root.ask("ban", room="lobby", user="nina")
    house.settle()
    (kept,) = [one for one in house.store.sessions.values() if one.name == "nina"]
    assert '"rooms"' not in kept.state
    house.store.sessions = before  # as if that had not been stored any more
    other = House()
    other.store.sessions = house.store.sessions
    for ban in house.store.effects:
        if isinstance(ban, Ban):
            other.chat.bans.add(ban)
    other.hub.restore_sessions(list(before.values()), {})
    assert back(other, code)[1]["rooms"] == []


def test_what_is_over_or_not_let_in_is_not_restored(house: House) -> None:
    nina, code = login(house, "nina")
    nina.transport.tear()
    house.settle()
    house.clock.advance(700)
    other = restart(house)
    other.hub.tick()
    other.settle()
    assert other.hub.users.get("nina") is None
    assert other.store.sessions == {}
    assert refusal(Script(other), code) is Code.NO_SUCH_SESSION


# What attackers found.


def test_a_mute_holds_through_a_restart(house: House) -> None:
    boss = Script(house, operator=True)
    nina, code = login(house, "nina", "lobby")
    nina.transport.tear()
    boss.ask("mute", room="lobby", user="nina")
    house.settle()
    other = House()
    other.store.sessions = house.store.sessions
    for ban in house.store.effects:
        if isinstance(ban, Ban):
            other.chat.bans.add(ban)
    other.hub.restore_sessions(list(house.store.sessions.values()), {})
    again, _ = back(other, code)
    with pytest.raises(ChatError, match="muted"):
        again.ask("say", room="lobby", text="hello")


def test_a_ghost_makes_no_place_for_who_may_not_come_in(house: House) -> None:
    bob, _ = login(house, "bob", "tea")
    ghost, code = login(house, "ghost", "tea")
    bob.ask("room-set", room="tea", invite_only=True, limit=2)
    ghost.transport.tear()
    with pytest.raises(ChatError, match="invited"):
        login(house, "nina", "tea")
    assert back(house, code)[1]["user"]["name"] == "ghost"


def test_who_goes_on_from_an_address_banned_in_a_room_is_not_in_it(house: House) -> None:
    boss = Script(house, operator=True)
    nina, code = login(house, "nina", "lobby")
    nina.transport.tear()
    boss.ask("ban", room="lobby", address="203.0.113.5")
    again = Script(house, host="203.0.113.5")
    answer = again.ask("resume", session=code, cursors={"lobby": 0})
    assert answer["rooms"] == []
    assert [room["code"] for room in answer["lost"]] == ["banned"]


def test_a_session_that_is_just_taking_a_name_waits_for_it(house: House) -> None:
    with_account(house)
    nina, code = login(house, "nina", "lobby", password=PASSWORD)
    late = Script(house)
    number = late.post("resume", session=code)
    house.store.prove()
    nina.post("nick", name="zoe")  # both are to be stored now
    house.settle()
    (told,) = [line for line in late.take() if line.get("id") == number]
    assert told["error"]["code"] == "busy"
    assert back(house, code)[1]["user"]["name"] == "zoe"
    assert house.hub.users.get("nina") is None
    assert house.hub.users.get("zoe") is not None


def test_a_session_that_ended_while_nothing_could_be_stored_is_not_restored(house: House) -> None:
    nina, _ = login(house, "nina", "lobby")
    house.hub.tick()
    house.settle()
    house.store.failing = True
    nina.ask("logout")
    house.settle()
    assert house.store.sessions
    house.store.failing = False
    for _ in range(3):
        house.hub.tick()
        house.settle()
    assert house.store.sessions == {}


def test_what_a_session_was_proved_with_is_stored_anew_with_the_password(house: House) -> None:
    with_account(house)
    nina, _ = login(house, "nina", password=PASSWORD)
    nina.ask("password", old=PASSWORD, new="another one that is long")
    house.hub.tick()
    house.settle()
    (kept,) = house.store.sessions.values()
    assert kept.credential in house.store.credentials


# What a newcomer found.


def killed(house: House) -> House:
    """Return a daemon that begins with what is on the disk at this moment."""
    other = House(house.chat.limits)
    other.clock.advance(house.clock.seconds())
    old, store = house.store, other.store
    store.sessions, store.logs, store.directs = dict(old.sessions), old.logs, old.directs
    store.accounts, store.credentials, store.positions = old.accounts, old.credentials, old.positions
    for account in old.accounts.values():
        other.chat.accounts.put(account)
    for room in other.chat.rooms:
        room.head = Seq(len(old.logs.get(room.id, ())))
    records = {
        room: msgspec.structs.replace(record, head=Seq(len(old.logs[room]))) for room, record in old.directs.items()
    }
    other.hub.restore_sessions(list(store.sessions.values()), records)
    return other


def test_what_was_told_for_the_first_time_to_who_is_away_lives_through_a_kill(house: House) -> None:
    bob, theirs = login(house, "bob")
    nina, code = login(house, "nina")
    for person in (bob, nina):
        person.transport.tear()
    house.hub.tick()
    house.settle()
    eve = Script(house, "eve")
    for name in ("bob", "nina"):
        eve.tell(name, "one")
    house.store.commit()  # no more than the batch of these words
    other = killed(house)
    for name, their_code in (("bob", theirs), ("nina", code)):
        again, _ = back(other, their_code)
        other.settle()
        again.name = name
        assert again.heard() == [f"eve to {name}: one"]


def test_what_an_account_was_told_for_the_first_time_lives_through_a_kill(house: House) -> None:
    for number, name in ((77, "nina"), (78, "bob")):
        with_account(house, name, number=number)
    nina, code = login(house, "nina", password=PASSWORD)
    bob, _ = login(house, "bob", password=PASSWORD)
    nina.transport.tear()
    house.settle()
    bob.ask("tell", to="nina", text="one")
    again, _ = back(killed(house), code)
    again.house.settle()
    again.name = "nina"
    assert again.heard() == ["bob to nina: one"]


def test_who_begins_a_conversation_still_has_it_after_a_kill(house: House) -> None:
    nina, code = login(house, "nina")
    login(house, "bob")
    room = nina.ask("tell", to="bob", text="one")["room"]
    house.hub.tick()
    house.settle()
    again, answer = back(killed(house), code, cursors={room: 1})
    assert answer["lost"] == []
    assert [entry["text"] for entry in again.ask("history", room=room)["entries"]] == ["one"]


def test_of_an_old_conversation_nothing_is_told_again_after_a_restart(house: House) -> None:
    for number, name in ((77, "nina"), (78, "bob")):
        with_account(house, name, number=number)
    bob, nina = (login(house, name, password=PASSWORD)[0] for name in ("bob", "nina"))
    for text in ("one", "two"):
        bob.ask("tell", to="nina", text=text)
    for person in (bob, nina):
        person.ask("quit")
    house = killed(house)
    nina, code = login(house, "nina", password=PASSWORD)
    assert nina.ask("tell", to="bob", text="three")["seq"] == 3
    house.hub.tick()
    house.settle()
    nina.transport.tear()
    house.settle()
    house = killed(house)
    again, _ = back(house, code)
    house.settle()
    assert [line["op"] for line in again.take()] == ["rooms-changed"]


@pytest.mark.parametrize("known", [True, False])
def test_what_could_not_be_stored_of_a_session_is_stored_later(house: House, known: bool) -> None:
    house.store.failing = True
    if known:
        house.hub.store_changed("disk full")
    nina, code = login(house, "nina", "lobby")
    house.hub.tick()
    house.settle()
    nina.transport.tear()
    _, answer = back(house, code)
    house.hub.tick()
    house.settle()
    assert house.store.sessions == {}
    house.store.failing = False
    house.hub.store_changed("")
    house.hub.tick()
    house.settle()
    other = killed(house)
    resumed = back(other, answer["session"])[1]
    assert [room["room"] for room in resumed["rooms"]] == ["lobby"]


@pytest.mark.parametrize("known", [True, False])
def test_who_comes_and_goes_while_nothing_can_be_stored_leaves_nothing(house: House, known: bool) -> None:
    house.store.failing = True
    if known:
        house.hub.store_changed("disk full")
    for _ in range(5):
        nina, _ = login(house, "nina")
        nina.ask("logout")
        house.hub.tick()
        house.settle()
    if known:
        assert not any(getattr(house.chat.tickets, name) for name in vars(Tickets()))
    house.store.failing = False
    house.hub.store_changed("")
    for _ in range(2):
        house.hub.tick()
        house.settle()
    assert not any(getattr(house.chat.tickets, name) for name in vars(Tickets()))


def test_the_time_of_who_was_connected_at_a_kill_goes_on_through_the_next_one(house: House) -> None:
    _, code = login(house, "nina")
    house.settle()
    house = killed(house)
    house.hub.tick()
    house.settle()
    house.clock.advance(400)
    house = killed(house)
    house.clock.advance(300)
    house.hub.tick()
    house.settle()
    assert refusal(Script(house), code) is Code.NO_SUCH_SESSION


def test_who_comes_back_may_name_a_thousand_cursors(house: House) -> None:
    nina, code = login(house, "nina", "lobby")
    nina.transport.tear()
    cursors: dict[str, Any] = {f"@{number:016x}": 1_234_567 for number in range(999)}
    again, answer = back(house, code, cursors | {"lobby": {"seq": 0, "epoch": 1 << 52}})
    assert len(answer["lost"]) == 999
    again.transport.tear()
    with pytest.raises(ChatError, match="cursors") as refused:
        back(house, answer["session"], {f"@{number:016x}": 1 for number in range(1_001)})
    assert refused.value.code is Code.BAD_FIELD


@pytest.mark.parametrize("form", ["{}", "resume {}", "/resume {}", " {}. "])
def test_a_code_where_a_name_is_asked_for_is_no_name(house: House, form: str) -> None:
    nina, code = arrive(house, "nina")
    nina.transport.tear()
    again = Terminal(house)
    again.type(form.format(code.upper().replace("-", " ")))
    assert "Welcome back, nina. You are in lobby." in again.take()


def test_a_code_that_is_none_says_how_they_look(house: House) -> None:
    terminal = Terminal(house)
    terminal.type("/resume 1234")
    assert terminal.take()[-2:] == [
        "That is no code: one has four groups of four letters and digits, such as kx3m-7pqa-b2zw-ymth.",
        "What is your name?",
    ]


@pytest.mark.parametrize(
    ("form", "separator"),
    [("{}", "-"), ("resume {}", "-"), ("It was /resume {}, I think", "-"), ("Resume {} ", " ")],
)
def test_a_code_is_not_said_by_mistake(house: House, form: str, separator: str) -> None:
    bob, (nina, code) = Terminal(house, "bob"), arrive(house, "nina")
    bob.take()
    nina.type(form.format(code.replace("-", separator)))
    assert nina.take() == [
        "That looks like the code of a session, which nobody else should know, so it was not said. "
        "Type yes to say it all the same:"
    ]
    nina.type("no")
    assert bob.take() == []
    nina.take()
    for text in ("That will work fine", "I resume this with you", "well-known-four-word", "some-more-than-four-five"):
        nina.type(text)
        assert nina.take() == [f"nina: {text}"]


@pytest.mark.parametrize("others", [0, 1, 2])
def test_what_a_fan_out_still_owes_is_told_to_who_comes_back(others: int) -> None:
    house = House(turn_writes=1)
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina, code = arrive(house, "nina")
    for number in range(others):
        arrive(house, f"other{number}")
    house.hub.tick()
    for text in ("one", "two"):  # the second waits for the end of the first
        bob.transport.receive(b'{"op":"say","data":{"room":"lobby","text":"%s"}}\n' % text.encode())
        house.clock.advance(0)
        house.store.commit()
    house.hub.tick()
    nina.transport.tear()
    house.settle()
    again = Terminal(house)
    again.type(f"/resume {code}")
    assert [line for line in again.take() if line.startswith("bob: ")] == ["bob: one", "bob: two"]


def test_cursors_of_conversations_that_are_not_open_are_good(house: House) -> None:
    for number, name in ((77, "nina"), (78, "bob"), (79, "eve")):
        with_account(house, name, number=number)
    bob, nina, eve = (login(house, name, password=PASSWORD)[0] for name in ("bob", "nina", "eve"))
    for text in ("one", "two", "three"):
        with_bob = bob.ask("tell", to="nina", text=text)["room"]
    with_eve = nina.ask("tell", to="eve", text="hello")["room"]
    foreign = bob.ask("tell", to="eve", text="secret")["room"]
    for person in (bob, nina, eve):
        person.ask("quit")
    house = killed(house)
    nina, code = login(house, "nina", password=PASSWORD)
    nina.transport.tear()
    house.settle()
    again, answer = back(house, code, {with_bob: 1, with_eve: {"seq": 1}, foreign: 1, "@ffffffffffffffff": 0})
    assert [(room["room"], room["code"]) for room in answer["lost"]] == [
        (foreign, "no-such-room"),
        ("@ffffffffffffffff", "no-such-room"),
    ]
    house.settle()
    again.name = "nina"
    assert again.heard() == ["bob to nina: two", "bob to nina: three"]
    again.transport.tear()
    house.settle()
    house.store.failing = True
    assert back(house, answer["session"], {with_eve: 1})[1]["user"]["name"] == "nina"


def test_of_a_guest_who_has_gone_nothing_is_read(house: House) -> None:
    login(house, "bob")
    nina, code = login(house, "nina")
    room = nina.ask("tell", to="bob", text="one")["room"]
    nina.transport.tear()
    house.settle()
    _, answer = back(house, code, {room: 1, "@00000000000000ff": 0})
    assert [room["room"] for room in answer["lost"]] == ["@00000000000000ff"]


def test_who_was_kicked_meanwhile_is_told_at_a_terminal_and_to_a_program(house: House) -> None:
    boss = Script(house, operator=True)
    nina, code = arrive(house, "nina")
    tom, theirs = login(house, "tom", "lobby")
    login(house, "bob", "lobby")
    nina.take()
    boss.ask("kick", room="lobby", user="bob", reason="noise")
    house.settle()
    assert [line for line in nina.take() if "bob" in line] == ["operator put bob out of lobby: noise"]
    login(house, "eve", "lobby")
    house.hub.tick()
    for person in (nina, tom):
        person.transport.tear()
    boss.ask("kick", room="lobby", user="eve")
    again = Terminal(house)
    again.type(f"/resume {code}")
    assert [line for line in again.take() if "eve" in line and "Now in" not in line] == [
        "operator put eve out of lobby."
    ]
    program, _ = back(house, theirs)
    house.settle()
    deeds = [line["data"] for line in program.take() if line["op"] == "moderated"]
    assert [(deed["deed"]["user"], deed["late"]) for deed in deeds] == [("eve", True)]


@pytest.mark.parametrize(("seconds", "days", "kept"), [(0, 0, False), (600, 0, True), (0, 3, True)])
def test_the_server_says_whether_sessions_are_kept(seconds: float, days: float, kept: bool) -> None:
    house = House(Limits(resume_guest_seconds=seconds, resume_account_days=days))
    assert ("resume" in Script(house).ask("hello")["features"]) is kept

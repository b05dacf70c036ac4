"""Order in the house, on every wire: roles, what moderators and admins do, and who may read and speak after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tcpchat import core
from tcpchat.core.bans import Ban
from tcpchat.core.limits import Limits
from tcpchat.core.ranks import hash_code
from tcpchat.core.requests import NameRule, StoredState
from tcpchat.core.roles import Act, Membership, ServerRole
from tcpchat.core.state import Session
from tcpchat.errors import ChatError, Code
from tests.client.guest import Guest
from tests.house import House, Script, Terminal

SECRET = "correct horse"
CLOSED = ("history", "members", "topic")


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def nina(house: House) -> Script:
    """The owner of tea."""
    nina = Script(house, "nina")
    nina.ask("join", room="tea")
    return nina


@pytest.fixture
def bob(house: House, nina: Script) -> Script:
    """A guest in tea."""
    bob = Script(house, "bob", host="198.51.100.7")
    bob.ask("join", room="tea")
    nina.take()
    return bob


def account(house: House, name: str, role: ServerRole = ServerRole.USER, host: str = "192.0.2.1") -> Script:
    """Return somebody who has an account, with a role on the server."""
    person = Script(house, host=host)
    person.ask("register", name=name, password=SECRET)
    if role is not ServerRole.USER:
        known = house.chat.accounts.get(name)
        assert known is not None
        changed = msgspec.structs.replace(known, role=role)
        house.store.accounts[changed.id] = changed
        house.hub.commit([changed])
    person.take()
    return person


def session_of(house: House, name: str) -> Session:
    person = house.hub.users.get(name)
    assert person is not None
    return next(iter(person.sessions))


def refusal(person: Script, op: str, **data: Any) -> Code:
    with pytest.raises(ChatError) as refused:
        person.ask(op, **data)
    return refused.value.code


def ops(person: Script) -> list[str]:
    return [line["op"] for line in person.take()]


def test_who_creates_a_room_owns_it(house: House, nina: Script, bob: Script) -> None:
    members = bob.ask("members", room="tea")["members"]
    assert members == [{"name": "nina", "role": "owner"}, {"name": "bob"}]
    assert refusal(bob, "kick", room="tea", user="nina") is Code.NOT_ALLOWED
    assert bob.ask("why")["rule"] == "role"
    nina.ask("room-role", room="tea", user="bob", role="moderator")
    assert bob.take()[-1]["data"]["deed"] == {"act": "role", "user": "bob", "role": "moderator"}
    assert refusal(bob, "kick", room="tea", user="nina") is Code.NOT_ALLOWED
    assert bob.ask("why")["rule"] == "rank"
    assert refusal(bob, "room-role", room="tea", user="bob", role="owner") is Code.NOT_ALLOWED
    nina.ask("room-role", room="tea", user="bob", role="member")
    assert refusal(bob, "mute", room="tea", user="nina") is Code.NOT_ALLOWED


def test_a_moderator_makes_no_moderators(house: House, nina: Script, bob: Script) -> None:
    carl = Script(house, "carl")
    carl.enter("tea")
    nina.ask("room-role", room="tea", user="bob", role="moderator")
    assert refusal(bob, "room-role", room="tea", user="carl", role="moderator") is Code.NOT_ALLOWED
    bob.ask("room-role", room="tea", user="carl", role="voice")
    assert {"name": "carl", "role": "voice"} in nina.ask("members", room="tea")["members"]


def test_who_is_kicked_reads_nothing_more_and_comes_back_after_a_moment(
    house: House, nina: Script, bob: Script
) -> None:
    carl = Script(house, "carl")
    carl.enter("tea")
    bob.take()
    carl.say("tea", "before")
    house.settle()
    nina.ask("kick", room="tea", user="bob", reason="Calm\r\n down.")
    carl.say("tea", "after")
    house.settle()
    told = bob.take()
    assert [line["op"] for line in told] == ["message", "put-out"]
    assert told[-1]["data"] == {"room": "tea", "act": "kick", "by": "nina", "reason": "Calm  down."}
    left = next(line["data"] for line in carl.take() if line["op"] == "left")
    assert left == {"room": "tea", "user": {"name": "bob"}, "by": "nina", "reason": "Calm  down."}
    for op in (*CLOSED, "join"):
        assert refusal(bob, op, room="tea") is Code.KICKED
    assert refusal(bob, "say", room="tea", text="x") is Code.NOT_IN_ROOM
    assert "lifted" not in bob.ask("why")["advice"]
    house.clock.advance(house.chat.limits.kick_seconds)
    bob.ask("join", room="tea")


def test_what_is_pending_at_a_kick_is_not_read(house: House, nina: Script, bob: Script) -> None:
    carl = Script(house, "carl")
    carl.enter("tea")
    bob.take()
    nina.post("nick", name="ninette")
    nina.post("kick", room="tea", user="bob")
    house.settle()
    assert ops(bob) == ["put-out"]
    assert [op for op in ops(carl) if op != "joined"] == ["renamed", "left", "moderated"]


def test_a_ban_ends_when_it_says_and_can_be_lifted(house: House, nina: Script, bob: Script) -> None:
    nina.ask("ban", room="tea", user="bob", seconds=600, reason="advertising")
    assert bob.take()[-1]["data"]["until"] == nina.ask("bans", room="tea")["bans"][0]["until"]
    with pytest.raises(ChatError, match="You can't come into tea for another 10 minutes: advertising") as refused:
        bob.ask("join", room="tea")
    assert refused.value.code is Code.BANNED
    assert refusal(bob, "bans", room="tea") is Code.NOT_ALLOWED
    nina.ask("unban", room="tea", user="BOB")
    bob.ask("join", room="tea")
    nina.ask("ban", room="tea", user="bob", seconds=600)
    house.clock.advance(600)
    bob.ask("join", room="tea")
    assert nina.ask("bans", room="tea")["bans"] == []
    assert refusal(nina, "unban", room="tea", user="bob") is Code.NO_SUCH_BAN


def test_a_banned_guest_comes_back_under_no_other_connection(house: House, nina: Script, bob: Script) -> None:
    nina.ask("ban", room="tea", user="bob")
    bob.ask("quit")
    again = Script(house, "bob")
    assert refusal(again, "join", room="tea") is Code.BANNED
    again.ask("nick", name="rob")
    again.ask("join", room="tea")  # a guest is known by the name; the address is for admins


def test_an_address_is_banned_by_admins_only(house: House, nina: Script, bob: Script) -> None:
    assert refusal(nina, "ban", room="tea", address="198.51.100.0/24") is Code.NOT_ALLOWED
    admin = account(house, "ada", ServerRole.ADMIN)
    admin.ask("ban", room="tea", address="198.51.100.0/24")
    assert ops(bob)[-1] == "put-out"
    other = Script(house, "rob", host="198.51.100.200")
    assert refusal(other, "join", room="tea") is Code.BANNED
    assert nina.ask("bans", room="tea")["bans"] == []  # and nobody else learns the address
    assert admin.ask("bans", room="tea")["bans"][0]["name"] == "198.51.100.0/24"
    assert "198.51" not in str(nina.take())
    admin.ask("unban", room="tea", address="198.51.100.9/24")
    other.ask("join", room="tea")


def test_a_ban_takes_role_and_invitation(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-role", room="tea", user="bob", role="moderator")
    nina.ask("ban", room="tea", user="bob")
    nina.ask("unban", room="tea", user="bob")
    bob.ask("join", room="tea")
    assert refusal(bob, "kick", room="tea", user="nina") is Code.NOT_ALLOWED
    assert bob.ask("why")["rule"] == "role"


def test_who_is_muted_may_read_and_not_speak(house: House, nina: Script, bob: Script) -> None:
    nina.ask("mute", room="tea", user="bob", seconds=60)
    with pytest.raises(ChatError, match="You are muted in tea for another 60 seconds") as refused:
        bob.ask("say", room="tea", text="but")
    assert refused.value.code is Code.MUTED
    assert refusal(bob, "topic", room="tea", text="but") is Code.MUTED
    nina.say("tea", "listen")
    house.settle()
    assert bob.heard() == ["nina in tea: listen"]
    house.clock.advance(60)
    bob.ask("say", room="tea", text="at last")
    nina.ask("mute", room="tea", user="bob")
    house.clock.advance(1e6)
    assert refusal(bob, "say", room="tea", text="but") is Code.MUTED
    nina.ask("unmute", room="tea", user="bob")
    bob.ask("say", room="tea", text="at last")


def test_in_a_moderated_room_one_needs_a_voice(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-set", room="tea", moderated=True)
    assert refusal(bob, "say", room="tea", text="x") is Code.MODERATED
    assert "give you a voice" in bob.ask("why")["advice"]
    nina.ask("room-role", room="tea", user="bob", role="voice")
    bob.ask("say", room="tea", text="x")
    nina.ask("room-set", room="tea", read_only=True)
    assert refusal(bob, "say", room="tea", text="x") is Code.READ_ONLY
    nina.ask("say", room="tea", text="the owner speaks")
    nina.ask("room-set", room="tea", moderated=False, read_only=False)
    carl = Script(house, "carl")
    carl.enter("tea")
    carl.ask("say", room="tea", text="free")


def test_in_a_slow_room_one_waits(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-set", room="tea", slow=30)
    bob.ask("say", room="tea", text="one")
    house.clock.advance(10)
    with pytest.raises(ChatError, match="everybody waits 30 seconds between two messages: 20 seconds more") as refused:
        bob.ask("say", room="tea", text="two")
    assert refused.value.code is Code.SLOW_MODE
    for _ in range(2):
        nina.ask("say", room="tea", text="an owner need not")
    house.clock.advance(20)
    bob.ask("say", room="tea", text="two")


def test_a_room_for_the_invited(house: House, nina: Script, bob: Script) -> None:
    carl = Script(house, "carl")
    carl.ask("history", room="tea")
    nina.ask("room-set", room="tea", invite_only=True)
    for op in (*CLOSED, "join"):
        assert refusal(carl, op, room="tea") is Code.INVITE_ONLY
    closed = next(room for room in carl.ask("rooms")["rooms"] if room["room"] == "tea")
    assert closed == {"room": "tea", "topic": "", "members": 0, "head": 0, "closed": "invite-only"}
    assert carl.ask("whois", user="bob")["rooms"] == []
    bob.ask("leave", room="tea")
    bob.ask("join", room="tea")  # who was in it is one of the invited
    nina.ask("invite", room="tea", user="carl")
    assert {"op": "invited", "data": {"room": "tea", "by": "nina"}} in carl.take()
    carl.ask("join", room="tea")
    nina.ask("uninvite", room="tea", user="carl")
    assert ops(carl)[-1] == "put-out"
    assert refusal(carl, "history", room="tea") is Code.INVITE_ONLY


def test_a_room_with_a_key(house: House, nina: Script, bob: Script) -> None:
    carl = Script(house, "carl")
    answer = nina.ask("room-set", room="tea", key="oolong 7")
    assert answer["settings"]["key"] is True
    assert refusal(carl, "join", room="tea") is Code.KEY_NEEDED
    assert refusal(carl, "join", room="tea", key="wrong") is Code.KEY_NEEDED
    assert refusal(carl, "history", room="tea") is Code.KEY_NEEDED
    carl.ask("join", room="tea", key="oolong 7")
    carl.ask("history", room="tea")
    everything = f"{house.store.logs} {house.store.effects} {house.store.audit} {bob.take()}"
    assert "oolong" not in everything
    nina.ask("room-set", room="tea", key="")
    Script(house, "dora").ask("join", room="tea")


def test_a_key_for_a_room_without_one_is_a_mistake(house: House, nina: Script, bob: Script) -> None:
    assert refusal(bob, "join", room="tea", key="x") is Code.BAD_FIELD
    assert refusal(bob, "join", room="new", key="x") is Code.BAD_FIELD
    assert house.hub.rooms.get("new") is None


def test_a_room_that_is_not_listed(house: House, nina: Script, bob: Script) -> None:
    carl = Script(house, "carl")
    nina.ask("room-set", room="tea", unlisted=True)
    for person, seen in ((carl, False), (bob, True), (nina, True)):
        assert ("tea" in str(person.ask("rooms"))) is seen
        assert (person.ask("complete", kind="room", prefix="te")["names"] == ["tea"]) is seen
        assert ("tea" in person.ask("whois", user="nina")["rooms"]) is seen
    carl.ask("history", room="tea")  # who knows the name may read
    carl.take()
    nina.ask("delete", room="tea")
    assert "room-deleted" not in ops(carl)
    assert "room-deleted" in ops(bob)


def test_the_topic_of_a_closed_room_is_not_found_by_guessing(house: House, nina: Script, bob: Script) -> None:
    carl = Script(house, "carl")
    nina.ask("topic", room="tea", text="the surprise for carl")
    assert carl.ask("rooms", search="surprise")["rooms"]
    nina.ask("room-set", room="tea", invite_only=True)
    assert carl.ask("rooms", search="surprise")["rooms"] == []
    [tea] = carl.ask("rooms", search="tea")["rooms"]
    assert (tea["topic"], tea["closed"]) == ("", "invite-only")
    assert bob.ask("rooms", search="surprise")["rooms"]


def test_a_room_takes_so_many(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-set", room="tea", limit=2)
    assert refusal(Script(house, "carl"), "join", room="tea") is Code.ROOM_FULL
    nina.ask("leave", room="tea")
    Script(house, "dora").ask("join", room="tea")
    nina.ask("join", room="tea")  # an owner always finds a place


def test_settings_change_when_they_are_committed(house: House, nina: Script, bob: Script) -> None:
    nina.post("room-set", room="tea", read_only=True)
    bob.ask("say", room="tea", text="accepted before")
    assert refusal(bob, "say", room="tea", text="x") is Code.READ_ONLY
    house.store.failing = True
    assert refusal(nina, "room-set", room="tea", read_only=False) is Code.STORE_FAILED
    house.store.failing = False
    assert nina.ask("room-set", room="tea")["settings"]["read_only"] is True
    told = [line["data"]["deed"] for line in bob.take() if line["op"] == "moderated"]
    assert told == [{"act": "set", "settings": {"read_only": True}}]


def test_only_owners_change_a_room(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-role", room="tea", user="bob", role="moderator")
    assert refusal(bob, "room-set", room="tea", slow=5) is Code.NOT_ALLOWED
    assert bob.ask("room-set", room="tea")["settings"]["slow"] == 0
    assert refusal(nina, "room-set", room="tea", slow=86_401) is Code.BAD_FIELD
    assert refusal(nina, "room-set", room="lobby", moderated=True) is Code.NOT_ALLOWED


def test_what_is_removed_is_read_nowhere(house: House, nina: Script, bob: Script) -> None:
    bob.ask("say", room="tea", text="a rude word")
    seq = bob.ask("say", room="tea", text="a ruder word")["seq"]
    carl = Script(house, "carl")
    carl.enter("tea")
    assert refusal(carl, "remove", room="tea", seq=seq) is Code.NOT_ALLOWED
    nina.ask("remove", room="tea", seq=seq, reason="rude")
    entries = carl.ask("history", room="tea")["entries"]
    assert [(one["kind"], one["text"]) for one in entries[-3:]] == [
        ("message", "a rude word"), ("removed", ""), ("deed", ""),
    ]  # fmt: skip
    assert entries[-1]["deed"] == {"act": "remove", "user": "bob", "reason": "rude", "ref": seq}
    assert "ruder" not in str(house.store.logs)
    assert "ruder" not in str(Script(house, "dora").ask("join", room="tea"))
    assert refusal(nina, "remove", room="tea", seq=seq) is Code.NO_SUCH_ENTRY
    assert refusal(nina, "remove", room="tea", seq=99) is Code.NO_SUCH_ENTRY
    bob.ask("remove", room="tea", seq=seq - 1)  # what one said oneself
    assert "rude word" not in str(carl.ask("history", room="tea"))


def test_what_is_removed_is_not_kept_in_memory(house: House, nina: Script) -> None:
    seq = nina.ask("say", room="tea", text="a rude word")["seq"]
    room = house.chat.rooms.get("tea")
    assert room is not None
    assert "rude" in str(house.chat.tails.page(room.id, seq, seq))
    nina.ask("remove", room="tea", seq=seq)
    assert house.chat.tails.page(room.id, seq, seq) is not None
    assert "rude" not in str(house.chat.tails.page(room.id, 1, seq + 1))


def test_a_page_that_was_read_before_shows_nothing_removed_since() -> None:
    house = House(Limits(tail_entries=1))
    nina, carl = Script(house, "nina"), Script(house, "carl")
    nina.enter("tea")
    seq = nina.ask("say", room="tea", text="a secret")["seq"]
    nina.ask("say", room="tea", text="more")
    carl.enter("tea")
    number = carl.post("history", room="tea")
    answer = house.store.take_pages()
    nina.ask("remove", room="tea", seq=seq)
    answer()
    house.settle()
    [page] = [line["data"]["entries"] for line in carl.take() if line.get("id") == number]
    assert page[0]["kind"] == "removed"
    assert "a secret" not in str(page)


def test_moderators_are_not_ignored(house: House, nina: Script, bob: Script) -> None:
    carl = Script(house, "carl")
    carl.enter("tea")
    carl.ask("ignore", user="nina")
    carl.take()
    nina.ask("mute", room="tea", user="bob")
    nina.say("tea", "silence")
    house.settle()
    assert ops(carl) == ["moderated"]
    assert carl.ask("history", room="tea")["entries"][-1]["kind"] == "deed"


def test_what_was_done_is_on_record_for_those_who_may_read_it(house: House, nina: Script, bob: Script) -> None:
    admin = account(house, "ada", ServerRole.ADMIN)
    nina.ask("ban", room="tea", user="bob", seconds=60, reason="spam")
    admin.ask("broadcast", text="tea is served")
    [act] = nina.ask("audit", room="tea")["acts"]
    assert (act["by"], act["act"], act["on"], act["reason"], act["room"]) == ("nina", "ban", "bob", "spam", "tea")
    assert act["until"] == act["at"] + 60_000
    assert refusal(bob, "audit", room="tea") is Code.NOT_ALLOWED
    assert refusal(nina, "audit") is Code.NOT_ALLOWED
    page = admin.ask("audit", limit=1)
    assert (page["acts"][0]["act"], page["more"]) == ("broadcast", True)
    assert admin.ask("audit", before=page["acts"][0]["id"])["acts"][0]["act"] == "ban"


def test_the_owner_code_is_good_once(house: House) -> None:
    house.chat.server.owner_code = hash_code("6f1c-09ab")
    guest = Script(house, "bob")
    assert refusal(guest, "claim", code="6f1c-09ab") is Code.ACCOUNT_NEEDED
    nina, carl = account(house, "nina"), account(house, "carl")
    for wrong in ("", " ", "6f1c"):
        assert refusal(nina, "claim", code=wrong) is Code.BAD_CREDENTIALS
    nina.ask("claim", code=" 6f1c-09ab\n")
    assert house.calls == ["owned"]
    assert [line["data"]["role"] for line in nina.take() if line["op"] == "event"] == ["owner"]
    for code in ("6f1c-09ab", ""):
        assert refusal(carl, "claim", code=code) is Code.BAD_CREDENTIALS
    nina.ask("role", user="carl", role="admin")
    assert carl.ask("sessions")["sessions"]
    assert refusal(carl, "role", user="nina", role="user") is Code.NOT_ALLOWED
    assert refusal(carl, "role", user="bob", role="admin") is Code.NOT_ALLOWED
    assert refusal(nina, "role", user="bob", role="admin") is Code.ACCOUNT_NEEDED
    assert nina.ask("whois", user="carl")["role"] == "admin"


def test_nobody_acts_on_who_stands_as_high(house: House) -> None:
    ada, eve = account(house, "ada", ServerRole.ADMIN), account(house, "eve", ServerRole.ADMIN)
    owner, user = account(house, "olga", ServerRole.OWNER), account(house, "uma")
    for op in ("disconnect", "server-ban", "suspend"):
        for name in ("eve", "olga", "ada"):
            assert refusal(ada, op, user=name) is Code.NOT_ALLOWED
        assert refusal(user, op, user="uma") is Code.NOT_ALLOWED
    owner.ask("disconnect", user="eve")
    house.settle()
    assert eve.transport.write_closed
    user.ask("join", room="tea")
    ada.ask("join", room="tea")
    assert refusal(user, "kick", room="tea", user="ada") is Code.NOT_ALLOWED
    ada.ask("kick", room="tea", user="uma")


def test_who_is_suspended_or_banned_is_out_at_once(house: House) -> None:
    ada, uma = account(house, "ada", ServerRole.ADMIN), account(house, "uma")
    for op, undo, code in (
        ("suspend", "unsuspend", Code.SUSPENDED),
        ("server-ban", "server-unban", Code.BANNED),
    ):
        ada.ask(op, user="uma", seconds=60, reason="noise")
        house.settle()
        assert uma.take()[-1]["data"] == {
            "text": f"The account uma is {code.value} for another 60 seconds: noise",
            "code": code.value,
        }
        uma = Script(house)
        assert refusal(uma, "login", name="uma", password=SECRET) is code
        ada.ask(undo, user="uma")
        uma.ask("login", name="uma", password=SECRET)
        ada.ask(op, user="uma", seconds=60)
        house.clock.advance(60)
        uma = Script(house)
        uma.ask("login", name="uma", password=SECRET)
    assert [one.act for one in house.store.audit] == [
        "suspend", "unsuspend", "suspend", "server-ban", "server-unban", "server-ban",
    ]  # fmt: skip


def test_a_guest_is_banned_by_name_and_an_address_by_where_it_is(house: House) -> None:
    ada, bob = account(house, "ada", ServerRole.ADMIN), Script(house, "bob", host="198.51.100.7")
    ada.ask("server-ban", user="bob", reason="spam")
    house.settle()
    assert bob.transport.write_closed
    assert refusal(Script(house), "login", name="BOB") is Code.BANNED
    ada.ask("server-unban", user="bob")
    bob = Script(house, "bob", host="198.51.100.7")
    ada.ask("server-ban", address="198.51.100.0/24", seconds=60)
    house.settle()
    assert bob.take()[-1]["data"]["code"] == "banned"
    assert refusal(Script(house, host="198.51.100.9"), "login", name="carl") is Code.BANNED
    uma = account(house, "uma")
    uma.ask("quit")
    assert refusal(Script(house, host="198.51.100.9"), "login", name="uma", password=SECRET) is Code.BANNED
    Script(house, host="198.51.100.9").ask("login", name="ada", password=SECRET)  # who could lift it gets in
    house.clock.advance(60)
    Script(house, "carl", host="198.51.100.9")


def test_a_session_that_was_ended_does_nothing_more(house: House) -> None:
    ada, uma = account(house, "ada", ServerRole.ADMIN), account(house, "uma")
    uma.ask("join", room="tea")
    session = session_of(house, "uma")
    ada.post("suspend", user="uma")
    house.store.commit()
    uma.post("say", room="tea", text="one more")
    uma.post("nick", name="free")
    house.settle()
    assert session.ended is not None
    assert "one more" not in str(house.store.logs)
    assert house.chat.accounts.get("uma") is not None


def test_names_are_kept_from_people(house: House) -> None:
    ada, bob = account(house, "ada", ServerRole.ADMIN), Script(house, "bob")
    ada.ask("name-rule", name="Support", rule="reserved")
    ada.ask("name-rule", name="nasty", rule="forbidden")
    assert ada.ask("names") == {"reserved": ["Support"], "forbidden": ["nasty"]}
    for name in ("support", "SUPPORT", "nasty", "n\u0430sty"):
        assert refusal(bob, "nick", name=name) is Code.FORBIDDEN_NAME
        assert refusal(Script(house), "login", name=name) is Code.FORBIDDEN_NAME
        assert refusal(bob, "register", name=name, password=SECRET) is Code.FORBIDDEN_NAME
    assert refusal(ada, "nick", name="nasty") is Code.FORBIDDEN_NAME
    assert ada.ask("nick", name="support")["user"]["name"] == "support"
    ada.ask("name-rule", name="NASTY", rule="free")
    bob.ask("nick", name="nasty")


def test_an_emergency_has_levels(house: House) -> None:
    ada, uma, bob = account(house, "ada", ServerRole.ADMIN), account(house, "uma"), Script(house, "bob")
    for person in (ada, uma, bob):
        person.ask("join", room="tea")
    ada.ask("emergency", level="no-new-guests")
    assert refusal(Script(house), "login", name="carl") is Code.EMERGENCY
    bob.ask("say", room="tea", text="still here")
    ada.ask("emergency", level="accounts-only")
    house.settle()
    assert bob.transport.write_closed
    assert refusal(Script(house), "register", name="carl", password=SECRET) is Code.EMERGENCY
    uma.ask("say", room="tea", text="x")
    ada.ask("emergency", level="read-only")
    for op, data in {"say": {"room": "tea", "text": "x"}, "tell": {"to": "ada", "text": "x"}, "create": {"room": "x"},
                     "topic": {"room": "tea", "text": "x"}, "msg": {"text": "x"}}.items():  # fmt: skip
        assert refusal(uma, op, **data) is Code.EMERGENCY
    assert uma.ask("why")["rule"] == "emergency"
    uma.ask("history", room="tea")
    ada.ask("say", room="tea", text="x")
    ada.ask("emergency", level="off")
    uma.ask("say", room="tea", text="x")
    assert ada.ask("emergency") == {"level": "off"}


def test_a_stop_is_counted_down_and_may_be_called_off(house: House) -> None:
    ada, bob = account(house, "ada", ServerRole.ADMIN), Script(house, "bob")
    bob.take()
    assert refusal(bob, "shutdown") is Code.NOT_ALLOWED
    ada.ask("shutdown", seconds=90, reason="a new version")
    for _ in range(45):
        house.clock.advance(2)
        house.hub.tick()
    house.clock.advance(0)
    told = [line["data"]["text"] for line in bob.take() if line["op"] == "notice"]
    assert told == [
        f"The server shuts down in {left}: a new version"
        for left in ("90 seconds", "60 seconds", "30 seconds", "10 seconds", "5 seconds")
    ]
    assert house.calls == ["stop"]
    ada.ask("shutdown", seconds=10)
    ada.ask("shutdown-cancel")
    house.clock.advance(60)
    house.hub.tick()
    assert house.calls == ["stop"]
    assert bob.take()[-1]["data"]["text"] == "The server will not shut down after all."
    assert refusal(ada, "shutdown-cancel") is Code.NOTHING_PLANNED


def test_the_message_of_the_day_is_the_admins(house: House) -> None:
    ada, bob = account(house, "ada", ServerRole.ADMIN), Script(house, "bob")
    assert bob.ask("motd") == {"text": "Be kind."}
    assert refusal(bob, "motd", text="x") is Code.NOT_ALLOWED
    ada.ask("motd", text="Be\x1b[2J kinder.\nAnd kinder.")
    assert bob.ask("hello")["motd"] == "Be[2J kinder.\nAnd kinder."
    ada.ask("motd", text="-")
    assert bob.ask("hello")["motd"] == ""


def test_admins_are_told_what_they_ask_for(house: House) -> None:
    ada = account(house, "ada", ServerRole.ADMIN)
    assert refusal(Script(house, "bob"), "subscribe", event="all") is Code.NOT_ALLOWED
    assert ada.ask("subscribe", event="login") == {"events": ["login"]}
    ada.take()
    carl = Script(house, "carl")
    carl.ask("join", room="tea")
    assert [line["data"]["user"] for line in ada.take() if line["op"] == "event"] == ["carl"]
    ada.ask("subscribe", event="all")
    carl.ask("register", password=SECRET)
    carl.ask("delete", room="tea")
    carl.ask("create", room="jam")
    second = Script(house)
    second.ask("login", name="carl", password=SECRET)
    carl.ask("quit")
    second.ask("quit")
    told = [line["data"]["event"] for line in ada.take() if line["op"] == "event"]
    assert told == ["registration", "room-deleted", "room-created", "duplicate-session", "logout"]
    assert ada.ask("unsubscribe", event="all") == {"events": []}
    Script(house, "dora")
    assert "event" not in ops(ada)
    ada.ask("subscribe", event="all")
    ada.ask("logout")
    assert not house.chat.watchers


def test_an_account_learns_of_its_own_second_session(house: House) -> None:
    uma = account(house, "uma")
    Script(house).ask("login", name="uma", password=SECRET)
    assert [line["data"]["event"] for line in uma.take() if line["op"] == "event"] == ["duplicate-session"]


def test_only_admins_learn_addresses(house: House, nina: Script, bob: Script) -> None:
    ada = account(house, "ada", ServerRole.ADMIN)
    [one] = ada.ask("sessions", user="bob")["sessions"]
    assert (one["name"], one["address"], one["rooms"]) == ("bob", "198.51.100.7", ["tea"])
    assert refusal(nina, "sessions") is Code.NOT_ALLOWED
    assert "198.51" not in str([nina.ask("whois", user="bob"), nina.ask("users"), nina.ask("members", room="tea")])


def test_whoever_sits_at_the_machine_needs_no_account(house: House, nina: Script, bob: Script) -> None:
    operator = Script(house, operator=True)
    owner = account(house, "olga", ServerRole.OWNER)
    operator.ask("kick", room="tea", user="bob", reason="x")
    operator.ask("role", user="olga", role="user")
    assert refusal(owner, "sessions") is Code.NOT_ALLOWED
    operator.ask("room-set", room="tea", slow=5)
    assert {one["room"] for one in operator.ask("rooms")["rooms"]} == {"lobby", "tea"}
    assert operator.ask("members", room="tea")["members"]
    assert refusal(operator, "say", room="tea", text="x") is Code.NOT_ALLOWED
    deeds = [line["data"]["from"] for line in nina.take() if line["op"] == "moderated"]
    assert deeds == ["operator", "operator"]
    assert {one.by for one in house.store.audit} == {"operator (root)"}
    assert refusal(Script(house), "login", name="operator") is Code.BAD_NAME


def test_everything_is_there_again_after_a_restart(house: House, nina: Script, bob: Script) -> None:
    ada = account(house, "ada", ServerRole.ADMIN)
    account(house, "uma").ask("join", room="tea")
    nina.ask("room-role", room="tea", user="uma", role="moderator")
    nina.ask("ban", room="tea", user="bob")
    ada.ask("name-rule", name="support", rule="reserved")
    ada.ask("emergency", level="no-new-guests")
    ada.ask("motd", text="Later.")
    kinds: dict[type, list[Any]] = {Membership: [], Ban: [], NameRule: [], StoredState: []}
    for effect in house.store.effects:
        if type(effect) in kinds:
            kinds[type(effect)].append(effect)
    other = House(rooms=())
    other.hub.restore(
        kinds[Membership], kinds[Ban], kinds[NameRule], {one.name: one.value for one in kinds[StoredState]}
    )
    assert len(list(other.chat.bans)) == 2
    assert other.chat.server.rule("support") is not None
    assert other.chat.motd == "Later."
    assert refusal(Script(other), "login", name="carl") is Code.EMERGENCY


def test_a_person_at_a_terminal_keeps_order(house: House) -> None:
    nina, bob, carl = (Terminal(house, name) for name in ("nina", "bob", "carl"))
    for person in (nina, bob, carl):
        person.type("/join tea")
        person.take()
    carl.take()
    bob.take()

    def after(person: Terminal, line: str) -> list[str]:
        for one in (nina, bob, carl):
            one.take()
        person.type(line)
        return person.take()

    assert after(nina, "/mute bob 10m Let others speak.") == [
        "nina muted bob in tea until 22:23 UTC on Tuesday 14 November 2023: Let others speak."
    ]
    assert after(bob, "but") == ["You are muted in tea for another 10 minutes."]
    assert after(bob, "/why") == [
        "You were refused this: You are muted in tea for another 10 minutes. "
        "A moderator of the room can let you speak again."
    ]
    assert after(bob, "/kick nina") == [
        "You may not put people out: that is for a moderator of the room, or an admin of this server."
    ]
    assert after(nina, "/kick bob Calm down.") == ["nina put bob out of tea: Calm down."]
    assert bob.take()[-2:] == ["nina put you out of tea: Calm down.", "You are speaking in lobby now."]
    assert carl.take() == ["nina put bob out of tea: Calm down."]
    assert after(nina, "/room") == ["tea is open for everybody."]
    assert after(nina, "/room slow 10") == [
        "nina changed tea: lets everybody speak once in 10 seconds.", "tea lets everybody speak once in 10 seconds.",
    ]  # fmt: skip
    assert after(nina, "/room slow") == ["A room can't be set so: type /room slow SECONDS, or /room slow off."]
    assert after(carl, "/who") == ["2 people are in tea: nina (owner) and carl."]
    assert after(nina, "/voice carl") == ["nina made carl one who has a voice of tea."]
    assert after(nina, "/ban bob 7d") == ["nina banned bob from tea until 22:13 UTC on Tuesday 21 November 2023."]
    assert after(nina, "/bans") == [
        "Banned from tea:", "bob, by nina on Tuesday 14 November 2023, until 22:13 UTC on Tuesday 21 November 2023."
    ]  # fmt: skip
    assert after(nina, "/unban bob") == ["nina lifted the ban of bob from tea."]
    assert after(nina, "/audit")[-1].endswith("nina: unban bob in tea.")
    assert after(nina, "/broadcast hello") == ["You may not speak to everybody: that is for an admin of this server."]


def test_the_line_client_keeps_order_too(house: House, nina: Script, bob: Script) -> None:
    tina = Guest(house.clock, "tina")
    tina.connect(house)
    tina.type("/join tea")
    tina.pump(house)
    tina.take()
    nina.ask("room-role", room="tea", user="tina", role="moderator")
    tina.type("/mute bob 10m", "/bans", "/room", "/audit", "/why", "/kick nina", "/why")
    tina.pump(house)
    told = tina.take()
    assert told[:5] == [
        "nina made tina a moderator of tea.",
        "tina muted bob in tea until 22:23 UTC on Tuesday 14 November 2023.",
        "Nobody is banned from tea.",
        "tea is open for everybody.",
        "1, 22:13 UTC on Tuesday 14 November 2023, nina: make moderator tina in tea.",
    ]
    assert told[-1].startswith("You were refused this: nina stands as high as you do in tea, or higher.")
    nina.ask("kick", room="tea", user="tina")
    tina.pump(house)
    assert tina.take() == ["nina put you out of tea.", "You are speaking in lobby now."]
    tina.type("hello")
    tina.pump(house)
    assert tina.take() == ["tina: hello"]


def test_every_act_of_the_table_is_asked_for_somewhere() -> None:
    sources = "".join(path.read_text() for path in Path(core.__file__).parent.glob("*.py") if path.name != "roles.py")
    assert [act.name for act in Act if f"Act.{act.name}" not in sources] == []


@pytest.mark.parametrize(
    ("line", "seconds", "reason"),
    [
        ("10 minutes and think", 600, "and think"),
        ("10 m", 600, ""),
        ("2hours", 7200, ""),
        ("1d rude", 86_400, "rude"),
        ("rude for 10 minutes", 0, "rude for 10 minutes"),
    ],
)
def test_a_time_is_understood_as_people_write_it(
    house: House, nina: Script, bob: Script, line: str, seconds: int, reason: str
) -> None:
    olga = Terminal(house, "olga")
    olga.type("/join tea")
    nina.ask("room-role", room="tea", user="olga", role="moderator")
    bob.take()
    olga.type(f"/mute bob {line}")
    house.settle()
    [deed] = [one["data"]["deed"] for one in bob.take() if one["op"] == "moderated"]
    assert deed.get("reason", "") == reason
    assert deed.get("until", house.chat.now()) - house.chat.now() == seconds * 1000


@pytest.mark.parametrize("time", ["10x", "600", "0s", "1.5h", "10 mice", "10m5s"])
def test_half_a_time_does_not_make_it_last_for_ever(house: House, nina: Script, bob: Script, time: str) -> None:
    olga = Terminal(house, "olga")
    olga.type("/join tea")
    nina.ask("room-role", room="tea", user="olga", role="moderator")
    olga.take()
    olga.type(f"/mute bob {time}")
    assert "is no time, such as 30s" in olga.take()[-1]
    bob.ask("say", room="tea", text="still here")


def test_anybody_may_step_down_but_the_only_owner_of_the_server(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-role", room="tea", user="bob", role="owner")
    bob.ask("room-role", room="tea", user="bob", role="member")
    assert refusal(bob, "room-role", room="tea", user="bob", role="voice") is Code.NOT_ALLOWED
    olga, ada = account(house, "olga", ServerRole.OWNER), account(house, "ada", ServerRole.ADMIN)
    assert refusal(olga, "role", user="olga", role="user") is Code.NOT_ALLOWED
    assert refusal(olga, "unregister", password=SECRET) is Code.NOT_ALLOWED
    ada.ask("role", user="ada", role="user")
    olga.ask("role", user="ada", role="owner")
    olga.ask("role", user="olga", role="user")
    assert refusal(ada, "unregister", password=SECRET) is Code.NOT_ALLOWED
    olga.ask("unregister", password=SECRET)


def test_what_is_so_already_is_not_done_again(house: House, nina: Script, bob: Script) -> None:
    nina.take()
    assert refusal(nina, "unmute", room="tea", user="bob") is Code.NO_SUCH_BAN
    assert refusal(nina, "room-role", room="tea", user="bob", role="member") is Code.BAD_FIELD
    ada = account(house, "ada", ServerRole.ADMIN)
    nina.take()
    assert ada.ask("emergency", level="off")["level"] == "off"
    assert "notice" not in ops(nina)


def test_a_room_that_an_admin_deletes_is_on_record(house: House, nina: Script) -> None:
    ada = account(house, "ada", ServerRole.ADMIN)
    ada.ask("delete", room="tea")
    nina.ask("create", room="tee")
    nina.ask("delete", room="tee")
    assert [(act["act"], act["on"]) for act in ada.ask("audit")["acts"]] == [("delete", "tea")]


def test_a_key_that_is_needed_goes_the_way_of_proofs(house: House, nina: Script) -> None:
    nina.ask("room-set", room="tea", key="oolong")
    carl = Script(house, "carl")
    for key in ("assam", "oolong"):
        carl.post("join", room="tea", key=key)
        house.clock.advance(0)
        assert house.store.idle is False
        house.settle()
    assert [line["status"] for line in carl.take() if "status" in line] == ["error", "ok"]
    carl.post("join", room="tea", key="oolong", last=0)  # who is in it needs none
    assert house.store.idle


def test_a_wrong_key_is_called_so(house: House, nina: Script) -> None:
    nina.ask("room-set", room="tea", key="oolong")
    carl = Script(house, "carl")
    with pytest.raises(ChatError, match="tea has a key: join it with that"):
        carl.ask("join", room="tea")
    with pytest.raises(ChatError, match="tea has a key, and that was not it"):
        carl.ask("join", room="tea", key="assam")

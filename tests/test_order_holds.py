"""Order holds: when several give it at once, for those who come back, and towards those who have no right to know."""

from __future__ import annotations

import pytest

from tcpchat.core.bans import Ban, BanId, Subject
from tcpchat.core.chat import Policy
from tcpchat.core.confusables import skeleton
from tcpchat.core.limits import Limits
from tcpchat.core.requests import Lifted
from tcpchat.core.roles import Membership, RoomRole, ServerRole
from tcpchat.errors import ChatError, Code
from tests.house import House, Script
from tests.test_order import SECRET, account, ops, refusal


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


def test_two_who_change_a_room_at_once_both_do(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-role", room="tea", user="bob", role="owner")
    nina.post("room-set", room="tea", invite_only=True)
    bob.post("room-set", room="tea", slow=5)
    house.settle()
    settings = nina.ask("room-set", room="tea")["settings"]
    assert (settings["invite_only"], settings["slow"]) == (True, 5)


def test_addresses_and_the_operator_stay_unknown_in_a_rooms_audit(house: House, nina: Script, bob: Script) -> None:
    admin = account(house, "ada", ServerRole.ADMIN)
    operator = Script(house, operator=True)
    admin.ask("ban", room="tea", address="203.0.113.7")
    operator.ask("mute", room="tea", user="bob")
    mute, ban = nina.ask("audit", room="tea")["acts"]
    assert (ban["act"], ban["by"], "on" in ban) == ("ban", "ada", False)
    assert (mute["act"], mute["by"], mute["on"]) == ("mute", "operator", "bob")
    mute, ban = admin.ask("audit", room="tea")["acts"]
    assert (ban["on"], mute["by"]) == ("203.0.113.7/32", "operator (root)")
    # Nor can it be found out by lifting a ban.
    for address in ("203.0.113.7", "203.0.113.8"):
        assert refusal(nina, "unban", room="tea", address=address) is Code.NOT_ALLOWED


def test_who_is_admin_no_more_watches_no_more(house: House) -> None:
    owner, admin = account(house, "olga", ServerRole.OWNER), account(house, "ada", ServerRole.ADMIN)
    admin.ask("subscribe", event="all")
    owner.ask("role", user="ada", role="user")
    assert ops(admin) == ["event"]  # of this itself
    Script(house, "carl")
    assert ops(admin) == []
    owner.ask("role", user="ada", role="admin")
    admin.take()
    Script(house, "dora")
    assert ops(admin) == []


def again(person: Script, **login: str) -> None:
    """Log out, log in anew and enter tea."""
    person.ask("logout")
    person.ask("login", **login)
    person.ask("join", room="tea")


def test_a_slow_room_is_slow_for_those_who_log_in_again(house: House, nina: Script, bob: Script) -> None:
    uma = account(house, "uma")
    uma.enter("tea")
    nina.ask("room-set", room="tea", slow=3600)
    for person, login in ((bob, {"name": "bob"}), (uma, {"name": "uma", "password": SECRET})):
        person.ask("say", room="tea", text="one")
        again(person, **login)
        assert refusal(person, "say", room="tea", text="two") is Code.SLOW_MODE
        house.clock.advance(3600)
        person.ask("say", room="tea", text="two")


def test_the_last_words_remembered_are_bounded(house: House, nina: Script, bob: Script) -> None:
    house.chat.limits.become(Limits(last_words_remembered=3))
    nina.ask("room-set", room="tea", slow=60)
    for _ in range(4):
        bob.ask("say", room="tea", text="x")
        again(bob, name="bob")
        house.clock.advance(60)
    assert len(house.chat.last_words) == 3


def test_what_is_refused_begins_no_pause(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-set", room="tea", slow=3600)
    assert refusal(bob, "say", room="tea", text=" ") is Code.TEXT_EMPTY
    assert refusal(bob, "topic", room="tea", text="x" * 2000) is Code.TEXT_TOO_LONG
    house.store.failing = True
    assert refusal(bob, "say", room="tea", text="a") is Code.STORE_FAILED
    assert refusal(bob, "topic", room="tea", text="a") is Code.STORE_FAILED
    house.store.failing = False
    bob.ask("say", room="tea", text="a")
    assert refusal(bob, "say", room="tea", text="b") is Code.SLOW_MODE


def test_a_refusal_with_a_client_id_ends_no_pause(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-set", room="tea", slow=3600)
    bob.ask("say", room="tea", text="a", client_id="1")
    for number in (2, 3):
        assert refusal(bob, "say", room="tea", text="b", client_id=str(number)) is Code.SLOW_MODE
    bob.ask("say", room="tea", text="a", client_id="1")
    house.clock.advance(3600)
    bob.ask("say", room="tea", text="c")
    bob.ask("say", room="tea", text="a", client_id="1")  # this said nothing
    assert refusal(bob, "say", room="tea", text="d") is Code.SLOW_MODE


def test_what_was_not_kept_was_not_said_again(house: House, nina: Script, bob: Script) -> None:
    house.store.failing = True
    for _ in range(house.chat.limits.repeats + 1):
        assert refusal(bob, "say", room="tea", text="important") is Code.STORE_FAILED
    house.store.failing = False
    bob.ask("say", room="tea", text="important")


def test_a_guest_is_muted_after_coming_back_under_the_same_name(house: House, nina: Script, bob: Script) -> None:
    nina.ask("mute", room="tea", user="bob", seconds=600)
    [silence] = [one for one in house.store.effects if isinstance(one, Ban)]
    again(bob, name="Bob")
    assert refusal(bob, "say", room="tea", text="x") is Code.MUTED
    assert nina.ask("bans", room="tea")["bans"] == []
    assert refusal(nina, "unban", room="tea", user="bob") is Code.NO_SUCH_BAN
    nina.ask("unmute", room="tea", user="bob")
    assert Lifted(silence.id) in house.store.effects
    again(bob, name="bob")
    bob.ask("say", room="tea", text="x")
    nina.ask("mute", room="tea", user="bob", seconds=600)
    house.clock.advance(600)
    house.hub.tick()
    again(bob, name="bob")
    bob.ask("say", room="tea", text="x")


def test_a_guest_is_muted_after_a_restart(house: House, nina: Script) -> None:
    tea = house.chat.rooms.get("tea")
    assert tea is not None
    silence = Ban(BanId(3), tea.id, Subject.SILENCE, "bob", "bob", "", "nina", 0, 0)
    house.hub.restore([], [silence], [], {})
    bob = Script(house, "bob")
    bob.enter("tea")
    assert refusal(bob, "say", room="tea", text="x") is Code.MUTED
    nina.ask("unmute", room="tea", user="bob")
    bob.ask("say", room="tea", text="x")


def test_what_is_known_of_a_guest_goes_with_it(house: House, nina: Script, bob: Script) -> None:
    tea = house.chat.rooms.get("tea")
    assert tea is not None
    for _ in range(3):
        nina.ask("invite", room="tea", user="bob")
        nina.ask("room-role", room="tea", user="bob", role="voice")
        nina.ask("mute", room="tea", user="bob")
        assert tea.guarded
        nina.ask("unmute", room="tea", user="bob")
        again(bob, name="bob")
        assert not tea.memberships
        assert not tea.guarded
    assert not [one for one in house.store.effects if isinstance(one, Membership)]


def test_who_registers_keeps_what_one_was(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-role", room="tea", user="bob", role="moderator")
    bob.ask("register", password=SECRET)
    house.settle()
    [kept] = [one for one in house.store.effects if isinstance(one, Membership)]
    assert kept.role is RoomRole.MODERATOR
    bob.ask("logout")
    assert {"name": "bob", "role": "moderator"} not in nina.ask("members", room="tea")["members"]
    bob.ask("login", name="bob", password=SECRET)
    bob.enter("tea")
    assert {"name": "bob", "role": "moderator"} in nina.ask("members", room="tea")["members"]


def test_a_room_knows_of_so_many_people(house: House, nina: Script, bob: Script) -> None:
    house.chat.limits.become(Limits(memberships_per_room=1))
    carl = Script(house, "carl")
    carl.enter("tea")
    nina.ask("mute", room="tea", user="bob")
    for op in ("invite", "mute"):
        assert refusal(nina, op, room="tea", user="carl") is Code.TOO_MANY_MEMBERS
    carl.ask("say", room="tea", text="x")
    nina.ask("room-set", room="tea", invite_only=True)  # who is in it stays
    carl.ask("say", room="tea", text="y")
    nina.ask("unmute", room="tea", user="bob")


def test_kicks_are_no_bans(house: House, nina: Script, bob: Script) -> None:
    house.chat.limits.become(Limits(bans_per_room=2))
    for name in ("carl", "dora", "emil"):
        Script(house, name).enter("tea")
        nina.ask("kick", room="tea", user=name)
    nina.ask("kick", room="tea", user="bob", reason="Calm down.")
    assert nina.ask("bans", room="tea")["bans"] == []
    with pytest.raises(ChatError) as refused:
        bob.ask("join", room="tea")
    assert refused.value.code is Code.KICKED
    assert refused.value.text == "You were put out of tea, and can come back in 30 seconds: Calm down."
    assert bob.ask("why") == {
        "rule": "kicked",
        "text": refused.value.text,
        "advice": "It was done by nina, and is over in a moment.",
    }
    assert [room["closed"] for room in bob.ask("rooms", search="tea")["rooms"]] == ["kicked"]
    nina.ask("ban", room="tea", user="bob")
    assert [one["name"] for one in nina.ask("bans", room="tea")["bans"]] == ["bob"]
    assert refusal(nina, "ban", room="tea", user="carl") is Code.TOO_MANY_BANS


def test_what_somebody_higher_did_is_not_undone(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-role", room="tea", user="bob", role="moderator")
    carl = Script(house, "carl")
    carl.enter("tea")
    nina.ask("ban", room="tea", user="carl")
    assert refusal(bob, "unban", room="tea", user="carl") is Code.NOT_ALLOWED
    assert refusal(bob, "ban", room="tea", user="carl", seconds=1) is Code.NOT_ALLOWED
    account(house, "ada", ServerRole.ADMIN).ask("unban", room="tea", user="carl")
    carl.enter("tea")


def test_admins_dont_undo_what_the_owner_did(house: House) -> None:
    owner, admin = account(house, "olga", ServerRole.OWNER), account(house, "ada", ServerRole.ADMIN)
    account(house, "eve", ServerRole.ADMIN)
    account(house, "uma")
    owner.ask("server-ban", user="eve")
    assert refusal(admin, "server-unban", user="eve") is Code.NOT_ALLOWED
    owner.ask("server-ban", address="203.0.113.7")
    assert refusal(admin, "server-ban", address="203.0.113.7", seconds=1) is Code.NOT_ALLOWED
    assert refusal(admin, "server-unban", address="203.0.113.7") is Code.NOT_ALLOWED
    owner.ask("server-ban", user="uma")
    assert refusal(admin, "suspend", user="uma", seconds=1) is Code.NOT_ALLOWED


def test_an_address_is_banned_for_the_second_session_too(house: House, nina: Script) -> None:
    admin = account(house, "ada", ServerRole.ADMIN)
    uma = account(house, "uma", host="198.51.100.7")
    uma.enter("tea")
    second = Script(house, host="198.51.100.9")
    second.ask("login", name="uma", password=SECRET)
    second.enter("tea")
    admin.ask("ban", room="tea", address="198.51.100.7")
    for op in ("join", "history", "members"):
        assert refusal(uma, op, room="tea") is Code.BANNED
    assert [room["closed"] for room in uma.ask("rooms", search="tea")["rooms"]] == ["banned"]
    second.ask("history", room="tea")


def test_while_the_server_is_read_only_nobody_is_told_new_words(house: House, nina: Script) -> None:
    admin = account(house, "ada", ServerRole.ADMIN)
    uma, ulf = account(house, "uma"), account(house, "ulf")
    for person in (uma, ulf, admin):
        person.enter("jam")
    admin.ask("emergency", level="read-only")
    ulf.take()
    for op, data in (
        ("join", {"room": "buy-my-stuff"}),
        ("away", {"text": "buy my stuff"}),
        ("nick", {"name": "buy-my-stuff"}),
        ("kick", {"room": "jam", "user": "ulf", "reason": "buy my stuff"}),
        ("remove", {"room": "jam", "seq": 1, "reason": "buy my stuff"}),
    ):
        assert refusal(uma, op, **data) in (Code.EMERGENCY, Code.NO_SUCH_ENTRY), op
    assert ops(ulf) == []
    uma.ask("away")
    uma.ask("join", room="lobby")
    uma.ask("kick", room="jam", user="ulf")
    admin.ask("join", room="news")


def test_a_ban_is_lifted_by_the_name_of_now(house: House, nina: Script) -> None:
    uma = account(house, "uma")
    uma.enter("tea")
    nina.ask("ban", room="tea", user="uma")
    uma.ask("nick", name="ulla")
    nina.ask("unban", room="tea", user="ulla")
    uma.enter("tea")


def test_who_is_banned_is_not_invited(house: House, nina: Script, bob: Script) -> None:
    nina.ask("ban", room="tea", user="bob")
    bob.take()
    with pytest.raises(ChatError, match="bob is banned from tea: lift the ban first"):
        nina.ask("invite", room="tea", user="bob")
    assert ops(bob) == []
    nina.ask("unban", room="tea", user="bob")
    nina.ask("invite", room="tea", user="bob")
    assert ops(bob) == ["invited"]


def test_names_that_look_alike_are_kept_one_by_one(house: House) -> None:
    admin = account(house, "ada", ServerRole.ADMIN)
    for name in ("paypal", "paypa1"):
        admin.ask("name-rule", name=name, rule="forbidden")
    admin.ask("name-rule", name="paypa1", rule="free")
    for name in ("p\u0430ypal", "paypa1", "paypal"):
        assert refusal(Script(house), "login", name=name) is Code.FORBIDDEN_NAME
    admin.ask("name-rule", name="paypal", rule="free")
    Script(house, "p\u0430ypal")


def test_whom_one_ignores_invites_in_vain(house: House, nina: Script, bob: Script) -> None:
    bob.ask("ignore", user="nina")
    nina.ask("invite", room="tea", user="bob")
    assert "invited" not in ops(bob)
    bob.enter("tea")
    carl = Script(house, "carl")
    for _ in range(2):
        nina.post("invite", room="tea", user="carl")
    house.settle()
    assert ops(carl) == ["invited"]


def test_what_changes_nothing_is_not_on_record(house: House, nina: Script, bob: Script) -> None:
    admin = account(house, "ada", ServerRole.ADMIN)
    assert refusal(nina, "uninvite", room="tea", user="bob") is Code.BAD_FIELD
    nina.ask("invite", room="tea", user="bob")
    assert refusal(nina, "invite", room="tea", user="bob") is Code.BAD_FIELD
    admin.ask("name-rule", name="eve", rule="free")
    admin.ask("name-rule", name="eve", rule="reserved")
    admin.ask("name-rule", name="eve", rule="reserved")
    admin.ask("emergency", level="off")
    assert [one["act"] for one in admin.ask("audit")["acts"]] == ["name reserved", "invite"]


def test_a_topic_is_removed(house: House, nina: Script, bob: Script) -> None:
    carl = Script(house, "carl")
    carl.enter("tea")
    seq = bob.ask("topic", room="tea", text="abuse")["seq"]
    assert refusal(carl, "remove", room="tea", seq=seq) is Code.NOT_ALLOWED
    nina.ask("remove", room="tea", seq=seq)
    assert bob.ask("topic", room="tea")["text"] == ""
    entries = bob.ask("history", room="tea")["entries"]
    assert [(one["kind"], one["text"]) for one in entries] == [("removed", ""), ("deed", ""), ("topic", "")]
    later = nina.ask("topic", room="tea", text="tea")["seq"]
    nina.ask("topic", room="tea", text="green tea")
    nina.ask("remove", room="tea", seq=later)
    assert bob.ask("topic", room="tea")["text"] == "green tea"


def test_the_reason_of_a_deed_is_removed_and_the_deed_stays(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-role", room="tea", user="bob", role="moderator")
    for name in ("carl", "dora"):
        Script(house, name).enter("tea")
    nina.ask("kick", room="tea", user="carl", reason="lives in Elm Street")
    bob.ask("kick", room="tea", user="dora", reason="lives in Oak Street")
    operator = Script(house, operator=True)
    operator.ask("mute", room="tea", user="bob", reason="a reason")
    assert refusal(bob, "remove", room="tea", seq=2) is Code.NOT_ALLOWED  # nina stands higher
    assert refusal(nina, "remove", room="tea", seq=4) is Code.NOT_ALLOWED
    nina.ask("remove", room="tea", seq=3)
    account(house, "ada", ServerRole.ADMIN).ask("remove", room="tea", seq=2)
    entries = bob.ask("history", room="tea", limit=6)["entries"]
    assert "Street" not in str(entries)
    assert entries[1]["deed"] == {"act": "kick", "user": "carl"}
    assert "Street" not in str(house.store.logs)
    assert refusal(nina, "remove", room="tea", seq=3) is Code.NO_SUCH_ENTRY


def test_programs_understand_what_everybody_is_told(house: House, bob: Script) -> None:
    admin = account(house, "ada", ServerRole.ADMIN)
    said: list[str] = []
    house.chat.log = said.append
    admin.ask("broadcast", text="Tea is served.")
    at = admin.ask("shutdown", seconds=120, reason="a new version")["at"]
    admin.ask("shutdown-cancel")
    admin.ask("emergency", level="no-new-guests")
    told = [{**line["data"]} for line in bob.take() if line["op"] == "notice"]
    assert told == [
        {"text": "ada to everybody: Tea is served.", "about": "broadcast", "by": "ada", "said": "Tea is served."},
        {"text": "The server shuts down in 120 seconds: a new version", "about": "shutdown", "at": at,
         "reason": "a new version"},
        {"text": "The server will not shut down after all.", "about": "shutdown"},
        {"text": "No new guests are let in for now.", "about": "emergency", "level": "no-new-guests"},
    ]  # fmt: skip
    assert said == [
        "an admin has ordered a shutdown in 120 seconds",
        "an admin has called the shutdown off",
        "an admin has set the emergency to no-new-guests",
    ]


def test_who_is_suspended_knows_until_when(house: House) -> None:
    admin, uma = account(house, "ada", ServerRole.ADMIN), account(house, "uma")
    account(house, "ulf")
    admin.ask("suspend", user="uma", seconds=600, reason="spam")
    admin.ask("server-ban", user="ulf")
    assert uma.take()[-1]["data"]["text"] == "The account uma is suspended for another 10 minutes: spam"
    late = Script(house)
    number = late.post("login", name="uma", password=SECRET)
    house.settle()
    [answer] = [line for line in late.take() if line.get("id") == number]
    assert answer["error"]["retry_after"] == 600
    for word in ("suspended", "banned"):
        [one] = admin.ask("accounts", search=word)["accounts"]
        assert one["state"] == word
    house.clock.advance(600)
    assert admin.ask("accounts", search="suspended")["accounts"] == []


def test_the_owner_of_a_forbidden_name_is_shown_the_way(house: House) -> None:
    account(house, "uma").ask("logout")
    house.chat.policy = Policy(forbidden=frozenset({skeleton("uma"), skeleton("ulf")}))
    assert refusal(Script(house), "login", name="uma") is Code.NAME_REGISTERED
    assert refusal(Script(house), "login", name="ulf") is Code.BAD_NAME

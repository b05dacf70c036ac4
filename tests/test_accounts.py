"""Accounts on every wire: whose a name is, what proves it, and what happens when that is good no longer."""

from __future__ import annotations

import base64
import re
from typing import Any

import msgspec
import pytest

from tcpchat.core.accounts import Account, CredentialId, State
from tcpchat.core.channel import Channel
from tcpchat.core.chat import Policy
from tcpchat.core.claims import claim
from tcpchat.core.commands import ChangePassword, Login, Register
from tcpchat.core.confusables import skeleton
from tcpchat.core.entries import PersonId
from tcpchat.core.limits import Limits
from tcpchat.core.proofs import login_message
from tcpchat.core.requests import CredentialsChanged, SaveAccount
from tcpchat.core.state import Session
from tcpchat.errors import ChatError, Code
from tcpchat.server.commits import UNHEARD
from tests.house import House, Script, Terminal

SECRET = "correct horse"
KEY = base64.b64encode(bytes(32)).decode()
FINGERPRINT = "ab" * 32
EXPORTER = b"e" * 32
DAY = 86_400


@pytest.fixture
def house() -> House:
    return House()


def registered(house: House, name: str = "nina") -> Script:
    """Return somebody who has just registered."""
    person = Script(house, name)
    person.ask("register", password=SECRET)
    person.take()
    return person


def account_of(house: House, name: str = "nina") -> Account:
    account = house.chat.accounts.get(name)
    assert account is not None
    return account


def store(house: House, account: Account) -> None:
    """Change an account as an administrator does."""
    house.store.accounts[account.id] = account
    house.hub.commit([account])
    house.settle()


def refusal(person: Script, op: str, **data: Any) -> Code:
    with pytest.raises(ChatError) as refused:
        person.ask(op, **data)
    return refused.value.code


def test_a_guest_who_registers_stays_the_same_person(house: House) -> None:
    nina, bob = Script(house, "nina"), Script(house, "bob")
    nina.tell("bob", "psst")
    house.settle()
    assert nina.ask("register", password=SECRET) == {"user": {"name": "nina"}}
    assert nina.ask("whois", user="nina")["registered"] is True
    nina.tell("bob", "still me")
    house.settle()
    assert bob.heard() == ["nina to bob: psst", "nina to bob: still me"]
    assert len([log for log in house.store.logs.values() if log]) == 1


def test_a_registered_name_is_its_owner_s(house: House) -> None:
    registered(house).ask("logout")
    stranger = Script(house)
    with pytest.raises(ChatError, match=r"The name NINA is registered.*NINA2 is free") as refused:
        stranger.ask("login", name="NINA")
    assert refused.value.code is Code.NAME_REGISTERED
    assert refusal(stranger, "login", name="n\u0456na") is Code.NAME_REGISTERED
    assert refusal(stranger, "login", name="nina", password="wrong horse") is Code.BAD_CREDENTIALS
    assert refusal(stranger, "login", name="nobody-such", password=SECRET) is Code.BAD_CREDENTIALS
    assert stranger.ask("login", name="Nina", password=SECRET)["user"] == {"name": "nina"}
    other = Script(house, "bob")
    assert refusal(other, "nick", name="nina") is Code.NAME_REGISTERED
    assert refusal(other, "register", name="nina", password=SECRET) is Code.NAME_REGISTERED
    assert other.ask("register", name="bobby", password=SECRET)["user"] == {"name": "bobby"}


def test_another_spelling_of_one_s_own_name_is_not_a_way_to_the_look_of_another_s(house: House) -> None:
    registered(house, "lan").ask("logout")
    other = Script(house)
    assert refusal(other, "login", name="\uff29an") is Code.NAME_REGISTERED
    other.ask("login", name="ian")
    other.ask("register", password=SECRET)
    assert refusal(other, "nick", name="Ian") is Code.NAME_REGISTERED
    assert other.ask("nick", name="iaN")["user"] == {"name": "iaN"}


def test_a_name_that_is_being_stored_is_nobody_else_s_though_one_s_own_is_too(house: House) -> None:
    ian = Script(house, "ian")
    session = session_of(house, ian)
    assert session.person is not None
    own = Account(session.person.id, "ian", "ian", None, State.GOOD, "", 0, 0)
    claim(house.chat, session, own)
    claim(house.chat, Session(), msgspec.structs.replace(own, id=PersonId(1), key="lan", name="lan"))
    assert refusal(ian, "nick", name="Ian") is Code.NAME_TAKEN


@pytest.mark.parametrize("during", ["the hash", "the commit"])
def test_who_is_put_out_while_registering_leaves_no_claim(house: House, during: str) -> None:
    operator, nina = Script(house, operator=True), Script(house, "nina")
    nina.post("register", password=SECRET)
    if during == "the commit":
        house.store.prove()
    operator.ask("disconnect", user="nina")
    assert not house.chat.claims
    assert len(house.chat.accounts) == (during == "the commit")


def test_nobody_logs_in_any_more_who_is_being_put_out(house: House) -> None:
    registered(house, "nina").ask("quit")
    guest, operator = Script(house, "guest"), Script(house, operator=True)
    operator.ask("subscribe", event="login")
    guest.post("login", name="nina", password=SECRET)
    operator.ask("disconnect", user="guest")
    assert operator.take() == []


def test_the_beginning_of_an_id_is_enough_if_it_is_of_one_only(house: House) -> None:
    nina = registered(house)
    made = [nina.ask("certificates", add={"fingerprint": byte * 32})["credentials"][-1] for byte in ("ab", "cd")]
    first, second = (one["id"] for one in made)
    shared = first[: next(place for place in range(16) if first[place] != second[place])]
    assert refusal(nina, "certificates", remove=shared) is Code.BAD_FIELD
    beginning = first[: len(shared) + 1].upper()
    assert nina.ask("certificates", remove=beginning)["credentials"] == [made[1]]


def test_who_holds_the_first_numbers_behind_a_name_makes_nobody_try_them_all(house: House) -> None:
    for name in ("nina", *(f"nina{number}" for number in range(2, 20))):
        Script(house, name)
    with pytest.raises(ChatError, match=r"nina[0-9]{6} is free"):
        Script(house).ask("login", name="nina")


def test_several_sessions_are_one_person(house: House) -> None:
    first = registered(house)
    first.enter("lobby")
    bob = Script(house, "bob")
    bob.enter("lobby")
    first.take()
    second = Script(house)
    second.ask("login", name="nina", password=SECRET)
    second.enter("lobby")
    assert bob.saw() == []
    assert [user["name"] for user in bob.ask("members", room="lobby")["members"]] == ["nina", "bob"]
    assert bob.ask("rooms")["rooms"][0]["members"] == 2
    first.say("lobby", "hello")
    bob.tell("nina", "psst")
    second.tell("bob", "what?")
    house.settle()
    for session in (first, second):
        session.name = "nina"
        assert sorted(session.heard()) == ["bob to nina: psst", "nina in lobby: hello", "nina to bob: what?"]
    bob.take()
    first.ask("logout")
    assert bob.saw() == []
    second.ask("nick", name="ninette")
    assert [line["op"] for line in bob.take()] == ["renamed"]
    second.ask("quit")
    assert bob.saw() == ["ninette left lobby"]
    assert account_of(house, "ninette").name == "ninette"
    assert house.chat.accounts.get("nina") is None


def test_a_conversation_goes_on_when_both_come_back(house: House) -> None:
    nina, bob = registered(house), registered(house, "bob")
    nina.tell("bob", "one")
    house.settle()
    for person in (nina, bob):
        person.ask("logout")
        person.take()
    nina.ask("login", name="nina", password=SECRET)
    bob.ask("login", name="bob", password=SECRET)
    bob.tell("nina", "two")
    house.settle()
    (message,) = [line["data"] for line in nina.take() if line["op"] == "message"]
    assert message["seq"] == 2
    texts = [entry["text"] for entry in nina.ask("history", room=message["room"])["entries"]]
    assert texts == ["one", "two"]


def test_a_guest_who_holds_the_name_is_moved(house: House) -> None:
    registered(house).ask("logout")
    account = account_of(house)
    held = msgspec.structs.replace(account, state=State.DELETED, until=1)
    store(house, held)
    guest, bob = Script(house, "nina"), Script(house, "bob")
    guest.enter("lobby")
    bob.enter("lobby")
    guest.take()
    store(house, account)
    owner = Script(house)
    owner.ask("login", name="nina", password=SECRET)
    assert "you are called nina2 now" in next(line["data"]["text"] for line in guest.take() if line["op"] == "notice")
    assert [line["data"]["user"]["name"] for line in bob.take() if line["op"] == "renamed"] == ["nina2"]


def test_a_password_is_changed_and_who_used_the_old_one_is_out(house: House) -> None:
    here, there = registered(house), Script(house)
    there.ask("login", name="nina", password=SECRET)
    token = here.ask("tokens", create={"label": "bot"})["token"]
    bot = Script(house)
    bot.ask("login", token=token)
    assert refusal(here, "password", old="wrong horse", new="battery staple") is Code.BAD_CREDENTIALS
    assert refusal(here, "password", old=SECRET, new="short") is Code.WEAK_PASSWORD
    here.ask("password", old=SECRET, new="battery staple")
    house.settle()
    assert there.take()[-1]["data"]["code"] == "revoked"
    assert there.transport.write_closed
    assert not here.transport.write_closed
    assert not bot.transport.write_closed
    stranger = Script(house)
    assert refusal(stranger, "login", name="nina", password=SECRET) is Code.BAD_CREDENTIALS
    stranger.ask("login", name="nina", password="battery staple")
    here.ask("password", old="battery staple", new=SECRET)
    house.settle()
    assert stranger.transport.write_closed
    assert not here.transport.write_closed


def test_tokens_are_made_listed_and_revoked(house: House) -> None:
    nina = registered(house)
    made = nina.ask("tokens", create={"label": "back\tup", "expires": 2})
    assert made["token"] == "tcpchat_token"
    (listed,) = nina.ask("tokens")["credentials"]
    assert listed == made["credentials"][0]
    assert listed["label"] == "back up"
    assert listed["expires"] - listed["created"] == 2 * DAY * 1000
    bot = Script(house)
    assert bot.ask("login", token="tcpchat_token")["user"] == {"name": "nina"}
    assert refusal(nina, "tokens", revoke="abc") is Code.NO_SUCH_CREDENTIAL
    assert refusal(nina, "tokens", revoke="xyz") is Code.NO_SUCH_CREDENTIAL
    assert refusal(nina, "tokens", revoke="") is Code.NO_SUCH_CREDENTIAL
    nina.ask("tokens", revoke=listed["id"])
    house.settle()
    assert bot.take()[-1]["data"]["code"] == "revoked"
    assert bot.transport.write_closed
    assert nina.ask("tokens")["credentials"] == []
    assert refusal(Script(house, "guest"), "tokens") is Code.ACCOUNT_NEEDED


def test_nothing_that_was_kept_of_a_lost_connection_begins_after_a_revocation(house: House) -> None:
    nina = registered(house)
    nina.enter("lobby")
    made = nina.ask("tokens", create={"label": "bot"})["credentials"][0]
    thief = Script(house)
    thief.ask("login", token="tcpchat_token")
    thief.enter("lobby")
    for _ in range(2):
        thief.post("password", old="wrong horse", new="battery staple")
    thief.post("keys", add={"key": KEY})
    thief.send("say", room="lobby", text="I am still nina")
    thief.transport.tear()
    house.hub.commit([CredentialsChanged(account_of(house).id, (CredentialId(int(made["id"], 16)),), ())])
    house.settle()
    assert nina.heard() == []
    assert nina.ask("keys")["credentials"] == []
    assert len(house.factory.connections) == 1


def test_unregistering_ends_everything_and_keeps_the_name_a_while(house: House) -> None:
    nina, elsewhere = registered(house), Script(house)
    elsewhere.ask("login", name="nina", password=SECRET)
    with pytest.raises(ChatError, match=r"^That is not your password\.$"):
        nina.ask("unregister", password="wrong horse")
    nina.ask("unregister", password=SECRET)
    house.settle()
    assert elsewhere.transport.write_closed
    assert not nina.transport.write_closed
    assert [line for line in nina.take() if line["op"] == "notice"] == []
    assert refusal(nina, "rooms") is Code.NOT_LOGGED_IN
    nina.ask("login", name="someone")
    assert refusal(nina, "password", old=SECRET, new=SECRET) is Code.ACCOUNT_NEEDED
    stranger = Script(house)
    assert refusal(stranger, "login", name="nina", password=SECRET) is Code.BAD_CREDENTIALS
    kept = r"^The account nina was deleted; its name is kept until 12 February 2024\. nina2 is free\.$"
    with pytest.raises(ChatError, match=kept) as refused:
        stranger.ask("login", name="nina")
    assert refused.value.code is Code.NAME_REGISTERED
    house.clock.advance(60)
    house.clock.advance(91 * DAY)
    Script(house, "nina")


def test_who_may_register_is_the_operator_s_choice(house: House) -> None:
    nina = Script(house, "nina")
    house.chat.policy = Policy(registration="closed")
    assert refusal(nina, "register", password=SECRET) is Code.NOT_ALLOWED
    house.chat.policy = Policy(registration="invitation", invitations=frozenset({"sesame"}))
    assert refusal(nina, "register", password=SECRET, code="sesam") is Code.NOT_ALLOWED
    nina.ask("register", password=SECRET, code="sesame")
    house.chat.policy = Policy(guests=False)
    assert refusal(Script(house), "login", name="bob") is Code.ACCOUNT_NEEDED


def test_a_forbidden_name_stays_with_who_has_it_and_nobody_takes_it(house: House) -> None:
    boss = Script(house, "boss")
    boss.ask("register", password=SECRET)
    carl = Script(house, "carl")
    house.chat.policy = Policy(forbidden=frozenset({skeleton("boss"), skeleton("carl")}))
    assert boss.ask("ping") == carl.ask("ping") == {}
    boss.ask("quit")
    assert refusal(Script(house), "login", name="Carl") is Code.BAD_NAME
    assert refusal(Script(house, "dora"), "nick", name="B0SS") is Code.BAD_NAME
    assert refusal(Script(house, "emma"), "register", name="boss", password=SECRET) is Code.BAD_NAME
    assert refusal(carl, "register", password=SECRET) is Code.BAD_NAME
    assert Script(house).ask("login", name="boss", password=SECRET)["user"]["name"] == "boss"


# Every way to prove who one is, and every state of an account.


def _password(house: House) -> dict[str, Any]:
    return {"name": "nina", "password": SECRET}


def _token(house: House) -> dict[str, Any]:
    return {"token": "tcpchat_token"}


def _certificate(house: House) -> dict[str, Any]:
    return {"name": "nina", "certificate": True}


def _key(house: House) -> dict[str, Any]:
    return {"name": "nina", "signature": "?"}


WAYS = [_password, _token, _certificate, _key]


def session_of(house: House, person: Script) -> Session:
    """Return the server's side of a person's connection."""
    (found,) = [one for one in house.factory.connections if getattr(one, "transport", None) is person.transport]
    session: Session = found._connection.session  # type: ignore[attr-defined]
    return session


def shown(terminal: Terminal) -> list[str]:
    """Return the lines on the screen, without telnet's commands."""
    return re.sub(rb"\xff[\xfb-\xfe].", b"", terminal.transport.take()).decode().splitlines()


def attempt(house: House, way: Any) -> tuple[Script, Code | None]:
    """Log in; return who tried, and what was refused."""
    person = Script(house)
    person.ask("hello")
    session = session_of(house, person)
    session.channel = Channel(secure=True, fingerprint=FINGERPRINT, exporter=EXPORTER)
    data = way(house)
    if way is _key:
        nonce = person.ask("challenge")["nonce"]
        message = login_message("tcpchat", "nina", bytes.fromhex(nonce), EXPORTER).hex()
        data["signature"] = base64.b64encode(f"{KEY} signs {message}".encode()).decode()
    try:
        person.ask("login", **data)
    except ChatError as error:
        return person, error.code
    return person, None


@pytest.fixture
def full(house: House) -> House:
    """A house with an account that can be proved in every way, and nobody logged in."""
    nina = registered(house)
    nina.ask("tokens", create={"label": "bot", "expires": 1})
    nina.ask("keys", add={"key": KEY, "label": "laptop"})
    nina.ask("certificates", add={"fingerprint": FINGERPRINT.upper()})
    nina.ask("quit")
    return house


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("state", "until", "expected"),
    [
        (State.GOOD, 0, None),
        (State.SUSPENDED, 0, Code.SUSPENDED),
        (State.SUSPENDED, 1, None),  # over long ago
        (State.BANNED, 0, Code.BANNED),
        (State.DELETED, 1 << 50, Code.BAD_CREDENTIALS),
    ],
)
def test_every_way_to_log_in_meets_every_state(
    full: House, way: Any, state: State, until: int, expected: Code | None
) -> None:
    account = msgspec.structs.replace(account_of(full), state=state, until=until, reason="spam")
    store(full, account)
    person, refused = attempt(full, way)
    assert refused is expected
    assert (full.hub.users.get("nina") is not None) is (expected is None)
    if expected is None:  # and what ends while one is there ends at once
        store(full, msgspec.structs.replace(account, state=State.SUSPENDED, until=0))
        assert person.take()[-1]["data"] == {"text": "The account nina is suspended: spam", "code": "suspended"}
        assert person.transport.write_closed
        assert full.hub.users.get("nina") is None


@pytest.mark.parametrize("way", WAYS)
def test_every_way_moves_a_guest_who_holds_the_name(full: House, way: Any) -> None:
    account = account_of(full)
    store(full, msgspec.structs.replace(account, state=State.DELETED, until=1))
    guest = Script(full, "nina")
    store(full, account)
    assert attempt(full, way)[1] is None
    assert guest.ask("users")["users"] == [{"name": "nina2"}, {"name": "nina"}]


def test_what_has_expired_or_is_revoked_proves_nothing(full: House) -> None:
    nina = Script(full)
    nina.ask("login", name="nina", password=SECRET)
    for op, way in (("keys", _key), ("certificates", _certificate)):
        (one,) = nina.ask(op)["credentials"]
        person, refused = attempt(full, way)
        assert refused is None
        nina.ask(op, remove=one["id"])
        full.settle()
        assert person.transport.write_closed
        assert attempt(full, way)[1] is Code.BAD_CREDENTIALS
    full.clock.advance(1.1 * DAY)
    assert attempt(full, _token)[1] is Code.BAD_CREDENTIALS


def test_a_certificate_is_added_as_openssl_prints_it_or_as_it_was_shown(house: House) -> None:
    nina = registered(house)
    assert refusal(nina, "certificates", add={}) is Code.BAD_FIELD
    printed = bytes.fromhex(FINGERPRINT).hex(":").upper()
    nina.ask("certificates", add={"fingerprint": f"sha256 Fingerprint={printed}"})
    assert attempt(house, _certificate)[1] is None


def test_a_nonce_is_good_once_soon_and_on_its_connection_only(full: House) -> None:
    def signature(nonce: str) -> str:
        return base64.b64encode(
            f"{KEY} signs {login_message('tcpchat', 'nina', bytes.fromhex(nonce), None).hex()}".encode()
        ).decode()

    person, other = Script(full), Script(full)
    assert refusal(person, "login", name="nina", signature=signature("0" * 64)) is Code.BAD_CREDENTIALS
    nonce = person.ask("challenge")["nonce"]
    assert refusal(other, "login", name="nina", signature=signature(nonce)) is Code.BAD_CREDENTIALS
    assert refusal(person, "login", name="nina", signature=signature("0" * 64)) is Code.BAD_CREDENTIALS
    assert refusal(person, "login", name="nina", signature=signature(nonce)) is Code.BAD_CREDENTIALS  # it was used
    nonce = person.ask("challenge")["nonce"]
    person.ask("login", name="nina", signature=signature(nonce))
    person.ask("logout")
    assert refusal(person, "login", name="nina", signature=signature(nonce)) is Code.BAD_CREDENTIALS
    late = Script(full)
    nonce = late.ask("challenge")["nonce"]
    session = session_of(full, late)
    assert session.nonce is not None
    session.nonce = (bytes.fromhex(nonce), full.chat.now())
    assert refusal(late, "login", name="nina", signature=signature(nonce)) is Code.BAD_CREDENTIALS


def test_the_exporter_is_never_sent_only_whether_it_is_to_be_signed(house: House) -> None:
    person = Script(house)
    assert person.ask("challenge")["bound"] is False
    session_of(house, person).channel = Channel(secure=True, exporter=EXPORTER)
    asked = person.ask("challenge")
    assert asked.keys() == {"nonce", "server", "bound", "name"}
    assert asked["bound"] is True
    assert EXPORTER.hex() not in str(asked)


def test_a_stolen_token_does_not_keep_the_owner_out() -> None:
    house = House(Limits(sessions_per_account=3))
    owner = registered(house)
    owner.ask("tokens", create={"label": "bot"})
    thieves = [Script(house) for _ in range(3)]
    for thief in thieves[:2]:
        thief.ask("login", token="tcpchat_token")
    assert refusal(thieves[2], "login", token="tcpchat_token") is Code.TOO_MANY_CONNECTIONS
    for thief in thieves[:2]:
        back = Script(house)
        back.ask("login", name="nina", password=SECRET)
        assert thief.take()[-1]["data"]["code"] == "too-many-connections"
        assert thief.transport.write_closed
    assert refusal(Script(house), "login", name="nina", password=SECRET) is Code.TOO_MANY_CONNECTIONS
    assert not owner.transport.write_closed
    person = house.hub.users.get("nina")
    assert person is not None
    assert len(person.sessions) == 3


def test_an_account_has_no_more_tokens_for_making_them_at_once() -> None:
    house = House(Limits(credentials=2))
    nina = registered(house)
    others = [Script(house) for _ in range(4)]
    for other in others:
        other.ask("login", name="nina", password=SECRET)
        other.take()
    for other in others:
        other.post("tokens", create={"label": "bot"})
    house.settle()
    answers = [line for other in others for line in other.take() if "status" in line]
    assert [line["status"] for line in answers] == ["ok", "ok", "error", "error"]
    assert len(nina.ask("tokens")["credentials"]) == 2


def test_a_person_at_a_terminal_registers_and_comes_back(house: House) -> None:
    nina = Terminal(house, "nina")
    nina.type("/register")
    assert nina.transport.take() == b"\xff\xfb\x01"
    house.clock.advance(1)
    assert nina.take() == ["A new password: (It may be seen on your screen.)"]
    nina.type(SECRET)
    assert nina.take() == ["The same once more:"]
    nina.type("something else")
    assert nina.take() == ["These were not the same. Try again, or press Enter.", "A new password:"]
    for line in (SECRET, SECRET):
        nina.type(line)
    assert nina.transport.take().endswith(b"The name nina is yours now. To come back, type it, or /login nina.\r\n")
    nina.type("/quit")
    nina = Terminal(house)
    nina.type("Nina")
    assert nina.transport.take().splitlines()[-1] == (
        b"\xff\xfb\x01The name nina is registered. If it is not yours, press Enter."
    )
    nina.transport.receive(b"\xff\xfd\x01")  # its telnet hides what is typed
    assert nina.take() == ["The password of nina:"]
    nina.type("wrong")
    assert nina.take() == [
        "",
        "That name and what proves it don't belong together. Try again, or press Enter.",
        "The password of nina:",
    ]
    nina.type("")
    assert nina.transport.take() == b"\r\n\xff\xfc\x01What is your name?\r\n"
    nina.type("nina")
    nina.type(SECRET)
    assert "Hello, nina. Type /help to see what you can do." in shown(nina)


def test_a_guest_at_a_terminal_becomes_the_account(house: House) -> None:
    registered(house).ask("quit")
    nina = Terminal(house, "visitor")
    nina.type(f"/login nina {SECRET}")
    assert nina.take()[0] == "Hello, nina. Type /help to see what you can do."
    assert [user.name for user in house.hub.users] == ["nina"]
    nina.type("/tokens create bot 7")
    assert nina.take() == ["The new token, shown this once: tcpchat_token"]
    nina.type("/tokens")
    (count, listed) = nina.take()
    assert count == "1 token:"
    assert listed.startswith("bot, id ")
    assert "good until Tuesday 21 November 2023, never used." in listed
    nina.type("/tokens burn")
    assert nina.take() == [
        "There is no /tokens burn: type /tokens alone to see them, or /tokens create LABEL DAYS, /tokens revoke ID"
    ]
    for line in ("/password", SECRET, "battery staple", "battery staple"):
        nina.type(line)
    assert shown(nina)[-1] == "Your password is changed."
    nina.type("/logout")
    assert nina.take() == ["You are logged out.", "What is your name?"]


@pytest.mark.parametrize("line", ["login nina hunter2", ".login nina x", "logn nina hunter2", "register hunter22"])
def test_what_looks_like_a_mistyped_password_is_not_said(house: House, line: str) -> None:
    nina, bob = Terminal(house, "nina"), Terminal(house, "bob")
    bob.take()
    nina.type(line)
    nina.type("no")
    assert bob.take() == []
    nina.type(line)
    nina.type("yes")
    assert len(bob.take()) == 1
    nina.type("login is broken again, it seems")
    assert bob.take() == ["nina: login is broken again, it seems"]


# What happens at the same time.


def test_a_name_that_is_being_stored_is_nobody_else_s(house: House) -> None:
    nina, guest, other = registered(house), Script(house), Script(house)
    renaming = nina.post("nick", name="zed")
    assert refusal(guest, "login", name="z\u0435d") is Code.NAME_TAKEN
    assert {
        "op": "nick",
        "id": renaming,
        "status": "ok",
        "data": {"user": {"name": "zed"}, "login": "zed"},
    } in nina.take()
    for person in (guest, nina):
        person.ask("quit")
    assert len(house.hub.users) == 0
    guest = Script(house)
    guest.post("register", name="bob", password=SECRET)
    assert refusal(other, "register", name="b\u043eb", password=SECRET) is Code.NAME_TAKEN
    assert [user.name for user in house.hub.users] == ["bob"]
    assert not house.chat.claims


def test_a_name_that_could_not_be_stored_is_free_again(house: House) -> None:
    nina = registered(house)
    house.store.failing = True
    assert refusal(nina, "nick", name="zed") is Code.STORE_FAILED
    assert refusal(Script(house), "register", name="bob", password=SECRET) is Code.STORE_FAILED
    house.store.failing = False
    Script(house, "zed")
    Script(house, "bob")


def test_no_change_of_an_account_undoes_another(house: House) -> None:
    nina = registered(house)
    coloring = nina.post("color", color="teal")
    account = account_of(house)
    house.store._changes.insert(0, (SaveAccount(msgspec.structs.replace(account, state=State.BANNED)), UNHEARD))
    house.settle()
    assert account_of(house).state is house.store.accounts[account.id].state is State.BANNED
    assert next(line for line in nina.take() if line.get("id") == coloring)["error"]["code"] == "busy"
    store(house, account)
    nina, other = Script(house), Script(house)
    for session in (nina, other):
        session.ask("login", name="nina", password=SECRET)
    nina.post("unregister", password=SECRET)
    house.store.prove()
    other.post("color", color="teal")
    house.settle()
    assert account_of(house).state is State.DELETED


def test_two_sessions_that_delete_their_account_at_once_are_both_logged_out(house: House) -> None:
    nina, other = registered(house), Script(house)
    other.ask("login", name="nina", password=SECRET)
    for session in (nina, other):
        session.post("unregister", password=SECRET)
    house.settle()
    for session in (nina, other):
        assert [line["status"] for line in session.take() if "status" in line] == ["ok"]
        assert refusal(session, "rooms") is Code.NOT_LOGGED_IN


def test_who_is_suspended_while_deleting_the_account_is_out(house: House) -> None:
    nina = registered(house)
    nina.post("unregister", password=SECRET)
    house.store.prove()
    suspended = msgspec.structs.replace(account_of(house), state=State.SUSPENDED)
    house.store._changes.insert(0, (SaveAccount(suspended), UNHEARD))
    house.settle()
    assert nina.transport.write_closed
    assert account_of(house).state is State.SUSPENDED


def test_a_password_that_is_changed_meanwhile_is_not_changed_by_the_old_one(house: House) -> None:
    owner, thief = registered(house), Script(house)
    thief.ask("login", name="nina", password=SECRET)
    thief.post("password", old=SECRET, new="my own words")
    house.store.prove()  # the old one was right, and the new one waits to be hashed
    waiting, house.store._secretive = house.store._secretive, []
    owner.ask("password", old=SECRET, new="battery staple")
    house.store._secretive = waiting
    house.settle()
    assert thief.transport.write_closed
    assert not owner.transport.write_closed
    assert refusal(Script(house), "login", name="nina", password="my own words") is Code.BAD_CREDENTIALS
    Script(house).ask("login", name="nina", password="battery staple")


def test_a_suspension_that_is_over_ends_no_session(house: House) -> None:
    nina = registered(house)
    store(house, msgspec.structs.replace(account_of(house), state=State.SUSPENDED, until=1))
    nina.ask("color", color="teal")
    assert not nina.transport.write_closed


def test_a_token_that_could_not_be_stored_is_not_shown_later(house: House) -> None:
    nina = registered(house)
    nina.post("tokens", create={"label": "bot"})
    house.store.prove()
    house.store.failing = True
    house.settle()
    house.store.failing = False
    assert nina.take()[-1]["error"]["code"] == "store-failed"
    assert "token" not in nina.ask("keys", add={"key": KEY})


def test_a_guest_with_a_name_as_long_as_can_be_is_moved(house: House) -> None:
    name = "x" * 32
    registered(house, name).ask("quit")
    account = account_of(house, name)
    store(house, msgspec.structs.replace(account, state=State.DELETED, until=1))
    guest = Script(house, name)
    store(house, account)
    Script(house).ask("login", name=name, password=SECRET)
    assert guest.ask("users")["users"] == [{"name": f"{'x' * 31}2"}, {"name": name}]


def test_who_registers_is_called_as_the_account_is_spelled(house: House) -> None:
    assert Script(house, "nina").ask("register", name="Nina", password=SECRET)["user"] == {"name": "Nina"}
    assert [user.name for user in house.hub.users] == ["Nina"]


def test_who_has_an_account_is_asked_for_the_password_where_guests_are_not_let_in(house: House) -> None:
    registered(house).ask("quit")
    house.chat.policy = Policy(guests=False)
    nina = Terminal(house)
    nina.type("nina")
    nina.type(SECRET)
    assert "Hello, nina. Type /help to see what you can do." in shown(nina)


def test_an_empty_secret_makes_nobody_a_guest(house: House) -> None:
    person = Script(house)
    assert refusal(person, "login", name="bob", password="") is Code.BAD_CREDENTIALS
    assert refusal(person, "login", name="bob", token="") is Code.BAD_CREDENTIALS
    assert refusal(person, "login", name="bob", signature="") is Code.BAD_CREDENTIALS


def test_a_password_typed_again_is_not_said(house: House) -> None:
    registered(house).ask("quit")
    guest, bob = Terminal(house, "visitor"), Terminal(house, "bob")
    bob.take()
    for line in ("/login nina", "wrong horse", "hunter22"):
        guest.type(line)
    assert bob.take() == []
    assert [user.name for user in house.hub.users] == ["visitor", "bob"]


@pytest.mark.parametrize("ident", ["f" * 16, "8" + "0" * 15, "-1", "0x1", "1_0", " 1", ""])
def test_what_is_no_id_of_a_credential_never_gets_to_the_database(house: House, ident: str) -> None:
    nina = registered(house)
    nina.post("tokens", revoke=ident)
    assert house.store.idle
    assert nina.take()[-1]["error"]["code"] == "no-such-credential"


def test_a_command_shows_no_secret() -> None:
    for command in (Login("nina", password=SECRET, token=SECRET), Register(SECRET), ChangePassword(SECRET, SECRET)):
        assert SECRET not in repr(command)


def test_where_guests_are_not_let_in_a_person_registers_by_name(house: House) -> None:
    house.chat.policy = Policy(guests=False, registration="invitation", invitations=frozenset({"sesame"}))
    nina = Terminal(house)
    nina.type("nina")
    assert "Guests are not let in here: log in with an account." in nina.take()
    for line in ("/register nina sesame", SECRET, SECRET):
        nina.type(line)
    assert [line for line in shown(nina) if "/resume" not in line][-4:] == [
        "The name nina is yours now. To come back, type it, or /login nina.",
        "Hello, nina. Type /help to see what you can do.",
        "What is said here is logged, and shown to those who come later.",
        "You are in lobby, alone.",
    ]


def test_what_a_program_logged_in_with_may_expire_while_it_is_here(house: House) -> None:
    nina = registered(house)
    nina.ask("tokens", create={"expires": 1})
    bot = Script(house)
    bot.ask("login", token="tcpchat_token")
    house.clock.advance(DAY - 10)
    bot.ask("ping")
    house.clock.advance(10 + house.chat.limits.count_seconds)
    house.hub.tick()
    house.settle()
    text = "The token you logged in with has expired: log in again, and make a new one."
    assert bot.take()[-1]["data"] == {"text": text, "code": "revoked"}
    assert not house.chat.expiring
    nina.ask("ping")


def test_a_token_proves_no_other_name(house: House) -> None:
    nina = registered(house)
    nina.ask("tokens", create={})
    registered(house, "bob")
    stranger = Script(house)
    assert refusal(stranger, "login", name="bob", token="tcpchat_token") is Code.BAD_CREDENTIALS
    assert stranger.ask("login", name="NINA", token="tcpchat_token")["user"] == {"name": "nina"}


def test_one_thing_is_done_at_a_time(house: House) -> None:
    nina = registered(house)
    assert refusal(nina, "tokens", create={}, revoke="1") is Code.BAD_FIELD
    assert refusal(nina, "keys", add={"key": KEY}, remove="1") is Code.BAD_FIELD
    assert nina.ask("tokens") == {"credentials": []}


def test_an_id_counts_for_its_own_kind_only(house: House) -> None:
    nina = registered(house)
    [token] = nina.ask("tokens", create={})["credentials"]
    assert refusal(nina, "keys", remove=token["id"]) is Code.NO_SUCH_CREDENTIAL
    assert len(nina.ask("tokens")["credentials"]) == 1


def test_what_was_written_while_its_reader_logged_in_again_is_shown(house: House) -> None:
    nina, bob = registered(house), Script(house, "bob")
    nina.ask("tell", to="bob", text="hello")
    bob.take()
    bob.send("tell", to="nina", text="are you there?")
    nina.post("logout")
    nina.post("login", name="nina", password=SECRET)
    house.store.prove()
    assert nina.heard() == ["nina to bob: hello"]
    house.settle()
    assert "bob to nina: are you there?" in nina.heard()


def test_a_person_is_not_told_to_be_with_oneself_after_a_rename_elsewhere(house: House) -> None:
    registered(house)
    person, other = Terminal(house), Script(house)
    person.type("/login nina " + SECRET)
    other.ask("login", name="nina", password=SECRET)
    other.ask("nick", name="ninette")
    person.take()
    person.type("/join tea")
    assert "You are in tea, alone." in person.take()


def test_a_pasted_private_key_is_not_said(house: House) -> None:
    nina, bob = Terminal(house, "nina"), Script(house, "bob")
    bob.enter("lobby")
    nina.take()
    for line in ("-----BEGIN OPENSSH PRIVATE KEY-----", "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU", "QyNTUxOQ==",
                 "-----END OPENSSH PRIVATE KEY-----", "hello"):  # fmt: skip
        nina.type(line)
    assert [line for line in nina.take() if "private key" in line] == [
        "That is a private key: it was not said to anybody. Only the line of the .pub file is for others."
    ]
    assert bob.heard() == ["nina in lobby: hello"]
    nina.type("/keys add -----BEGIN PRIVATE KEY-----")
    nina.type("Proc-Type: 4,ENCRYPTED")
    nina.type("so it was")
    assert bob.heard() == ["nina in lobby: so it was"]


def test_a_program_may_ask_what_is_allowed_before_it_asks_a_person(house: House) -> None:
    nina, stranger = registered(house), Script(house)
    assert stranger.ask("may", what="login", name="NINA") == {"name": "nina"}
    assert stranger.ask("may", what="register", name=" bob ") == {"name": "bob"}
    assert refusal(stranger, "may", what="register") is Code.NOT_LOGGED_IN
    assert refusal(stranger, "may", what="register", name="nina") is Code.NAME_REGISTERED
    assert refusal(stranger, "may", what="password") is Code.NOT_LOGGED_IN
    assert refusal(stranger, "may", what="dance") is Code.BAD_FIELD
    assert refusal(nina, "may", what="login", name="bob") is Code.ALREADY_LOGGED_IN
    assert nina.ask("may", what="unregister") == {"name": "nina"}


def test_the_same_key_or_certificate_is_added_once(house: House) -> None:
    nina = registered(house)
    for op, add in (("keys", {"key": KEY}), ("certificates", {"fingerprint": FINGERPRINT})):
        (one,) = nina.ask(op, add=add)["credentials"]
        assert refusal(nina, op, add={**add, "label": "again"}) is Code.CREDENTIAL_EXISTS
        assert nina.ask(op, remove=one["id"]) == {"credentials": []}
        nina.ask(op, add=add)


def test_a_change_of_tokens_answers_with_all_of_them(house: House) -> None:
    nina = registered(house)
    (first,) = nina.ask("keys", add={"key": KEY})["credentials"]
    both = nina.ask("keys", add={"key": "other", "label": "laptop"})["credentials"]
    assert [one["label"] for one in both] == ["", "laptop"]
    assert nina.ask("keys", remove=first["id"])["credentials"] == both[1:] == nina.ask("keys")["credentials"]


def test_the_comment_of_a_key_is_its_label_on_every_wire(house: House) -> None:
    nina = registered(house)
    line = f"ssh-ed25519 {KEY} nina at home"
    assert nina.ask("keys", add={"key": line})["credentials"][0]["label"] == "nina at home"
    assert nina.ask("keys", add={"key": f"{line}s", "label": "x"})["credentials"][1]["label"] == "x"


@pytest.mark.parametrize("days", [0, 3651, 10**30])
def test_a_token_lasts_as_many_days_on_every_wire(house: House, days: int) -> None:
    complaint = "A token may expire in 1 to 3650 days, or never: leave the days out."
    nina = registered(house)
    with pytest.raises(ChatError, match=complaint) as refused:
        nina.ask("tokens", create={"expires": days})
    assert refused.value.code is Code.BAD_FIELD
    person = Terminal(house)
    person.type(f"/login nina {SECRET}")
    person.take()
    person.type("/tokens create backup 99999")
    assert person.take() == [complaint]
    assert nina.ask("tokens") == {"credentials": []}


def test_a_proof_without_a_name_is_told_so(house: House) -> None:
    for proof in ({"certificate": True}, {"password": SECRET}, {"signature": "AAAA"}):
        with pytest.raises(ChatError, match="The name is missing: only a token tells whose it is"):
            Script(house).ask("login", **proof)


def test_a_challenge_tells_how_the_account_spells_its_name(full: House) -> None:
    person = Script(full)
    assert person.ask("challenge", name="NINA")["name"] == "nina"
    assert person.ask("challenge")["name"] == ""


def test_who_is_logged_out_is_told_why_and_what_to_do(full: House) -> None:
    nina = Script(full)
    nina.ask("login", name="nina", password=SECRET)
    for op, field, way, text in (
        ("tokens", "revoke", _token, "The token you logged in with was revoked: log in again with another one."),
        (
            "keys",
            "remove",
            _key,
            "The key you logged in with was removed from your account: log in again in another way.",
        ),
    ):
        person, _ = attempt(full, way)
        (one,) = nina.ask(op)["credentials"]
        nina.ask(op, **{field: one["id"]})
        full.settle()
        assert person.take()[-1]["data"] == {"text": text, "code": "revoked"}


def test_certificates_are_added_listed_and_removed_at_a_terminal(house: House) -> None:
    registered(house).ask("quit")
    nina = Terminal(house)
    nina.type(f"/login nina {SECRET}")
    nina.take()
    for line, answer in (
        ("/certificates", "You have no certificates."),
        ("/certificates add", "This connection has shown no certificate: give the fingerprint of one."),
        (f"/certificates add {FINGERPRINT}", "The certificate is added."),
        ("/certificates remove", "What to remove is missing: type /certificates alone to see them, or "
         "/certificates add FINGERPRINT, /certificates remove ID"),
    ):  # fmt: skip
        nina.type(line)
        assert nina.take() == [answer]
    nina.type("/certificates")
    count, listed = nina.take()
    assert count == "1 certificate:"
    ident = listed.split("id ")[1].partition(",")[0]
    nina.type(f"/certificates remove {ident}")
    assert nina.take() == ["The certificate is good no longer."]


def test_the_server_tells_whom_it_lets_in(house: House) -> None:
    house.chat.policy = Policy(guests=False, registration="closed")
    told = Script(house).ask("hello")
    assert (told["guests"], told["registration"]) == (False, "closed")


def test_an_operator_is_warned_of_what_cannot_be_meant(house: House) -> None:
    closed = Policy(guests=False, registration="closed")
    (warning,) = closed.warnings(house.chat.accounts)
    assert warning.startswith("nobody can get in")
    assert Policy(registration="closed").warnings(house.chat.accounts) == []
    (warning,) = Policy(invitations=frozenset({"sesame"})).warnings(house.chat.accounts)
    assert warning == "the invitations are not used: --registration is open, not invitation"
    nina = registered(house)
    assert closed.warnings(house.chat.accounts) == []
    nina.ask("unregister", password=SECRET)
    assert closed.warnings(house.chat.accounts) != []

"""Whoever sits at the machine: what they may ask for, whom they help, and what is noted of it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from tcpchat.core.chat import Policy
from tcpchat.core.commands import Command
from tcpchat.core.limits import Limits
from tcpchat.core.ranks import hash_code
from tcpchat.core.roles import ServerRole
from tcpchat.errors import ChatError, Code
from tcpchat.wire.table import OPERATIONS
from tests.house import House, Script
from tests.test_order import account, refusal
from tests.wire.test_fields import usual

OTHER = "battery staple"


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def operator(house: House) -> Script:
    return Script(house, operator=True)


def log_in(house: House, **proof: Any) -> Script:
    person = Script(house)
    person.ask("login", **proof)
    return person


def noted(house: House) -> list[tuple[str, str, str]]:
    return [(one.by, one.act, one.subject) for one in house.store.audit]


def is_operable(op: str) -> bool:
    kind: type[Command] = OPERATIONS[op].command
    return kind.operable


@pytest.mark.parametrize("op", [op for op in OPERATIONS if not is_operable(op)])
def test_what_is_for_those_who_talk_is_refused(house: House, operator: Script, op: str) -> None:
    with pytest.raises(ChatError, match="The operator has no name here") as refused:
        operator.ask(op, **usual(op))
    assert refused.value.code is Code.NOT_ALLOWED
    assert not house.hub.users
    assert operator.ask("ping") == {}


@pytest.mark.parametrize("op", [op for op in OPERATIONS if is_operable(op) and op != "quit"])
def test_what_is_for_the_operator_has_an_answer(house: House, operator: Script, op: str) -> None:
    account(house, "bob").ask("join", room="tea")
    data = {"user": "bob", **usual(op)} if op == "tokens" else usual(op)
    number = operator.post(op, **data)
    house.settle()
    reply = next(line for line in operator.read() if line.get("id") == number)
    assert reply.get("error", {}).get("code") not in ("internal", "not-allowed", "not-logged-in")
    assert {one["name"] for one in operator.ask("users")["users"]} <= {"bob"}


def test_a_token_for_a_bot(house: House, operator: Script) -> None:
    account(house, "bot")
    made = operator.ask("tokens", user="bot", create={"label": "deploy", "expires": 30})
    bot = log_in(house, token=made["token"])
    [listed] = operator.ask("tokens", user="BOT")["credentials"]
    assert listed["label"] == "deploy"
    assert [one["id"] for one in made["credentials"]] == [listed["id"]]
    operator.ask("tokens", user="bot", revoke=listed["id"])
    assert bot.take()[-1]["data"]["code"] == "revoked"
    assert noted(house) == [("operator (root)", "token-create", "bot"), ("operator (root)", "token-revoke", "bot")]
    assert made["token"] not in str(house.store.audit)
    assert refusal(operator, "tokens", user="bot", revoke=listed["id"]) is Code.NO_SUCH_CREDENTIAL
    assert refusal(operator, "tokens") is Code.BAD_FIELD
    assert len(house.store.audit) == 2


def test_a_forgotten_password(house: House, operator: Script) -> None:
    nina = account(house, "nina")
    token = nina.ask("tokens", create={})["token"]
    bot = log_in(house, token=token)
    operator.ask("account-password", user="nina", password=OTHER)
    assert nina.take()[-1]["data"]["code"] == bot.take()[-1]["data"]["code"] == "revoked"
    assert refusal(Script(house), "login", name="nina", password="correct horse") is Code.BAD_CREDENTIALS
    log_in(house, name="nina", password=OTHER)
    log_in(house, token=token)
    assert noted(house) == [("operator (root)", "account-password", "nina")]
    assert OTHER not in str(house.store.audit)


def test_an_account_in_the_wrong_hands(house: House, operator: Script) -> None:
    nina = account(house, "nina")
    token = nina.ask("tokens", create={})["token"]
    operator.ask("account-password", user="nina", password=OTHER, alone=True)
    assert refusal(Script(house), "login", token=token) is Code.BAD_CREDENTIALS
    log_in(house, name="nina", password=OTHER)


def test_a_bad_password_changes_nothing(house: House, operator: Script) -> None:
    nina = account(house, "nina")
    assert refusal(operator, "account-password", user="nina", password="short") is Code.WEAK_PASSWORD
    assert refusal(operator, "account-password", user="zed", password=OTHER) is Code.NO_SUCH_USER
    assert nina.ask("ping") == {}
    assert house.store.audit == []


def test_nobody_from_afar_gives_access_to_others(house: House) -> None:
    account(house, "nina")
    for name, role in (("ada", ServerRole.ADMIN), ("olga", ServerRole.OWNER)):
        somebody = account(house, name, role)
        assert refusal(somebody, "tokens", user="nina", create={}) is Code.NOT_ALLOWED
        assert refusal(somebody, "tokens", user="nina") is Code.NOT_ALLOWED
        assert refusal(somebody, "account-password", user="nina", password=OTHER) is Code.NOT_ALLOWED
    assert refusal(Script(house, "bob"), "accounts") is Code.NOT_ALLOWED
    assert house.store.audit == []


def test_an_account_is_made_where_nobody_can_register(house: House, operator: Script) -> None:
    house.chat.policy = Policy(guests=False, registration="closed")
    operator.ask("account-create", name="nina", password=OTHER)
    log_in(house, name="nina", password=OTHER)
    assert refusal(operator, "account-create", name="NINA", password=OTHER) is Code.NAME_REGISTERED
    assert noted(house) == [("operator (root)", "account-create", "nina")]


def test_an_account_is_deleted_and_its_name_kept(house: House, operator: Script) -> None:
    nina = account(house, "nina")
    operator.ask("account-delete", user="nina")
    assert nina.take()[-1]["data"]["code"] == "revoked"
    assert refusal(Script(house), "register", name="nina", password=OTHER) is Code.NAME_REGISTERED
    assert operator.ask("accounts")["accounts"] == []
    assert noted(house)[-1] == ("operator (root)", "account-delete", "nina")


def test_accounts_are_listed(house: House, operator: Script) -> None:
    account(house, "nina").ask("quit")
    account(house, "Ada", ServerRole.ADMIN)
    Script(house, "bob")
    operator.ask("suspend", user="nina", seconds=60, reason="x")
    ada, nina = operator.ask("accounts")["accounts"]
    assert (ada["name"], ada["role"], ada["state"], ada["here"]) == ("Ada", "admin", "good", True)
    assert (nina["state"], nina["here"], nina["reason"]) == ("suspended", False, "x")
    assert [one["name"] for one in operator.ask("accounts", search="NI")["accounts"]] == ["nina"]
    house.clock.advance(60)
    [nina] = operator.ask("accounts", search="nina")["accounts"]
    assert nina["state"] == "good"
    assert not nina.keys() & {"until", "reason"}


def test_limits_are_those_in_force(house: House, operator: Script) -> None:
    house.chat.limits.become(Limits(rooms=7))
    listed = {one["name"]: one for one in operator.ask("limits")["limits"]}
    assert list(listed) == [one.name for one in fields(Limits)]
    assert listed["rooms"] == {"name": "rooms", "value": 7, "unit": "rooms"}


def test_an_owner_made_at_the_machine_makes_the_code_useless(house: House, operator: Script) -> None:
    house.chat.server.owner_code = hash_code("secret")
    account(house, "nina")
    operator.ask("role", user="nina", role="admin")
    assert house.calls == []
    operator.ask("role", user="nina", role="owner")
    assert house.calls == ["owned"]
    assert refusal(account(house, "bob"), "claim", code="secret") is Code.BAD_CREDENTIALS


def test_an_operator_who_watched_and_went_is_forgotten(house: House, operator: Script) -> None:
    operator.ask("subscribe", event="login")
    Script(house, "bob")
    assert [line["data"]["user"] for line in operator.take() if line["op"] == "event"] == ["bob"]
    operator.transport.tear()
    house.settle()
    assert not house.chat.watchers


def test_an_operator_is_nobody_s_company(house: House, operator: Script) -> None:
    nina = Script(house, "nina")
    nina.ask("join", room="tea")
    assert [one["name"] for one in nina.ask("users")["users"]] == ["nina"]
    assert [one["name"] for one in operator.ask("sessions")["sessions"]] == ["nina"]
    assert nina.ask("hello")["people"] == 1
    nina.ask("say", room="tea", text="hello")
    operator.ask("broadcast", text="hello")
    assert operator.take() == []

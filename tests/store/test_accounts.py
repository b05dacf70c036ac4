"""Accounts: what is kept of them comes back, a name is one person's, and what proves it is nobody else's to see."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, event

from tcpchat.core.accounts import Account, Credential, CredentialId, CredentialKind, State
from tcpchat.core.entries import PersonId
from tcpchat.core.names import fold
from tcpchat.core.requests import Change, ChangeCredentials, CredentialsChanged, Noted, NoteUse, SaveAccount
from tcpchat.errors import ChatError
from tcpchat.store.accounts import find_token, load_accounts, read_account, read_credentials
from tests.store.material import GARDEN, KITCHEN, NOW, ON_SERVERS, Database, Store, create, remove, say, told, unfit
from tests.store.test_failures import FAILED, cut, lose_everything, lose_the_answer

ANNA, BERT = PersonId(1), PersonId(2)
GREAT = 2**63 - 1
DAY = 86_400_000
PASSWORD, TOKEN, KEY, CERTIFICATE = (
    CredentialKind.PASSWORD,
    CredentialKind.TOKEN,
    CredentialKind.KEY,
    CredentialKind.CERTIFICATE,
)
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$/R+T/Gq3CrQdsV5r5p0QCw"


def account(number: int, name: str, *, created: int = NOW) -> Account:
    """Return an account in good standing."""
    return Account(PersonId(number), fold(name), name, "teal", State.GOOD, "", 0, created)


def deleted(given: Account, until: int) -> SaveAccount:
    """Return the deletion of an account whose name is kept until then."""
    return SaveAccount(replace(given, state=State.DELETED, until=until), ())


def proof(number: int, owner: int, kind: CredentialKind, data: str, *, created: int = NOW) -> Credential:
    """Return a credential."""
    return Credential(CredentialId(number), PersonId(owner), kind, data, "", created)


def password(number: int, owner: int, data: str = HASH) -> Credential:
    """Return a password's credential."""
    return proof(number, owner, PASSWORD, data)


def token(number: int, owner: int, data: str) -> Credential:
    """Return a token's credential."""
    return proof(number, owner, TOKEN, data)


def stored(store: Store, ident: PersonId) -> Account | None:
    with store.reading.connect() as connection:
        return read_account(connection, ident)


def proofs(store: Store, owner: PersonId, *kinds: CredentialKind) -> tuple[Credential, ...]:
    with store.reading.connect() as connection:
        return read_credentials(connection, owner, kinds or tuple(CredentialKind))


def numbers(store: Store, owner: PersonId) -> list[int]:
    return [one.id for one in proofs(store, owner)]


def found(store: Store, data: str) -> Credential | None:
    with store.reading.connect() as connection:
        return find_token(connection, data)


def named(store: Store) -> dict[str, int]:
    """Return who holds which name."""
    return {one.key: one.id for one in load_accounts(store.reading)}


def test_every_field_of_an_account_comes_back(store: Store) -> None:
    kept = [
        account(1, "anna"),
        Account(PersonId(GREAT), "zoë🦆", "Zoë🦆", None, State.BANNED, "spam 🦆\n" * 500, GREAT, 0),
        Account(PersonId(3), "k" * 64, "n" * 64, "c" * 20, State.SUSPENDED, "", NOW + DAY, NOW),
        Account(PersonId(4), "carl", "Carl", "#3a7bd5", State.DELETED, "asked for it", NOW + DAY, NOW),
    ]
    outcome = store.commit(*(SaveAccount(one) for one in kept))
    assert outcome.supplies == kept
    assert [stored(store, one.id) for one in kept] == kept
    assert sorted(load_accounts(store.reading), key=lambda one: one.created) == sorted(
        kept, key=lambda one: one.created
    )
    assert stored(store, PersonId(5)) is None


def test_every_field_of_a_credential_comes_back(store: Store) -> None:
    proved = (
        Credential(CredentialId(GREAT), ANNA, PASSWORD, "d" * 255, "", 0),
        Credential(CredentialId(7), ANNA, TOKEN, "a" * 64, "the 🦆's laptop", NOW, NOW + DAY, NOW + 1),
        Credential(CredentialId(8), ANNA, KEY, "AAAAC3NzaC1lZDI1NTE5AAAAI", "l" * 100, NOW + 1, GREAT, GREAT),
        Credential(CredentialId(9), ANNA, CERTIFICATE, "f" * 64, "", NOW + 2),
        Credential(CredentialId(10), ANNA, CredentialKind.SCRAM, "4096:salt:stored:server", "", NOW + 3),
    )
    store.commit(SaveAccount(account(1, "anna"), proved), SaveAccount(account(2, "bert"), (password(11, 2),)))
    assert proofs(store, ANNA) == proved
    assert proofs(store, ANNA, KEY) == (proved[2],)
    assert proofs(store, ANNA, PASSWORD, CERTIFICATE) == (proved[0], proved[3])
    assert found(store, "a" * 64) == proved[1]


def test_credentials_are_listed_the_oldest_first_also_those_that_have_expired(store: Store) -> None:
    old, older, new = (
        proof(number, 1, KEY, "same", created=at) for number, at in [(7, NOW), (8, NOW - 1), (6, NOW + 1)]
    )
    old = replace(old, expires=NOW)
    store.commit(SaveAccount(account(1, "anna"), (old, older, new)))
    assert proofs(store, ANNA, KEY) == (older, old, new)
    assert proofs(store, ANNA, TOKEN) == proofs(store, BERT, KEY) == ()


def test_an_account_changes_and_what_proves_it_stays(store: Store) -> None:
    before = account(1, "anna")
    after = Account(ANNA, "Annika".lower(), "Annika", None, State.SUSPENDED, "noise", NOW + DAY, NOW)
    store.commit(SaveAccount(before, (password(7, 1),)))
    assert told(store.commit(SaveAccount(after)).supplies) == ["@Annika"]
    assert stored(store, ANNA) == after
    assert numbers(store, ANNA) == [7]
    # The old name is free, and saving what there is already changes nothing.
    assert told(store.commit(SaveAccount(account(2, "anna")), SaveAccount(after)).supplies) == ["@anna", "@Annika"]
    assert named(store) == {"anna": 2, "annika": 1}


def test_given_credentials_take_the_place_of_all(store: Store) -> None:
    anna, bert = account(1, "anna"), account(2, "bert")
    store.commit(SaveAccount(anna, (password(7, 1), token(8, 1, "old"))), SaveAccount(bert, (password(9, 2),)))
    store.commit(SaveAccount(anna, (token(10, 1, "new"),)))
    assert (numbers(store, ANNA), numbers(store, BERT)) == ([10], [9])
    assert found(store, "old") is None
    store.commit(SaveAccount(anna, ()))
    assert (numbers(store, ANNA), numbers(store, BERT)) == ([], [9])


def test_a_name_is_of_one_account_and_who_comes_second_is_refused_alone(store: Store) -> None:
    store.furnish(GARDEN)
    outcome = store.commit(
        SaveAccount(account(1, "anna"), (password(7, 1),)),
        say(GARDEN, "a"),
        SaveAccount(account(2, "ANNA"), (password(8, 2),)),
        say(GARDEN, "b"),
        SaveAccount(account(3, "carl")),
    )
    assert told(outcome.supplies) == ["@anna", 1, "name-taken", 2, "@carl"]
    refusal = outcome.supplies[2]
    assert isinstance(refusal, ChatError)
    assert refusal.text == "The name ANNA belongs to somebody already. Please choose another one."
    assert refusal.facts == {"name": "ANNA"}
    assert refusal.__traceback__ is None
    assert stored(store, BERT) is None
    assert numbers(store, BERT) == []
    # An account that there is can't take it either, and stays as it is.
    carl = account(3, "carl")
    assert told(store.commit(SaveAccount(replace(carl, key="anna", name="anna"), ())).supplies) == ["name-taken"]
    assert stored(store, PersonId(3)) == carl


def test_names_are_one_only_if_their_keys_are_the_same_code_points(store: Store) -> None:
    keys = ["cafe", "café", "cafe\u0301", "i", "ı", "straße", "strasse", "ß", "ss"]
    for number, key in enumerate(keys, 20):
        saved = [replace(account(one, key), key=key) for one in (number, number + 50)]
        assert told(store.commit(*map(SaveAccount, saved)).supplies) == [f"@{key}", "name-taken"]


@pytest.mark.parametrize("together", [True, False])
def test_the_name_of_a_deleted_account_is_kept_for_a_while_and_then_anybodys(store: Store, together: bool) -> None:
    anna, until = account(1, "anna"), NOW + DAY
    batch: list[Change] = [
        SaveAccount(anna, (password(7, 1),)),
        deleted(anna, until),
        SaveAccount(account(2, "anna", created=until - 1)),
        SaveAccount(account(3, "Anna", created=until), (password(9, 3),)),
        SaveAccount(account(4, "anna", created=until + DAY)),
    ]
    outcomes = [store.commit(*batch)] if together else [store.commit(change) for change in batch]
    supplies = [supply for outcome in outcomes for supply in outcome.supplies]
    assert told(supplies) == ["@anna", "@anna", "name-taken", "@Anna", "name-taken"]
    assert named(store) == {"anna": 3}
    # What it was called is still known, but the name is its own no more.
    assert stored(store, ANNA) == replace(anna, key="", state=State.DELETED, until=until)
    assert numbers(store, ANNA) == []


def test_many_deleted_accounts_may_have_had_one_name(store: Store) -> None:
    for number in range(1, 5):
        one = account(number, "anna", created=NOW + number)
        assert told(store.commit(SaveAccount(one), deleted(one, NOW + number)).supplies) == ["@anna", "@anna"]
    assert named(store) == {"anna": 4}
    # One that has no name left may be saved as it is.
    nameless = stored(store, PersonId(2))
    assert nameless is not None
    assert told(store.commit(SaveAccount(replace(nameless, reason="seen"))).supplies) == ["@anna"]
    assert named(store) == {"anna": 4}


def test_an_account_that_is_not_deleted_keeps_its_name_for_ever(store: Store) -> None:
    for number, state in enumerate((State.GOOD, State.SUSPENDED, State.BANNED), 1):
        name = state.name.lower()
        store.commit(SaveAccount(replace(account(number, name), state=state, until=NOW + 1)))
        late = account(number + 10, name, created=NOW + DAY)
        assert told(store.commit(SaveAccount(late)).supplies) == ["name-taken"]


def test_a_token_tells_by_itself_whose_it_is(store: Store) -> None:
    mine, yours = token(7, 1, "a" * 64), token(8, 2, "b" * 64)
    store.commit(SaveAccount(account(1, "anna"), (mine,)), SaveAccount(account(2, "bert"), (yours,)))
    assert (found(store, "a" * 64), found(store, "b" * 64)) == (mine, yours)
    assert found(store, "A" * 64) is found(store, "") is None


def test_a_token_is_of_one_account_but_a_key_may_prove_several(store: Store) -> None:
    shared = [(KEY, "AAAA"), (CERTIFICATE, "ffff"), (PASSWORD, HASH)]
    for owner in (1, 2):
        given = tuple(proof(owner * 10 + kind, owner, kind, data) for kind, data in shared)
        assert told(store.commit(SaveAccount(account(owner, f"person{owner}"), given)).supplies) == [f"@person{owner}"]
    # A key that looks like a token's hash is no token.
    outcome = store.commit(
        *(ChangeCredentials(ANNA, (token(40, 1, "AAAA"),)), ChangeCredentials(BERT, (token(41, 2, "AAAA"),))),
        ChangeCredentials(BERT, (token(42, 2, "BBBB"),)),
    )
    assert told(outcome.supplies) == ["+40", FAILED, "+42"]
    assert [one.id for one in proofs(store, BERT, TOKEN)] == [42]


def test_credentials_are_removed_by_kind_and_by_id_and_others_added(store: Store) -> None:
    given = (password(7, 1), token(8, 1, "a"), token(9, 1, "b"), proof(10, 1, KEY, "k"), proof(11, 1, KEY, "l"))
    store.commit(SaveAccount(account(1, "anna"), given), SaveAccount(account(2, "bert"), (proof(20, 2, KEY, "k"),)))
    fresh = (password(12, 1), token(13, 1, "a"))
    outcome = store.commit(
        # Neither the id of another's nor of nobody's.
        ChangeCredentials(ANNA, ids=(CredentialId(10), CredentialId(20), CredentialId(99))),
        ChangeCredentials(ANNA, fresh, (PASSWORD, TOKEN), (CredentialId(9),)),
        ChangeCredentials(ANNA),
        ChangeCredentials(BERT, kinds=(TOKEN,)),
    )
    assert outcome.supplies == [
        CredentialsChanged(ANNA, (CredentialId(10),), ()),
        CredentialsChanged(ANNA, (CredentialId(7), CredentialId(8), CredentialId(9)), fresh),
        CredentialsChanged(ANNA, (), ()),
        CredentialsChanged(BERT, (), ()),
    ]
    assert numbers(store, ANNA) == [11, 12, 13]
    assert numbers(store, BERT) == [20]


def test_nothing_is_added_to_an_account_that_is_not_there(store: Store) -> None:
    """What was on its way when the account was deleted must not bring it back."""
    anna = account(1, "anna")
    outcome = store.commit(
        SaveAccount(anna, (password(7, 1),)),
        deleted(anna, NOW + DAY),
        ChangeCredentials(ANNA, (token(8, 1, "a"),)),
        ChangeCredentials(BERT, (token(9, 2, "b"),)),
        ChangeCredentials(ANNA, kinds=(PASSWORD,)),
    )
    assert told(outcome.supplies) == ["@anna", "@anna", "no-such-user", "no-such-user", ""]
    assert numbers(store, ANNA) == numbers(store, BERT) == []


def test_no_more_credentials_of_a_kind_than_the_account_may_have(store: Store) -> None:
    kept = (token(1, 1, "a" * 64), proof(2, 1, KEY, "one"), proof(3, 1, KEY, "two"))
    store.commit(SaveAccount(account(1, "anna"), kept), SaveAccount(account(2, "bert"), (token(4, 2, "b" * 64),)))
    store.furnish(GARDEN)
    outcome = store.commit(
        ChangeCredentials(ANNA, (token(5, 1, "c" * 64),), most=2),
        ChangeCredentials(ANNA, (token(6, 1, "d" * 64),), most=2),
        ChangeCredentials(ANNA, (token(7, 1, "e" * 64),), ids=(CredentialId(1),), most=2),
        say(GARDEN, "hello"),
    )
    assert told(outcome.supplies) == ["+5", "too-many-credentials", "-1 +7", 1]
    assert numbers(store, ANNA) == [2, 3, 5, 7]


def test_a_use_is_noted_and_one_of_what_is_gone_is_nothing(store: Store) -> None:
    store.commit(SaveAccount(account(1, "anna"), (password(7, 1), token(8, 1, "a"))))
    uses = [(7, NOW + 5), (99, NOW), (8, NOW + 6), (7, NOW + 9)]
    outcome = store.commit(*(NoteUse(CredentialId(number), at) for number, at in uses))
    assert outcome.supplies == [Noted()] * 4
    assert [(one.id, one.used) for one in proofs(store, ANNA)] == [(7, NOW + 9), (8, NOW + 6)]


def test_accounts_and_entries_share_a_batch_in_its_order_and_its_one_transaction(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    commits: list[Connection] = []
    event.listen(store.writing, "commit", commits.append)
    batch: list[Change] = [
        say(GARDEN, "a"),
        SaveAccount(account(1, "anna"), (password(7, 1),)),
        say(KITCHEN, "x"),
        NoteUse(CredentialId(7), NOW),
        ChangeCredentials(ANNA, (token(8, 1, "a"),), (PASSWORD,)),
        create(77, "attic"),
        say(GARDEN, "b"),
        ChangeCredentials(ANNA, (password(9, 1),), (TOKEN,)),
    ]
    outcome = store.commit(*batch)
    assert told(outcome.supplies) == [1, "@anna", 1, "noted", "-7 +8", "+attic", 2, "-8 +9"]
    assert len(commits) == 1
    assert numbers(store, ANNA) == [9]


def test_accounts_on_both_sides_of_a_deletion_and_of_bad_data(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    anna = account(1, "anna")
    outcome = store.commit(
        SaveAccount(anna, (password(7, 1),)),
        say(GARDEN, "a"),
        remove(GARDEN),
        ChangeCredentials(ANNA, (token(8, 1, "a"),), (PASSWORD,)),
        unfit(KITCHEN),
        say(GARDEN, "late"),
        ChangeCredentials(ANNA, (password(9, 1),), (TOKEN,)),
        remove(KITCHEN),
        NoteUse(CredentialId(9), NOW),
    )
    assert told(outcome.supplies) == [
        "@anna",
        1,
        "-garden",
        "-7 +8",
        FAILED,
        "no-such-room",
        "-8 +9",
        "-kitchen",
        "noted",
    ]
    assert [(one.id, one.used) for one in proofs(store, ANNA)] == [(9, NOW)]


@ON_SERVERS
@pytest.mark.parametrize(
    "moment",
    ["UPDATE accounts", "INSERT INTO accounts", "DELETE FROM credentials", "INSERT INTO credentials", "COMMIT"],
)
def test_a_connection_lost_before_the_commit_costs_a_retry(store: Store, moment: str) -> None:
    anna = account(1, "anna")
    store.furnish(GARDEN)
    store.commit(SaveAccount(anna, (password(7, 1),)), deleted(anna, NOW))
    if moment == "COMMIT":
        store.at_next_commit(cut(store))
    else:
        store.at_next(moment, cut(store))
    outcome = store.commit(
        say(GARDEN, "a"),
        SaveAccount(account(2, "anna"), (password(8, 2),)),
        ChangeCredentials(BERT, (token(9, 2, "a"),), (PASSWORD,)),
    )
    assert (told(outcome.supplies), outcome.late) == ([1, "@anna", "-8 +9"], [])
    assert len(store.pauses) == 1
    assert named(store) == {"anna": 2}
    assert numbers(store, BERT) == [9]
    assert store.written(GARDEN) == [(1, "a")]


@ON_SERVERS
def test_an_answer_lost_after_the_commit_is_read_back_with_what_was_removed(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(SaveAccount(account(1, "anna"), (password(7, 1), token(8, 1, "a"))), SaveAccount(account(2, "bert")))
    store.at_next_commit(lose_the_answer(store))
    batch: list[Change] = [
        say(GARDEN, "a"),
        ChangeCredentials(BERT, kinds=(PASSWORD,)),
        SaveAccount(account(3, "carl")),
        ChangeCredentials(ANNA, (password(9, 1),), (PASSWORD, TOKEN)),
        ChangeCredentials(ANNA, (password(10, 1),), (PASSWORD,)),
        NoteUse(CredentialId(10), NOW),
    ]
    outcome = store.commit(*batch)
    assert (told(outcome.supplies), outcome.late) == ([1, "", "@carl", "-7 -8 +9", "-9 +10", "noted"], [])
    assert len(store.pauses) == 1
    assert numbers(store, ANNA) == [10]
    # Told once: the next batch has its own.
    after = store.commit(ChangeCredentials(ANNA, kinds=(PASSWORD,)), say(GARDEN, "b"))
    assert (told(after.supplies), after.late) == (["-10", 2], [])


def test_changes_of_accounts_come_to_light_late_with_what_they_removed(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(SaveAccount(account(1, "anna"), (password(7, 1),)))
    with ExitStack() as elsewhere:
        store.at_next_commit(lose_everything(store, elsewhere))
        unknown = store.commit(
            SaveAccount(account(2, "bert")), say(GARDEN, "a"), ChangeCredentials(ANNA, (token(8, 1, "a"),), (PASSWORD,))
        )
        assert told(unknown.supplies) == [FAILED] * 3
        assert str(unknown.supplies[0]).endswith("so nothing has changed. Please try again.")
    store.database.wait_until_left()
    after = store.commit(SaveAccount(account(3, "bert")), say(GARDEN, "b"))
    assert told(after.late) == ["@bert", 1, "-7 +8"]
    assert told(after.supplies) == ["name-taken", 2]
    assert numbers(store, ANNA) == [8]


SECRET = "5ec2e7" * 10
HALF = "\ud83e"


def chain(error: BaseException | None) -> list[BaseException]:
    """Return an error with all that it arose from."""
    if error is None:
        return []
    driver = getattr(error, "orig", None)
    return [error, *chain(error.__cause__), *chain(error.__context__), *chain(driver)]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda one: replace(one, id=CredentialId(7)), id="an id that there is"),
        pytest.param(lambda one: replace(one, kind=TOKEN), id="a token that there is"),
        pytest.param(lambda one: replace(one, label=None), id="no label"),
        pytest.param(lambda one: replace(one, data=SECRET + HALF), id="no Unicode"),
        pytest.param(lambda one: replace(one, data=SECRET * 5, created="soon"), id="no number"),
        pytest.param(lambda one: replace(one, data=SECRET * 5), id="too long"),
        pytest.param(lambda one: replace(one, data=SECRET + "\0"), id="a NUL"),
    ],
)
def test_what_proves_somebody_is_in_no_error_and_no_log(
    database: Database, spoil: Callable[[Credential], Credential], caplog: pytest.LogCaptureFixture
) -> None:
    # Before the engines are made: these ask once whether somebody listens.
    caplog.set_level(logging.INFO, "sqlalchemy")
    store = Store(database)
    store.commit(SaveAccount(account(1, "anna"), (token(7, 1, SECRET),)))
    bad = spoil(password(8, 2, SECRET))
    outcome = store.commit(SaveAccount(account(2, "bert"), (bad,)), ChangeCredentials(ANNA, (bad,)))
    for supply in outcome.supplies:
        for error in chain(supply if isinstance(supply, ChatError) else None):
            shown = "".join(traceback.format_exception(error))
            assert SECRET not in f"{error} {error!r} {error.args} {shown}"
    assert SECRET not in caplog.text
    store.close()


def test_a_change_of_an_account_that_is_stored_otherwise_by_then_is_refused(store: Store) -> None:
    anna = account(1, "anna")
    banned, red = replace(anna, state=State.BANNED), replace(anna, color="red")
    store.commit(create(GARDEN, "garden"), SaveAccount(anna, ()))
    outcome = store.commit(say(GARDEN, "a"), SaveAccount(banned), SaveAccount(red, before=anna))
    assert told(outcome.supplies) == [1, "@anna", "busy"]
    assert stored(store, ANNA) == banned
    assert told(store.commit(SaveAccount(replace(banned, color=None), before=banned)).supplies) == ["@anna"]


@pytest.mark.parametrize("ident", [2**63, 2**64 - 1])
def test_an_id_that_is_too_large_harms_nobody_else(store: Store, ident: int) -> None:
    store.commit(create(GARDEN, "garden"), SaveAccount(account(1, "anna"), ()))
    outcome = store.commit(say(GARDEN, "a"), ChangeCredentials(ANNA, ids=(CredentialId(ident),)), say(GARDEN, "b"))
    assert [supply for supply in told(outcome.supplies) if isinstance(supply, int)] == [1, 2]

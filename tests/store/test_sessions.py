"""Sessions on disk: the last word counts, only what still holds is read, and a code is never in clear."""

from __future__ import annotations

import msgspec

from tcpchat.core.accounts import CredentialId
from tcpchat.core.entries import PersonId, Seq
from tcpchat.core.requests import ChangeCredentials, EndSession, KeepSession, Noted, SaveAccount
from tcpchat.core.stored_session import Belongings, DirectPlace, RoomPlace, SessionId, StoredSession, decode, encode
from tcpchat.store.sessions import load_sessions
from tests.store.material import ANNA, GARDEN, NOW, Store, direct, say
from tests.store.test_accounts import account, token

_DIRECT = 501_502


def session(number: int, name: str = "anna", *, credential: int = 0, state: str = "{}") -> StoredSession:
    return StoredSession(
        id=SessionId(number),
        code="c" * 64,
        next="",
        person=ANNA,
        name=name,
        color=None,
        registered=credential > 0,
        credential=CredentialId(credential),
        proof=1,
        until=0,
        address="2001:db8::1",
        detached=NOW,
        state=state,
    )


def test_what_is_kept_is_read_again(store: Store) -> None:
    state = encode(Belongings(rooms=(RoomPlace(GARDEN, Seq(5), 7),), ignores={PersonId(9): "bob"}, away="tea 🫖"))
    kept = session(1, state=state)
    assert store.commit(KeepSession(kept)).supplies == [Noted()]
    assert load_sessions(store.reading).sessions == [kept]
    assert decode(kept.state).rooms == (RoomPlace(GARDEN, Seq(5), 7),)


def test_the_last_of_several_changes_counts(store: Store) -> None:
    store.furnish(GARDEN)
    first, second = session(1), session(1, "anna2")
    outcome = store.commit(KeepSession(first), say(GARDEN, "a"), KeepSession(second), KeepSession(session(2)))
    assert [type(one).__name__ for one in outcome.supplies] == ["Noted", "Entry", "Noted", "Noted"]
    store.commit(EndSession(SessionId(2)), KeepSession(session(3)), EndSession(SessionId(3)), EndSession(SessionId(4)))
    assert load_sessions(store.reading).sessions == [second]


def test_a_session_is_not_read_without_what_it_was_proved_with(store: Store) -> None:
    store.commit(SaveAccount(account(501, "anna"), (token(5, 501, "hash"), token(6, 501, "other"))))
    store.commit(KeepSession(session(1, credential=5)), KeepSession(session(2, credential=6)))
    store.commit(ChangeCredentials(ANNA, ids=(CredentialId(5),)))
    assert [one.id for one in load_sessions(store.reading).sessions] == [2]


def test_conversations_are_read_with_their_heads(store: Store) -> None:
    record = direct(_DIRECT)
    store.commit(say(record.id, "a", opens=record), say(record.id, "b", opens=record))
    state = encode(Belongings(directs=(DirectPlace(record.id, PersonId(502), "bob", Seq(1), 7),)))
    store.commit(KeepSession(session(1, state=state)))
    assert load_sessions(store.reading).directs == {record.id: msgspec.structs.replace(record, head=Seq(2))}


def test_a_state_that_is_not_understood_keeps_no_other_from_being_read(store: Store) -> None:
    store.commit(KeepSession(session(1, state='{"rooms": 5}')), KeepSession(session(2)))
    assert [one.id for one in load_sessions(store.reading).sessions] == [1, 2]

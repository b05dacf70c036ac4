"""Any changes of accounts at all, also when answers are lost, against a model that fits on a page."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Connection

from tcpchat.core.accounts import Credential, CredentialId, CredentialKind, State
from tcpchat.core.entries import PersonId
from tcpchat.core.requests import Change, ChangeCredentials, NoteUse, SaveAccount
from tcpchat.store.accounts import find_token, load_accounts, read_account, read_credentials
from tests.store.material import GARDEN, NOW, Store, say, told
from tests.store.test_accounts import account, proof
from tests.store.test_failures import lose_the_answer

KINDS = (CredentialKind.PASSWORD, CredentialKind.TOKEN)


@dataclass
class Model:
    """Names, the accounts that have been deleted, and credentials in the order of their ids."""

    line: int = 0
    names: dict[str, PersonId] = field(default_factory=dict)
    there: dict[PersonId, bool] = field(default_factory=dict)
    until: dict[PersonId, int] = field(default_factory=dict)
    proofs: dict[CredentialId, Credential] = field(default_factory=dict)

    def answer(self, change: Change) -> int | str:
        """Return what the author of ``change`` is to be told."""
        match change:
            case SaveAccount(saved, given):
                holder = self.names.get(saved.key, saved.id)
                if holder != saved.id and (self.there[holder] or self.until[holder] > saved.created):
                    return "name-taken"
                self.names = {key: one for key, one in self.names.items() if one != saved.id} | {saved.key: saved.id}
                self.there[saved.id] = saved.state is not State.DELETED
                self.until[saved.id] = saved.until
                if given is not None:
                    self._remove([one for one, kept in self.proofs.items() if kept.account == saved.id])
                    self.proofs |= {one.id: one for one in given}
                return f"@{saved.name}"
            case ChangeCredentials(owner, add, kinds, ids):
                if add and not self.there.get(owner, False):
                    return "no-such-user"
                mine = [one for one in self.proofs.values() if one.account == owner]
                gone = sorted(one.id for one in mine if one.kind in kinds or one.id in ids)
                self._remove(gone)
                self.proofs |= {one.id: one for one in add}
                return " ".join([*(f"-{one}" for one in gone), *(f"+{one.id}" for one in add)])
            case NoteUse(credential, at):
                if credential in self.proofs:
                    self.proofs[credential] = replace(self.proofs[credential], used=at)
                return "noted"
        self.line += 1
        return self.line

    def _remove(self, gone: list[CredentialId]) -> None:
        for one in gone:
            del self.proofs[one]


CHANGES = st.tuples(
    st.sampled_from(["save", "save", "delete", "add", "swap", "remove", "note", "say"]),
    st.integers(0, 3),
    st.integers(0, 2),
)


@dataclass
class Village:
    """The people of one example: four, of three names, with as many proofs as they like."""

    number: int
    moments: itertools.count[int] = field(default_factory=lambda: itertools.count(NOW))
    made: list[CredentialId] = field(default_factory=list)

    def change(self, kind: str, who: int, which: int) -> Change:
        """Return a change of ``kind``, of the person ``who``, with the name or the proof ``which``."""
        ident, now = self.person(who), next(self.moments)
        one = account(ident, f"name{self.number}.{which}", created=now)
        match kind:
            case "save":
                return SaveAccount(one, (self._proof(ident),) if which else None)
            case "delete":
                return SaveAccount(replace(one, state=State.DELETED, until=now + 2 * which), ())
            case "add":
                return ChangeCredentials(ident, (self._proof(ident),))
            case "swap":
                return ChangeCredentials(ident, (self._proof(ident), self._proof(ident)), KINDS[: which + 1])
            case "remove":
                return ChangeCredentials(ident, (), (), tuple(self.made[-which - 1 :]))
            case "note":
                return NoteUse(self.made[-which - 1] if len(self.made) > which else CredentialId(1), now)
        return say(GARDEN, "a line")

    def person(self, who: int) -> PersonId:
        """Return an id that nobody has in another example."""
        return PersonId(self.number * 1_000_000 + who)

    def _proof(self, owner: PersonId) -> Credential:
        count = len(self.made)
        self.made.append(CredentialId(self.number * 1_000_000 + count))
        return proof(self.made[-1], owner, KINDS[count % 2], f"{self.made[-1]}")


def test_accounts_are_what_their_model_says(store: Store) -> None:
    store.furnish(GARDEN)
    examples = itertools.count(1)
    on_server = store.database.server is not None
    lines = [0]
    # A batch of which everything is refused has no commit: then it is the next one's answer that is lost.
    losing: list[Callable[[Connection], None]] = []

    def lose(connection: Connection) -> None:
        losing.pop()(connection)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(batches=st.lists(st.tuples(st.lists(CHANGES, max_size=12), st.integers(0, 5)), max_size=6))
    def agrees(batches: list[tuple[list[tuple[str, int, int]], int]]) -> None:
        # One database for all examples: each has people of its own.
        place, model = Village(next(examples)), Model(lines[0])
        for wanted, luck in batches:
            batch = [place.change(*one) for one in wanted]
            if on_server and luck == 5 and not losing:
                losing.append(lose_the_answer(store))
                store.at_next_commit(lose)
            outcome = store.commit(*batch)
            assert told(outcome.supplies) == [model.answer(change) for change in batch]
            assert outcome.late == []
        lines[0] = model.line
        with store.reading.connect() as connection:  # a new one: answers are lost by ending them all
            for ident, there in model.there.items():
                kept = read_account(connection, ident)
                assert kept is not None
                assert (kept.state is not State.DELETED) is there
                assert model.names.get(kept.key) == (ident if kept.key else None)
                proved = tuple(one for one in model.proofs.values() if one.account == ident)
                assert read_credentials(connection, ident, KINDS) == proved
            for one in model.proofs.values():
                found = find_token(connection, one.data)
                assert found == (one if one.kind is CredentialKind.TOKEN else None)
        mine = range(place.person(0), place.person(4))
        assert {one.key: one.id for one in load_accounts(store.reading) if one.id in mine} == model.names

    agrees()
    assert len(store.written(GARDEN)) == lines[0]

"""Any sends, repeats, failures and restarts: each id at most one entry, and each answered id exactly the one."""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from tcpchat.core.entries import Entry, RoomId, Sending, Sent
from tcpchat.core.requests import Append, Change, Recall, Result
from tcpchat.errors import ChatError, Code
from tests.store.material import Database, Store, create, say, unfit
from tests.store.test_failures import lose_everything

MUTED = ChatError(Code.MUTED, "You are muted.")
IDS = range(5)
# What is asked for, under which id, and whether it is another text than usual.
ASKED = st.tuples(st.sampled_from(["send", "send", "send", "recall", "plain", "unfit"]), st.sampled_from(IDS))
ASKS = st.tuples(ASKED, st.sampled_from([False, False, False, True]))
# Ids of earlier batches are asked for again; what goes wrong meets the first commit of the batch.
BATCHES = st.tuples(st.lists(ASKS, max_size=7), st.sampled_from(["", "", "fail", "unknown", "restart"]))


class TroubledStore:
    """A store that can be told to fail at its next commit, and be started again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._trouble = ""
        self._met = False
        self._elsewhere = ExitStack()
        self._open()

    def commit(self, trouble: str, batch: list[Change]) -> tuple[list[Entry], list[Result]]:
        """Commit a batch; return the entries that are shown, and what the authors are told."""
        self.store.writer.open()  # the trouble is to meet the batch
        self._trouble, self._met = trouble, False
        outcome = self.store.commit(*batch)
        self._trouble = ""
        self._elsewhere.close()
        if trouble == "restart":
            self.close()
            self._open()
        elif self._met:  # and so it has no connection
            self._database.wait_until_left()
        shown = [one for one in [*outcome.late, *outcome.supplies] if isinstance(one, Entry)]
        return shown, outcome.supplies

    def close(self) -> None:
        self.store.close()
        self._database.wait_until_left()

    def _open(self) -> None:
        self.store = Store(self._database)
        event.listen(self.store.writing, "commit", self._interfere)

    def _interfere(self, connection: Connection) -> None:
        trouble, self._trouble = self._trouble, ""
        if trouble == "fail":
            self._met = True
            raise OperationalError("COMMIT", None, sqlite3.OperationalError("disk full"))
        if trouble == "unknown":
            self._met = True
            lose_everything(self.store, self._elsewhere)(connection)


@dataclass
class Clients:
    """Those who send, and what they were shown and told."""

    number: int
    shown: Counter[tuple[RoomId, int]] = field(default_factory=Counter)
    told: dict[tuple[RoomId, int], str] = field(default_factory=dict)

    @property
    def rooms(self) -> list[RoomId]:
        return [RoomId(self.number * 2 + place) for place in range(2)]

    def change(self, kind: str, place: int, *, another: bool = False) -> Change:
        """Return what one of them asks for under its id: an entry whose text begins with that."""
        text, where = f"{place}{' again' if another else ''}", self.rooms[place % 2]
        once = Sending(f"{self.number:x}<{place}>", crc32(text.encode()))
        match kind:
            case "send":
                return Append(say(where, text).draft, None, once)
            case "unfit":
                return Append(unfit(where).draft, None, once)
            case "recall":
                return Recall(once, MUTED)
        return say(where, "plain")

    def hear(self, change: Change, result: Result) -> None:
        """Note what an answer says of the log: this text is there, or another under the same id."""
        if isinstance(result, Entry):
            self._note(result.draft.room, result.seq, result.draft.text)
        elif isinstance(result, Sent):
            assert isinstance(change, Append | Recall)
            assert change.sending is not None
            usual = change.sending.digest == crc32(change.sending.key.partition("<")[2][:-1].encode())
            text = change.sending.key.partition("<")[2][:-1]
            self._note(result.room, result.seq, text if usual is result.same else f"{text} again")

    def _note(self, where: RoomId, seq: int, text: str) -> None:
        assert self.told.setdefault((where, seq), text) == text


def test_each_id_is_at_most_one_entry_and_its_answer_that_one(database: Database) -> None:
    # A function within: pytest-twisted wraps a property once for each parameter of the fixture, one in the other.
    numbers = itertools.count(10)
    house = TroubledStore(database)

    @settings(max_examples=40)
    @given(batches=st.lists(BATCHES, min_size=1, max_size=7))
    def holds(batches: list[tuple[list[tuple[tuple[str, int], bool]], str]]) -> None:
        clients = Clients(next(numbers))
        house.commit("", [create(room, f"room{room}") for room in clients.rooms])
        last = [(("send", place), False) for place in IDS]  # whoever is unsure tries again
        for wanted, trouble in [*batches, (last, "")]:
            changes = [clients.change(kind, place, another=another) for (kind, place), another in wanted]
            shown, results = house.commit(trouble, changes)
            clients.shown.update((entry.draft.room, entry.seq) for entry in shown)
            for change, result in zip(changes, results, strict=True):
                clients.hear(change, result)
        assert not any(isinstance(result, ChatError) for result in results)
        log = {(room, seq): text for room in clients.rooms for seq, text in house.store.written(room)}
        assert Counter(text[0] for text in log.values() if text != "plain") == Counter(str(place) for place in IDS)
        assert clients.told.items() <= log.items()
        assert set(clients.shown.values()) <= {1}
        for room in clients.rooms:
            assert [seq for where, seq in log if where == room] == list(range(1, house.store.head(room) + 1))

    holds()
    house.close()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_troubles_are_met(database: Database) -> None:
    house, clients = TroubledStore(database), Clients(1)
    house.commit("", [create(room, f"room{room}") for room in clients.rooms])
    one = clients.change("send", 1)
    for trouble, first in (("fail", 0), ("unknown", 1)):
        shown, (result,) = house.commit(trouble, [one])
        assert isinstance(result, ChatError)
        assert (shown, len(house.store.written(clients.rooms[1]))) == ([], first)
    shown, (result,) = house.commit("restart", [one])
    assert isinstance(result, Sent)
    assert [entry.seq for entry in shown] == [1]
    house.close()

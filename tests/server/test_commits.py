"""Group commits: one thread, one FIFO, and every author told."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from twisted.internet.task import Clock

from tcpchat.core.entries import Draft, Entry, Kind, PersonId, RoomId, Sent, Seq
from tcpchat.core.limits import Limits
from tcpchat.core.requests import Append, Change, Committed, Deleted, DeleteRoom, ForgetSendings, Result, Supply
from tcpchat.errors import ChatError, Code
from tcpchat.server.commits import GroupCommit, unheard
from tcpchat.store.log import Outcome

PATIENCE = 10.0


class ThreadClock(Clock):
    """A clock, with calls from threads that are made when the test waits for them."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: queue.Queue[Callable[[], object]] = queue.Queue()

    def callFromThread(self, call: Callable[..., object], *args: Any) -> None:
        self._calls.put(lambda: call(*args))

    def wait(self) -> None:
        """Make the next call from a thread."""
        self._calls.get(timeout=PATIENCE)()


class SlowLog:
    """A log whose commits, and tries whether it works again, take as long as the test wants.

    ``error`` is raised, ``failure`` is what its database fails with.
    """

    def __init__(self) -> None:
        self.batches: list[list[Change]] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.error: Exception | None = None
        self.failure: Exception | None = None
        self.probed = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.late: list[Committed] = []
        self.purges: list[tuple[RoomId, int]] = []
        self.forgotten: list[tuple[int, int]] = []
        self.closed = False
        self._heads: dict[RoomId, int] = {}

    def commit(self, changes: Sequence[Change]) -> Outcome:
        self.batches.append(list(changes))
        self.begun.release()
        assert self.go.acquire(timeout=PATIENCE)
        if self.error is not None:
            raise self.error
        if self.failure is not None:
            refusals: list[Result] = [ChatError(Code.STORE_FAILED, "Not kept.") for _ in changes]
            return Outcome(refusals, [], self.failure)
        results: list[Result] = []
        for change in changes:
            if isinstance(change, Append):
                seq = self._heads[change.draft.room] = self._heads.get(change.draft.room, 0) + 1
                results.append(Entry(Seq(seq), change.draft))
            elif isinstance(change, DeleteRoom):
                results.append(Deleted(change.room, change.label))
            elif isinstance(change, ForgetSendings):
                results.append(change)
        late, self.late = self.late, []
        return Outcome(results, late)

    def probe(self) -> Outcome:
        self.probed.release()
        assert self.go_on.acquire(timeout=PATIENCE)
        late, self.late = self.late, []
        return Outcome([], late, self.failure)

    def open(self) -> None:
        pass

    def purge(self, room: RoomId, limit: int) -> bool:
        self.purges.append((room, limit))
        self.begun.release()
        return len(self.purges) == 3

    def forget(self, before: int, limit: int) -> bool:
        self.forgotten.append((before, limit))
        self.begun.release()
        return len(self.forgotten) == 2

    def close(self) -> None:
        self.closed = True


class Author:
    """Somebody who waits for a change, on a connection of its own, and notes what happens."""

    size = 512

    def __init__(self, order: list[str] | None = None) -> None:
        self.results: list[Supply] = []
        self.order: list[str] = [] if order is None else order
        self.connection = self

    def hold(self) -> None:
        self.order.append("hold")

    def done(self, supply: Supply) -> None:
        self.order.append("done")
        self.results.append(supply)

    def release(self) -> None:
        self.order.append("release")


class Desk:
    """A GroupCommit with everything around it."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.clock = ThreadClock()
        self.log = SlowLog()
        self.told: list[list[Committed]] = []
        # What was said of the database.
        self.states: list[str] = []
        self.on_commit: Callable[[], None] = lambda: None
        self.commits = GroupCommit(
            self.log,
            self.clock,  # type: ignore[arg-type]
            limits or Limits(),
            self._told,
            lambda call: call(),
            self.states.append,
        )

    def _told(self, results: Sequence[Result]) -> None:
        self.told.append([result for result in results if not isinstance(result, ChatError | Sent)])
        self.on_commit()

    def say(self, text: str) -> list[Supply]:
        """Submit a text and return the list into which its result will come."""
        author = Author()
        self.commits.submit(Append(draft(text)), author)
        return author.results

    def commit(self) -> None:
        """Let the batch in hand be committed, and the reactor hear of it."""
        self.log.go.release()
        self.clock.wait()

    def probe(self) -> None:
        """Let the writer find out whether the database works again, and the reactor hear of it."""
        self.log.go_on.release()
        self.clock.wait()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.commits.start()
    yield desk
    stopped = desk.commits.stop()
    desk.log.go_on.release(99)
    while not stopped.called:
        desk.clock.wait()
    assert desk.log.closed


def draft(text: str) -> Draft:
    return Draft(RoomId(1), 0, PersonId(1), "nina", None, Kind.MESSAGE, text)


def texts(batch: list[Change]) -> list[str]:
    return [change.draft.text for change in batch if isinstance(change, Append)]


def test_what_arrives_in_one_turn_shares_a_commit(desk: Desk) -> None:
    first, second = desk.say("a"), desk.say("b")
    assert desk.log.batches == []
    desk.clock.advance(0)
    desk.commit()
    assert [texts(batch) for batch in desk.log.batches] == [["a", "b"]]
    assert [result.seq for result in (*first, *second) if isinstance(result, Entry)] == [1, 2]


def test_while_one_batch_is_committed_the_next_one_gathers(desk: Desk) -> None:
    desk.say("a")
    desk.clock.advance(0)
    assert desk.log.begun.acquire(timeout=PATIENCE)
    late = [desk.say("b"), desk.say("c")]
    desk.clock.advance(0)
    assert len(desk.log.batches) == 1
    assert late == [[], []]
    desk.commit()
    desk.clock.advance(0.0005)
    assert len(desk.log.batches) == 1  # under load a batch has a little time to gather
    desk.clock.advance(0.003)
    desk.commit()
    assert [texts(batch) for batch in desk.log.batches] == [["a"], ["b", "c"]]
    assert [len(result) for result in late] == [1, 1]


def test_the_hub_hears_of_a_batch_before_its_authors(desk: Desk) -> None:
    order: list[str] = []
    desk.on_commit = lambda: order.append("hub")
    for text in ("a", "b"):
        desk.commits.submit(Append(draft(text)), Author(order))
    desk.clock.advance(0)
    desk.commit()
    assert order == ["hold", "hold", "hub", "done", "done", "release", "release"]


def test_a_store_that_raises_fails_the_batch_and_not_the_next(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    desk.log.error = RuntimeError("the disk is on fire")
    results = [desk.say("a"), desk.say("b")]
    desk.clock.advance(0)
    desk.commit()
    for (result,) in results:
        assert isinstance(result, ChatError)
        assert result.code is Code.STORE_FAILED
        assert "fire" not in result.text
    assert desk.told == [[]]
    desk.log.error = None
    desk.probe()
    (again,) = [desk.say("c")]
    desk.clock.advance(1)
    desk.commit()
    assert isinstance(again[0], Entry)
    assert again[0].seq == 1


def test_changes_whose_end_was_unknown_are_told_first(desk: Desk) -> None:
    lost = Entry(Seq(7), Draft(RoomId(9), 0, PersonId(1), "nina", None, Kind.MESSAGE, "lost"))
    desk.log.late = [lost]
    desk.say("a")
    desk.clock.advance(0)
    desk.commit()
    assert desk.told[0][0] is lost
    assert len(desk.told[0]) == 2


def test_too_much_uncommitted_text_is_busy() -> None:
    desk = Desk(Limits(uncommitted_bytes=500))
    desk.commits.start()
    desk.say("x")
    (refused,) = desk.say("y")
    assert isinstance(refused, ChatError)
    assert refused.code is Code.BUSY
    desk.clock.advance(0)
    desk.commit()
    assert desk.say("z") == []
    desk.clock.advance(1)
    desk.commit()
    desk.commits.stop()
    desk.clock.wait()


def test_a_deleted_room_is_removed_in_parts_between_batches(desk: Desk) -> None:
    desk.commits.submit(DeleteRoom(RoomId(5), "tea", 0), Author())
    desk.clock.advance(0)
    desk.commit()
    for _ in range(1 + 3):  # the commit and three parts
        assert desk.log.begun.acquire(timeout=PATIENCE)
    assert [room for room, _ in desk.log.purges] == [5, 5, 5]
    desk.say("a")
    desk.clock.advance(1)
    desk.commit()
    assert len(desk.log.purges) == 3


def test_old_ids_are_forgotten_between_batches(desk: Desk) -> None:
    author = Author()
    desk.commits.submit(ForgetSendings(5), author)
    desk.clock.advance(1)
    desk.commit()
    assert author.results == [ForgetSendings(5)]
    for _ in range(3):  # the batch, and two parts
        assert desk.log.begun.acquire(timeout=PATIENCE)
    assert [before for before, _ in desk.log.forgotten] == [5, 5]
    desk.say("after")
    desk.clock.advance(1)
    assert desk.log.begun.acquire(timeout=PATIENCE)
    desk.commit()
    assert len(desk.log.forgotten) == 2


def test_a_deletion_that_comes_to_light_late_is_purged_too(desk: Desk) -> None:
    desk.log.late = [Deleted(RoomId(6), "tea")]
    desk.say("a")
    desk.clock.advance(0)
    desk.commit()
    for _ in range(1 + 3):
        assert desk.log.begun.acquire(timeout=PATIENCE)
    assert {room for room, _ in desk.log.purges} == {6}


def test_a_clock_that_is_set_back_stops_nothing(desk: Desk) -> None:
    desk.clock.advance(3600)
    desk.say("a")
    desk.clock.advance(0)
    desk.commit()
    desk.clock.rightNow -= 3600
    desk.say("b")
    desk.clock.advance(0.003)
    desk.commit()
    assert [texts(batch) for batch in desk.log.batches] == [["a"], ["b"]]


def test_who_waits_for_nothing_may_still_hear_of_a_refusal(desk: Desk) -> None:
    refused: list[str] = []

    def submit(name: str) -> None:
        desk.commits.submit(Append(draft(name)), unheard(partial(refused.append, name)))
        desk.clock.advance(1)

    submit("kept")
    desk.commit()
    assert refused == []
    desk.log.failure = RuntimeError("the disk is full")
    submit("too late")
    desk.commit()
    submit("not even tried")
    assert refused == ["too late", "not even tried"]

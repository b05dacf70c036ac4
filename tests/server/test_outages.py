"""While the database fails: everybody is refused at once, the log is not filled, and it goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import capturedLogs

from tcpchat.core.entries import Entry, RoomId, Seq
from tcpchat.core.limits import Limits
from tcpchat.core.requests import Append, DeleteRoom, Supply
from tcpchat.errors import ChatError, Code
from tcpchat.server.writer import Pause
from tests.server.test_commits import PATIENCE, Author, Desk, draft, texts

FULL = OSError("database or disk is full")


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk(Limits(commit_seconds=3))
    desk.commits.start()
    yield desk
    stopped = desk.commits.stop()
    desk.log.go.release(99)
    desk.log.go_on.release(99)
    while not stopped.called:
        desk.clock.wait()


def fail(desk: Desk) -> list[Supply]:
    """Let a batch fail, and return what its author is told."""
    desk.log.failure = FULL
    told = desk.say("lost")
    desk.clock.advance(1)
    desk.commit()
    return told


def recover(desk: Desk) -> None:
    desk.log.failure = None
    desk.probe()


def code(told: list[Supply]) -> Code:
    (refused,) = told
    assert isinstance(refused, ChatError)
    return refused.code


def test_after_the_first_failure_all_are_refused_at_once_until_the_database_works(desk: Desk) -> None:
    assert code(fail(desk)) is Code.STORE_FAILED
    assert code(desk.say("refused")) is Code.STORE_FAILED
    assert desk.states == [str(FULL)]
    recover(desk)
    assert desk.states[1:] == [""]
    kept = desk.say("kept")
    desk.clock.advance(1)
    desk.commit()
    assert isinstance(kept[0], Entry)
    assert [texts(batch) for batch in desk.log.batches] == [["lost"], ["kept"]]


def test_what_has_gathered_behind_a_failing_batch_does_not_wait_for_its_next_failure(desk: Desk) -> None:
    desk.log.failure = FULL
    order: list[str] = []
    desk.say("lost")
    desk.clock.advance(0)
    assert desk.log.begun.acquire(timeout=PATIENCE)
    behind = Author(order)
    for text in ("a", "b"):
        desk.commits.submit(Append(draft(text)), behind)
    desk.commit()
    assert [code([result]) for result in behind.results] == [Code.STORE_FAILED] * 2
    assert order == ["hold", "done", "done", "release"]  # in one write
    recover(desk)
    desk.clock.advance(1)
    assert len(desk.log.batches) == 1


def test_the_log_is_told_of_changes_of_the_state_and_not_of_messages(desk: Desk) -> None:
    with capturedLogs() as logged:
        fail(desk)
        for _ in range(100):
            desk.say("refused")
        desk.probe()
        recover(desk)
    lines = [event["log_format"].format(**event) for event in logged]
    assert len(lines) == 2
    assert "1 of 1 changes were not committed: database or disk is full" in lines[0]
    assert "works again" in lines[1]


def test_a_database_that_takes_probes_and_no_messages_is_tried_less_often() -> None:
    pause, pauses = Pause(), []
    for _ in range(6):
        pause.failed()
        pauses.append(pause.seconds)
        pause.tried(works=True)
    assert pauses == [0, 1, 2, 4, 8, 8]
    pause.committed()
    pause.failed()
    assert pause.seconds == 0
    pause.tried(works=False)
    assert pause.seconds == 1


def test_what_comes_to_light_with_a_probe_is_told(desk: Desk) -> None:
    lost = Entry(Seq(7), draft("lost"))
    fail(desk)
    desk.log.late = [lost]
    recover(desk)
    assert desk.told[-1] == [lost]


def test_a_slow_commit_is_waited_for(desk: Desk) -> None:
    told = desk.say("slow")
    for _ in range(4):  # the first glance may come at once
        desk.clock.advance(0.9)
    assert (told, desk.states) == ([], [])
    desk.commit()
    assert isinstance(told[0], Entry)


def test_a_database_that_does_not_answer_fails_and_what_it_kept_after_all_is_told(desk: Desk) -> None:
    told = desk.say("slow")
    desk.clock.advance(0)
    behind = desk.say("behind")
    desk.clock.pump([1.0] * 4)
    assert [code(told), code(behind), code(desk.say("later"))] == [Code.STORE_FAILED] * 3
    assert isinstance(told[0], ChatError)
    assert "can't say whether" in told[0].text
    assert len(desk.states) == 1
    desk.commit()
    assert desk.states[1:] == [""]
    assert [entry.draft.text for entry in desk.told[-1] if isinstance(entry, Entry)] == ["slow"]
    assert len(told) == 1
    desk.say("after")
    desk.clock.advance(1)
    desk.commit()
    assert [texts(batch) for batch in desk.log.batches] == [["slow"], ["after"]]


def test_a_database_that_did_not_answer_and_fails_then_is_tried(desk: Desk) -> None:
    told = desk.say("slow")
    desk.clock.pump([0.0, *[1.0] * 4])
    desk.log.failure = FULL
    desk.commit()
    assert desk.states[1:] == [str(FULL)]
    assert desk.told == [[]]
    recover(desk)
    assert desk.states[2:] == [""]
    assert len(told) == 1


def test_a_failing_database_is_not_asked_to_remove_deleted_rooms(desk: Desk) -> None:
    desk.commits.submit(DeleteRoom(RoomId(5), "tea", 0), Author())
    desk.clock.advance(0)
    desk.say("lost")
    desk.log.go.release()
    # Whatever is purged by then, the batch after it fails.
    desk.clock.wait()
    desk.log.failure = FULL
    desk.clock.advance(1)
    desk.commit()
    before = len(desk.log.purges)
    assert desk.log.probed.acquire(timeout=PATIENCE)
    assert len(desk.log.purges) == before

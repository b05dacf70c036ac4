"""kill -9 during a storm of sends: what was acknowledged or displayed is in the log, in its place, once.

Writers whose connections break all the time send again what they have no answer to, under the same ids: nothing is said
twice, and each answer is the first one again. Readers who resume read every entry once and in its order.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tcpchat.server.datadir import DATABASE
from tests.daemon import Daemon
from tests.faults.follower import ROOMS, Follower
from tests.faults.record import Record
from tests.faults.storm import Storm
from tests.faults.writer import Writer

_ROUNDS = int(os.environ.get("TCPCHAT_KILL_ROUNDS", "20"))
_SEED = int(os.environ.get("TCPCHAT_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
# Long enough for some hundred commits, short enough for many rounds.
_STORM_SECONDS = 0.25
_FOLLOWERS = 3
_GUESTS = 3
_ACCOUNTS = 2


def _compare(daemon: Daemon, record: Record) -> dict[str, int]:
    """Hold every room's whole log against the record, and return the numbers of the last entries."""
    examiner = daemon.json("examiner")
    heads = {room["room"]: room["head"] for room in examiner.request("rooms")["rooms"]}
    for room in ROOMS:
        record.compare(room, examiner.history(room), heads[room])
    examiner.request("quit")
    return {room: heads[room] for room in ROOMS}


def _compare_ids(data: Path, record: Record) -> None:
    """Hold the ids in the database of a daemon that has ended against the record."""
    with closing(sqlite3.connect(data / DATABASE)) as database:
        kept = database.execute(
            "SELECT substr(key, instr(key, '<') + 1, length(key) - instr(key, '<') - 1), body"
            " FROM sendings LEFT JOIN entries USING (room, seq)"
        ).fetchall()
    record.compare_ids(kept)


def test_nothing_acknowledged_or_displayed_is_lost_or_said_twice_by_kill_9(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(_SEED)
    record = Record()
    followers = [Follower(f"follower{number}", record, _SEED) for number in range(_FOLLOWERS)]
    writers = [Writer(f"writer{number}", record, _SEED) for number in range(_GUESTS + _ACCOUNTS)]
    people = [*followers, *writers]
    with Daemon(tmp_path / "data") as daemon:

        def strike() -> None:
            record.struck = True
            daemon.send_signal(signal.SIGKILL)

        for writer in writers[_GUESTS:]:
            writer.register(daemon)
        for number in range(1, _ROUNDS + 1):
            storm = Storm(daemon, record, number, people)
            storm.begin()
            time.sleep(chance.uniform(0, _STORM_SECONDS))  # the moment is meant to be any
            if number % 2:
                strike()
            else:
                storm.ambush(strike)
            daemon.wait()
            storm.end()
            daemon.start()
            heads = _compare(daemon, record)
            for follower in followers:
                follower.read_all(daemon, heads)
            assert not record.faults, f"seed {_SEED}, round {number}: {record.faults}"
        for writer in writers:
            writer.settle(daemon)
        heads = _compare(daemon, record)
        for person in people:
            person.read_all(daemon, heads)
        daemon.stop()
    _compare_ids(tmp_path / "data", record)
    assert not record.faults, f"seed {_SEED}, at the end: {record.faults}"
    known = f"{len(record.acknowledged)} acknowledged, {len(record.displayed)} displayed"
    known += f", {len(record.shown_as_text)} shown as text"
    again = f"{record.retried} retries, {record.repeated} answered as the first time"
    again += f", {record.recovered} of what was in the log without an answer"
    resumed = f"resumed {sum(person.resumed for person in people)} times"
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{_ROUNDS} kills (seed {_SEED}): {len(record.sent)} sent, {known}; {again}; {resumed}; "
            f"{sum(heads.values())} entries"
        )
    assert all(follower.resumed > _ROUNDS for follower in followers)
    assert record.acknowledged
    assert record.displayed
    assert record.shown_as_text
    assert record.repeated
    assert record.recovered

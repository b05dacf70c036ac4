"""kill -9 during a storm of sends: what was acknowledged or displayed is in the log, in its place, once.

Readers whose connections are torn all the time, and who resume, read every entry once and in its order.
"""

from __future__ import annotations

import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.faults.follower import Follower
from tests.faults.storm import ROOMS, Record, Storm

_ROUNDS = int(os.environ.get("TCPCHAT_KILL_ROUNDS", "20"))
_SEED = int(os.environ.get("TCPCHAT_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
# Long enough for some hundred commits, short enough for many rounds.
_STORM_SECONDS = 0.25
_FOLLOWERS = 3


def _compare(daemon: Daemon, record: Record) -> dict[str, int]:
    """Hold every room's whole log against the record, and return the numbers of the last entries."""
    examiner = daemon.json("examiner")
    heads = {room["room"]: room["head"] for room in examiner.request("rooms")["rooms"]}
    for room in ROOMS:
        record.compare(room, examiner.history(room), heads[room])
    examiner.request("quit")
    return {room: heads[room] for room in ROOMS}


def test_nothing_acknowledged_or_displayed_is_lost_by_kill_9(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(_SEED)
    record = Record()
    heads: dict[str, int] = {}
    followers = [Follower(f"follower{number}", record, _SEED) for number in range(_FOLLOWERS)]
    with Daemon(tmp_path / "data") as daemon:
        for number in range(1, _ROUNDS + 1):
            storm = Storm(daemon, record, number, _SEED)
            for follower in followers:
                follower.follow(daemon)
            storm.begin()
            time.sleep(chance.uniform(0, _STORM_SECONDS))  # the moment is meant to be any
            if number % 2:
                daemon.send_signal(signal.SIGKILL)
            else:
                storm.ambush(partial(daemon.send_signal, signal.SIGKILL))
            daemon.wait()
            storm.end()
            for follower in followers:
                follower.end()
            daemon.start()
            heads = _compare(daemon, record)
            for follower in followers:
                follower.read_all(daemon, heads)
            assert not record.faults, f"seed {_SEED}, round {number}: {record.faults}"
    known = f"{len(record.acknowledged)} acknowledged, {len(record.displayed)} displayed"
    known += f", {len(record.shown_as_text)} shown as text"
    known += f"; resumed {sum(follower.resumed for follower in followers)} times"
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{_ROUNDS} kills (seed {_SEED}): {len(record.sent)} sent, {known}; {sum(heads.values())} entries"
        )
    assert all(follower.resumed > _ROUNDS for follower in followers)
    assert record.acknowledged
    assert record.displayed
    assert record.shown_as_text

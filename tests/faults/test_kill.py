"""kill -9 during a storm of sends: what was acknowledged or displayed is in the log, in its place, once."""

from __future__ import annotations

import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.faults.storm import ROOMS, Record, Storm

_ROUNDS = int(os.environ.get("TCPCHAT_KILL_ROUNDS", "20"))
_SEED = int(os.environ.get("TCPCHAT_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
# Long enough for some hundred commits, short enough for many rounds.
_STORM_SECONDS = 0.25


def _compare(daemon: Daemon, record: Record) -> int:
    """Hold every room's whole log against the record, and return the number of entries."""
    examiner = daemon.json("examiner")
    heads = {room["room"]: room["head"] for room in examiner.request("rooms")["rooms"]}
    for room in ROOMS:
        record.compare(room, examiner.history(room), heads[room])
    return sum(heads[room] for room in ROOMS)


def test_nothing_acknowledged_or_displayed_is_lost_by_kill_9(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(_SEED)
    record = Record()
    entries = 0
    with Daemon(tmp_path / "data") as daemon:
        for number in range(1, _ROUNDS + 1):
            storm = Storm(daemon, record, number, _SEED)
            storm.begin()
            time.sleep(chance.uniform(0, _STORM_SECONDS))  # the moment is meant to be any
            if number % 2:
                daemon.send_signal(signal.SIGKILL)
            else:
                storm.ambush(partial(daemon.send_signal, signal.SIGKILL))
            daemon.wait()
            storm.end()
            daemon.start()
            entries = _compare(daemon, record)
            assert not record.faults, f"seed {_SEED}, round {number}: {record.faults}"
    known = f"{len(record.acknowledged)} acknowledged, {len(record.displayed)} displayed"
    known += f", {len(record.shown_as_text)} shown as text"
    with capsys.disabled():
        print(f"\n{_ROUNDS} kills (seed {_SEED}): {len(record.sent)} sent, {known}; {entries} entries")  # noqa: T201
    assert record.acknowledged
    assert record.displayed
    assert record.shown_as_text

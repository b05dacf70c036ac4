"""A loss of power at any moment: what was acknowledged or displayed is in the log, in its place, once.

The daemon runs on a disk of which everything is written down. From that the files are made as a disk may hold them
after a loss of power: of what was written since the last sync any sectors, in any mixture of old and new.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.daemon import Daemon, Json, JsonClient
from tests.faults.faultydisk import DATABASE, Disk, FaultyDisk, Record, read_ledger

_CRASHES = int(os.environ.get("TCPCHAT_POWER_CUTS", "40"))
_SEED = int(os.environ.get("TCPCHAT_POWER_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
# Some are looked at through a daemon, too, which takes half a second.
_DAEMONS = max(2, _CRASHES // 30)
_ROOMS = ("lobby", "tea")
# More than the 16 MiB of the write-ahead log, after which its pages are copied into the database.
_STORM_BYTES = 20 * 1024 * 1024
_MOST_AT_ONCE = 25
_OUTAGES = 3
# The first one that a disk refuses to sync must fail.
_MOST_COMMITS = 3

Place = tuple[str, int]


class Talk:
    """Somebody who talks, and what they know: who stands where, and the moment from which on that is promised."""

    def __init__(self, client: JsonClient, disk: FaultyDisk, chance: random.Random) -> None:
        self._client = client
        self._disk = disk
        self._chance = chance
        self.sent: set[str] = set()
        self.promised: dict[Place, tuple[str, int]] = {}
        self.refused = 0
        for room in _ROOMS:
            client.request("join", room=room)

    def go_on(self, size: int) -> None:
        """Say so much, in packets of some messages."""
        while size > 0:
            lines = []
            for _ in range(self._chance.randint(1, _MOST_AT_ONCE)):
                length = self._chance.choice((10, 60, 60, 400, 4_000, 15_000))
                text = f"{len(self.sent)} {'x' * length}"
                self.sent.add(text)
                size -= len(text)
                lines.append(self._client.line("say", room=self._chance.choice(_ROOMS), text=text)[1])
            self._client.stream.send(b"".join(lines))
            answered = 0
            while answered < len(lines):
                answered += self._hear(self._client.read())

    def _hear(self, received: Json) -> bool:
        """Take an answer, or what is shown to everybody; return whether it was an answer."""
        if received["op"] == "message":
            data = received["data"]
            # The event comes before the reply, so that what is displayed is promised first.
            self.promised.setdefault((data["room"], data["seq"]), (data["text"], self._disk.moment))
        elif received.get("status") == "ok":
            assert (received["data"]["room"], received["data"]["seq"]) in self.promised
        elif "status" in received:
            assert received["error"]["code"] == "store-failed"
            self.refused += 1
        return "status" in received


def _suffer(disk: FaultyDisk, talk: Talk) -> None:
    """Let the disk fail to sync for a while: what was written then may be lost though the next sync succeeds."""
    refused = talk.refused
    disk.fault("sync_errno", errno.EIO)
    for _ in range(_MOST_COMMITS):
        talk.go_on(1)
        if talk.refused > refused:
            break
    disk.fault("sync_errno", 0)
    refused = -1
    while refused != talk.refused:
        refused = talk.refused
        time.sleep(0.2)  # until the daemon looks again
        talk.go_on(1)


def _moments(records: list[Record], chance: random.Random) -> list[int]:
    """Choose moments of the ledger: a third around syncs of the database itself, which are few; the end is one."""
    synced = [place for place, record in enumerate(records) if record.kind in "SF" and record.file == ""]
    near = [max(0, min(len(records) - 1, chance.choice(synced) + chance.randint(-30, 5))) for _ in range(_CRASHES // 3)]
    anywhere = [chance.randrange(len(records)) for _ in range(_CRASHES - len(near) - 1)]
    return sorted([*near, *anywhere, len(records) - 1])


def _rows(directory: Path) -> dict[Place, str]:
    """Read all there is, as SQLite finds it, and check that it is sound: numbers without holes, each text once."""
    found: dict[Place, str] = {}
    with closing(sqlite3.connect(directory / DATABASE)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if "entries" not in tables:  # it had not got so far
            return found
        for room, name, head in database.execute("SELECT id, name, head FROM rooms").fetchall():
            log = database.execute("SELECT seq, body FROM entries WHERE room = ? ORDER BY seq", (room,)).fetchall()
            assert [seq for seq, _ in log] == list(range(1, head + 1))
            found |= {(name, seq): text for seq, text in log}
    assert len(set(found.values())) == len(found)
    return found


def test_what_was_acknowledged_outlives_a_loss_of_power_at_any_moment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(_SEED)
    disk = FaultyDisk(tmp_path / "data")
    settings = {**disk.settings, "TCPCHAT_LIMITS_FREE_BYTES_LEAST": "0"}
    with Daemon(tmp_path / "data", settings=settings) as daemon:
        talk = Talk(daemon.json("tina"), disk, chance)
        for _ in range(_OUTAGES):
            talk.go_on(_STORM_BYTES // _OUTAGES)
            _suffer(disk, talk)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()

    records = list(read_ledger(disk.ledger))
    moments = _moments(records, chance)
    through_daemon = set(chance.sample(range(len(moments)), _DAEMONS)) | {len(moments) - 1}
    power, done, lost, promises = Disk(), 0, 0, 0
    for number, moment in enumerate(moments):
        for record in records[done : moment + 1]:
            power.take(record)
        done = moment + 1
        lost += power.unsynced
        image = tmp_path / f"image{number}"
        power.crash(image, chance)
        promised = {place: text for place, (text, since) in talk.promised.items() if since <= records[moment].end}
        promises += len(promised)
        if number in through_daemon:
            with Daemon(image) as survivor:
                examiner = survivor.json("examiner")
                for room in _ROOMS:
                    examiner.request("join", room=room)
                    log = {(room, entry["seq"]): entry["text"] for entry in examiner.history(room)}
                    assert {place: text for place, text in promised.items() if place[0] == room}.items() <= log.items()
                examiner.close()
                survivor.stop()
        rows = _rows(image)
        missing = [place for place, text in promised.items() if rows.get(place) != text]
        assert not missing, f"seed {_SEED}, moment {moment}: {len(missing)} of {len(promised)} are lost: {missing[:5]}"
        assert set(rows.values()) <= talk.sent
        for path in image.iterdir():
            path.unlink()
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{len(moments)} losses of power (seed {_SEED}): {len(talk.sent)} sent, {len(talk.promised)} displayed, "
            f"{talk.refused} refused in {_OUTAGES} outages; {lost} writes at risk, {promises} promises kept; "
            f"{len(through_daemon)} restarts"
        )
    assert lost
    assert promises
    assert daemon.log.count("the database works again") == _OUTAGES
    assert talk.refused

"""A disk that fails on demand, and what it holds after a loss of power; the daemon's side of it is faultydisk.c."""

from __future__ import annotations

import functools
import mmap
import os
import random
import shutil
import struct
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.daemon import lacking

DATABASE = "tcpchat.db"
# What a disk writes whole or not at all.
_SECTOR_BYTES = 512
_FIELDS = struct.Struct("=4i")
_RECORD = struct.Struct("=c15sqq")

Field = Literal["sync_errno", "write_errno", "sync_delay_ms", "failures"]
_PLACES: tuple[Field, ...] = ("sync_errno", "write_errno", "sync_delay_ms", "failures")


@functools.cache
def _library() -> Path:
    """Return the compiled library; it is made once for a run, and removed with the directory by the system."""
    source = Path(__file__).with_suffix(".c")
    compiler = shutil.which(os.environ.get("CC", "cc")) or lacking("there is no C compiler (cc, or what CC names)")
    library = Path(tempfile.mkdtemp(prefix="tcpchat-")) / "faultydisk.so"
    command = [compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    made = subprocess.run([*command, "-lpthread"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return library


class FaultyDisk:
    """The disk under ``data`` of a daemon that is started with ``settings`` in its environment."""

    def __init__(self, data: Path) -> None:
        place = data.parent.resolve()
        self.ledger = place / "ledger"
        control = place / "control"
        control.write_bytes(bytes(_FIELDS.size))
        with control.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), _FIELDS.size)
        self.settings = {
            "LD_PRELOAD": str(_library()),
            "FAULTY_FILES": str(place / data.name / DATABASE),
            "FAULTY_CONTROL": str(control),
            "FAULTY_LEDGER": str(self.ledger),
        }

    def fault(self, field: Field, value: int) -> None:
        """Let something fail, or be slow, from now on; 0: no more."""
        struct.pack_into("=i", self._control, 4 * _PLACES.index(field), value)

    @property
    def failures(self) -> int:
        """How often something failed because of this."""
        count: int = _FIELDS.unpack_from(self._control)[_PLACES.index("failures")]
        return count

    @property
    def moment(self) -> int:
        """Return where the ledger ends by now: all that was told before was on disk by then."""
        return self.ledger.stat().st_size


@dataclass(slots=True)
class _Act:
    """A change of a file: ``data`` at ``offset``, or its end at ``length``. ``kept``: it was synced after."""

    offset: int
    data: bytes
    length: int | None = None
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A line of the ledger, which ends at ``end``."""

    end: int
    kind: str
    file: str
    offset: int
    length: int
    data: bytes


def read_ledger(path: Path) -> Iterator[Record]:
    """Read the ledger; a last line that is torn doesn't count."""
    content = path.read_bytes()
    place = 0
    while place + _RECORD.size <= len(content):
        kind, file, offset, length = _RECORD.unpack_from(content, place)
        place += _RECORD.size
        size = length if kind == b"W" else 0
        if place + size > len(content):
            return
        data = content[place : place + size]
        place += size
        yield Record(place, kind.decode(), file.rstrip(b"\0").decode(), offset, length, data)


class Disk:
    """What was done to the files up to some moment."""

    def __init__(self) -> None:
        self._acts: dict[str, list[_Act]] = defaultdict(list)
        self._pending: dict[str, list[_Act]] = defaultdict(list)
        self._safe: dict[str, bytearray] = defaultdict(bytearray)

    def take(self, record: Record) -> None:
        """Do what a record says."""
        match record.kind:
            case "W":
                self._add(record.file, _Act(record.offset, record.data))
            case "T":
                self._add(record.file, _Act(0, b"", record.length))
            case "S":
                for act in self._pending.pop(record.file, ()):
                    act.kept = True
                self._settle(record.file)
            case "F":
                # The kernel forgets what it could not write: a later sync that succeeds says nothing about it.
                self._pending.pop(record.file, None)
            case "U":
                for known in (self._acts, self._pending, self._safe):
                    known.pop(record.file, None)

    @property
    def unsynced(self) -> int:
        """How many changes may be lost."""
        return sum(not act.kept for acts in self._acts.values() for act in acts)

    def crash(self, directory: Path, chance: random.Random) -> None:
        """Write the files as they may be found after a loss of power: of what was not synced, any sectors."""
        directory.mkdir(0o700)
        surviving = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for file in self._safe.keys() | self._acts.keys():
            content = bytearray(self._safe.get(file, b""))
            for act in self._acts.get(file, ()):
                _apply(content, act, 1.0 if act.kept else surviving, chance)
            path = directory / f"{DATABASE}{file}"
            path.write_bytes(content)
            path.chmod(0o600)

    def _add(self, file: str, act: _Act) -> None:
        self._acts[file].append(act)
        self._pending[file].append(act)

    def _settle(self, file: str) -> None:
        """Take the oldest changes into what is safe: all up to the first that may be lost."""
        acts = self._acts[file]
        safe = next((place for place, act in enumerate(acts) if not act.kept), len(acts))
        for act in acts[:safe]:
            _apply(self._safe[file], act, 1.0, random.Random(0))
        del acts[:safe]


def _apply(content: bytearray, act: _Act, surviving: float, chance: random.Random) -> None:
    """Change ``content``, each sector with the probability ``surviving``."""
    if act.length is not None:
        if chance.random() < surviving:
            del content[act.length :]
            content.extend(bytes(act.length - len(content)))
        return
    if surviving == 1.0:
        _put(content, act.offset, act.data)
        return
    place = 0
    while place < len(act.data):
        size = _SECTOR_BYTES - (act.offset + place) % _SECTOR_BYTES
        if chance.random() < surviving:
            _put(content, act.offset + place, act.data[place : place + size])
        place += size


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data

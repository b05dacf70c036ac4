"""Floods cost the others little, and leave nothing behind. Times are shown (``pytest -s``), memory is held to."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.daemon import Daemon, JsonClient, eventually
from tests.faults.flood import FLOODS

_COUNTS = {
    "half_lines": 10_000,
    "silence": 1_000,
    "endless_lines": 300,
    "joins_and_leaves": 4_000,
    # By WebSocket; the others there last for a while.
    "bombs": 300,
}
# How often somebody else says something meanwhile, and for how long before and after.
_PAUSE_SECONDS = 0.01
_QUIET_SECONDS = 4.0
_FLOOD_SECONDS = 120.0
# The memory that the interpreter keeps for the next flood is there after the first; what the others add to that.
_MOST_KIB = 4 * 1024


class Talker:
    """Somebody who says a word and waits until all have heard it, again and again."""

    def __init__(self, daemon: Daemon) -> None:
        self._stream = daemon.connect()
        self._stream.send(b"PROXY TCP4 127.0.0.9 127.0.0.1 40000 3000\r\n")
        self._client = JsonClient(self._stream, "tina")
        self._client.request("join", room="lobby", last=0)
        self._said = 0

    def talk(self) -> float:
        """Say something, and return how long it took until a ping after it was answered, in ms."""
        self._said += 1
        began = time.perf_counter()
        self._client.send("say", room="lobby", text=f"word {self._said}")
        identifier = self._client.send("ping")
        while self._client.read().get("id") != identifier:
            pass
        return (time.perf_counter() - began) * 1000

    def talk_for(self, seconds: float) -> list[float]:
        deadline = time.monotonic() + seconds
        times = []
        while time.monotonic() < deadline:
            times.append(self.talk())
            time.sleep(_PAUSE_SECONDS)
        return times

    def talk_during(self, process: subprocess.Popen[bytes]) -> list[float]:
        deadline = time.monotonic() + _FLOOD_SECONDS
        times = []
        while process.poll() is None:
            assert time.monotonic() < deadline, "the flood does not end"
            times.append(self.talk())
            time.sleep(_PAUSE_SECONDS)
        assert process.returncode == 0
        return times


def _percentile(times: list[float], part: float) -> float:
    return sorted(times)[int(len(times) * part)]


def _resident_kib(daemon: Daemon) -> int:
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def _descriptors(daemon: Daemon) -> int:
    assert daemon.process is not None
    return sum(1 for _ in Path(f"/proc/{daemon.process.pid}/fd").iterdir())


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_leaves_no_memory_behind_and_others_go_on(kind: str, tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", "--trust-proxy", "127.0.0.1") as daemon:
        talker = Talker(daemon)
        quiet = talker.talk_for(_QUIET_SECONDS)
        descriptors, resident = _descriptors(daemon), [_resident_kib(daemon)]
        flooded: list[float] = []
        began = time.monotonic()
        for _ in range(3):
            flood = [sys.executable, "-m", "tests.faults.flood", str(daemon.port), kind, str(_COUNTS.get(kind, 0))]
            with subprocess.Popen(flood, cwd=Path(__file__).parents[2]) as process:
                try:
                    flooded += talker.talk_during(process)
                finally:
                    process.kill()
            eventually(lambda: _descriptors(daemon) <= descriptors, lambda: f"{_descriptors(daemon)} files are open")
            resident.append(_resident_kib(daemon))
        lasted = time.monotonic() - began
        assert "Traceback" not in daemon.log

    ratio = _percentile(flooded, 0.99) / _percentile(quiet, 0.99)
    print(  # noqa: T201
        f"\n{kind}: three times in {lasted:.0f} s; resident KiB before and after each: {resident};\n"
        f"say and ping of another, ms: p50 {_percentile(quiet, 0.5):.1f} -> {_percentile(flooded, 0.5):.1f}, "
        f"p99 {_percentile(quiet, 0.99):.1f} -> {_percentile(flooded, 0.99):.1f} (factor {ratio:.1f}), "
        f"longest {max(quiet):.1f} -> {max(flooded):.1f}; {len(quiet)} and {len(flooded)} times"
    )
    assert resident[-1] - resident[1] < _MOST_KIB

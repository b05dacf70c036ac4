"""What the figures depend on: processor, kernel, Python, commit and disk."""

import os
import platform
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_SYNC_ROUNDS = 50
_SYNC_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and the program of one run; times in milliseconds."""

    cpu: str
    cores: int
    kernel: str
    python: str
    commit: str
    filesystem: str
    sync_ms: float
    """Median of 50 times writing 4 KiB and fdatasync, where the servers keep their data."""
    load: float
    """Runnable processes in the minute before the run."""

    def line(self) -> str:
        """Everything in one line, for the head of a table."""
        return (
            f"{self.cpu}, {self.cores} cores, Linux {self.kernel}, Python {self.python}, "
            f"commit {self.commit}, {self.filesystem} with {self.sync_ms:.2f} ms per 4 KiB "
            f"fdatasync, load average {self.load:.2f}"
        )


def describe(repository: Path, data: Path) -> Machine:
    """Read and measure everything; `data` is a directory that may be written to."""
    return Machine(
        cpu=_cpu_model(),
        cores=os.cpu_count() or 1,
        kernel=platform.release(),
        python=platform.python_version(),
        commit=_commit(repository),
        filesystem=_filesystem(data),
        sync_ms=_sync_ms(data),
        load=os.getloadavg()[0],
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def _commit(repository: Path) -> str:
    command = ["git", "-C", str(repository), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _filesystem(directory: Path) -> str:
    """The type of the filesystem that is mounted nearest above the directory."""
    resolved = directory.resolve()
    best, kind = -1, "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, mount_kind, *_ = line.split(" ")
        if resolved.is_relative_to(mount) and len(mount) >= best:
            best, kind = len(mount), mount_kind
    return kind


def _sync_ms(directory: Path) -> float:
    path = directory / "sync"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNC_ROUNDS):
            begin = time.perf_counter()
            file.write(bytes(_SYNC_BYTES))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    path.unlink()
    return statistics.median(times) * 1e3

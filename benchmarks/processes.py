"""Processes that are pinned to a core and always ended."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOOPBACK = "127.0.0.1"
START_LIMIT_S = 15.0
END_LIMIT_S = 10.0  # for SIGTERM; then SIGKILL
_RETRY_S = 0.01  # the start of a server is measured as exactly as this
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NotMeasuredError(Exception):
    """A run has no valid figures; the text is for the report."""


def exit_on_signals() -> None:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that every process is ended."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)


def free_port() -> int:
    """A TCP port of the loopback address that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    # A child inherits the affinity, all its later threads included; pinning it after its start
    # would miss the threads that it has already made.
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def running(
    command: list[str], core: int, output: IO[bytes], errors: IO[bytes], directory: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command on one core in a working directory; end it, whatever happens.

    Raises OSError if it cannot be started.
    """
    # A signal that came between fork and return would leave the child without an owner.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    process = None
    try:
        try:
            with _pinned(core):
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    cwd=directory,
                    process_group=0,  # Ctrl-C is for this program, which ends its children
                    preexec_fn=_unblock,
                )
        finally:
            _unblock()
        yield process
    finally:
        if process is not None:
            _end(process)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.terminate()
        process.wait(timeout=END_LIMIT_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    """Return when the port accepts; raise NotMeasuredError after 15 s or if the process ends."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotMeasuredError(f"the server ended at its start ({describe_end(process)})")
        try:
            with socket.create_connection((LOOPBACK, port), timeout=1):
                return
        except OSError:
            time.sleep(_RETRY_S)
    raise NotMeasuredError(f"the server did not listen within {START_LIMIT_S:.0f} s")


def describe_end(process: subprocess.Popen[bytes]) -> str:
    """How an ended process ended: its exit status, or the signal that ended it."""
    status = process.returncode
    return f"signal {-status}" if status < 0 else f"status {status}"

"""A reader that reads nothing costs a cursor: no memory, and nobody's time. Then it reads on from the log.

Times are shown (``pytest -s``), not asserted: the machine may be busy.
"""

from __future__ import annotations

import os
import ssl
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.certificates import issue
from tests.daemon import Daemon, JsonClient, SocketStream, eventually
from tests.interop.rawwebsocket import FramedLines

_MESSAGES = 100_000
# About what people say; and what is long enough to be compressed.
_CHARACTERS, _MANY_CHARACTERS = 60, 200
# In one there are some 150 words of the witness: the worst but one of so few says little.
_ROUNDS = 3
# The least a kernel takes for us; Linux doubles it.
_SMALL_BUFFER_BYTES = 4 * 1024
# What is said would be 17 MiB. The transport's own buffer and what was written at once are a part of this, and the rest
# is what the interpreter takes for batches that are now larger and now smaller.
_MOST_KIB = 6 * 1024
_TAKEN_SECONDS = 60.0
# Several times what fits into the kernel's buffers and the transport's.
_LONG_MESSAGES = 600
# So little, every ten milliseconds, that it would take more than a minute to read everything.
_SIP_BYTES = 1024


def _memory(daemon: Daemon) -> int:
    """Return the daemon's memory in KiB."""
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def _speak(daemon: Daemon, witness: JsonClient, *names: str, characters: int = _CHARACTERS) -> tuple[list[float], int]:
    """Let very much be said, by one after the other.

    Return how long a witness's words took meanwhile, in ms, and the most memory in KiB.
    """
    spoken = [_speak_alone(daemon, witness, name, characters) for name in names]
    return [time for times, _ in spoken for time in times], max(most for _, most in spoken)


def _speak_alone(daemon: Daemon, witness: JsonClient, name: str, characters: int) -> tuple[list[float], int]:
    numbers = (str(_MESSAGES), str(characters))
    command = [sys.executable, "-m", "tests.faults.speaker", str(daemon.port), name, *numbers]
    root = Path(__file__).parents[2]
    speaker = subprocess.Popen(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)})
    times: list[float] = []
    most = 0
    deadline = time.monotonic() + _TAKEN_SECONDS
    while speaker.poll() is None:
        assert time.monotonic() < deadline, "it is not all taken"
        began = time.perf_counter()
        witness.request("say", room="lobby", text="hello")
        witness.events.clear()
        times.append((time.perf_counter() - began) * 1000)
        most = max(most, _memory(daemon))
    assert speaker.returncode == 0
    return times, most


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def _read_all(stuck: JsonClient, first: int, last: int) -> float:
    """Read the lobby from the entry ``first`` to ``last``, none missing and none twice; return how long that took."""
    began = time.perf_counter()
    expected = first
    while expected <= last:
        event = stuck.read()
        if event["op"] == "message":
            assert event["data"]["seq"] == expected
            expected += 1
    return time.perf_counter() - began


@pytest.mark.parametrize("secret", [False, True], ids=["TCP", "TLS"])
@pytest.mark.parametrize("wire", ["lines", "WebSocket", "compressed"])
def test_a_stuck_reader_costs_nothing_and_reads_everything_in_the_end(
    tmp_path: Path, secret: bool, wire: str, capsys: pytest.CaptureFixture[str]
) -> None:
    issued = issue("127.0.0.1", "localhost")
    certificate, key = issued.write(tmp_path / "pem")
    with Daemon(tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(key)) as daemon:
        witness = daemon.json("wanda")
        witness.request("join", room="lobby")
        say = partial(_speak, daemon, witness, characters=_MANY_CHARACTERS if wire == "compressed" else _CHARACTERS)
        say("tina")  # brings the daemon to its usual size
        memory = _memory(daemon)
        before, most = say(*(f"vera{number}" for number in range(_ROUNDS)))
        usual = most - memory

        stream = daemon.connect(receive_buffer=_SMALL_BUFFER_BYTES)
        if secret:
            context = ssl.create_default_context(cadata=issued.pem().decode())
            stream = SocketStream(context.wrap_socket(stream.socket, server_hostname="127.0.0.1"))
        framed = None if wire == "lines" else FramedLines(stream, compressed=wire == "compressed")
        stuck = JsonClient(framed or stream, "stan")
        head = stuck.request("join", room="lobby", last=0)["head"]
        memory = _memory(daemon)
        during, most = say(*(f"otto{number}" for number in range(_ROUNDS)))

        now = witness.request("join", room="lobby", last=0)["head"]
        assert now >= head + _ROUNDS * _MESSAGES
        seconds = _read_all(stuck, head + 1, now)
        if framed is not None:
            assert framed.compressed == (_ROUNDS * _MESSAGES if wire == "compressed" else 0)
        assert stuck.request("ping") == {}
        names = [user["name"] for user in stuck.request("members", room="lobby")["members"]]
        assert sorted(names) == ["stan", "wanda"]
        witness.request("say", room="lobby", text="welcome back")
        assert stuck.event("message")["seq"] == now + 1
        with capsys.disabled():
            print(  # noqa: T201
                f"\n{wire} by {'TLS' if secret else 'TCP'}: {now - head} messages; memory {memory} KiB before, at most "
                f"{most - memory} KiB more (without a stuck reader {usual} KiB); the others' p99 "
                f"{_p99(during):.1f} ms, without {_p99(before):.1f} ms (x {_p99(during) / _p99(before):.2f}); "
                f"read on in {seconds:.1f} s"
            )
        stream.close()
        assert most - memory < _MOST_KIB
        assert "Traceback" not in daemon.log


def _sip(stream: SocketStream, daemon: Daemon) -> bool:
    """Read a little, and return whether anybody has been closed for reading nothing."""
    stream.socket.recv(_SIP_BYTES)
    return "You have read nothing for 4 seconds" in daemon.log


@pytest.mark.parametrize("secret", [False, True], ids=["TCP", "TLS"])
def test_who_takes_nothing_at_all_is_closed_after_a_while_and_who_takes_little_is_not(
    tmp_path: Path, secret: bool
) -> None:
    issued = issue("127.0.0.1", "localhost")
    certificate, key = issued.write(tmp_path / "pem")
    with Daemon(
        tmp_path / "data",
        *("--tls-cert", str(certificate), "--tls-key", str(key)),
        settings={
            "TCPCHAT_LIMITS_STUCK_SECONDS": "4",
            "TCPCHAT_LIMITS_DRAIN_SECONDS": "3",
            "TCPCHAT_LIMITS_RESUME_GUEST_SECONDS": "0",  # who is closed has gone
        },
    ) as daemon:
        streams = [daemon.connect(receive_buffer=_SMALL_BUFFER_BYTES) for _ in range(2)]
        if secret:
            context = ssl.create_default_context(cadata=issued.pem().decode())
            wrapped = [context.wrap_socket(one.socket, server_hostname="127.0.0.1") for one in streams]
            streams = [SocketStream(one) for one in wrapped]
        lara, sam = (JsonClient(stream, name) for stream, name in zip(streams, ("lara", "sam"), strict=True))
        talker = daemon.json("tina")
        for person in (lara, sam, talker):
            person.request("join", room="lobby")
        for number in range(_LONG_MESSAGES):
            talker.request("say", room="lobby", text=f"{number} {'x' * 15_000}")
            streams[0].socket.recv(_SIP_BYTES)
        eventually(partial(_sip, streams[0], daemon), lambda: daemon.log)
        assert daemon.log.count("You have read nothing for") == 1
        assert [user["name"] for user in talker.request("users")["users"]] == ["lara", "tina"]
        for stream in streams:
            stream.close()

"""A really full disk: nobody sees what could not be kept, its author is told, and it goes on when there is space."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon import Daemon, JsonClient, Refused, eventually, lacking, tool
from tests.faults.health import watch

# Room for the database and some hundred messages.
_DISK = "size=2m"
# Below that nothing can be said, where this is looked at.
_LEAST_BYTES = 512 * 1024
# Less than that is left for the talk that fills it.
_BALLAST_BYTES = 1024 * 1024
_TEXT = "x" * 2_000
_MOST_REFUSALS = 50


class SmallDisk:
    """A tmpfs in a mount namespace of its own: it needs no privilege, and goes with the process that holds it."""

    def __init__(self, place: Path, holder: subprocess.Popen[bytes]) -> None:
        self.place = place
        # Run by root a namespace of mounts is enough; others need one of users around it.
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        self.enter = [tool("nsenter"), "--target", str(holder.pid), "--mount", *user]
        self._ballast = Path(f"/proc/{holder.pid}/root{place}/ballast")

    def fill(self, size: int | None = None) -> None:
        """Take ``size`` bytes, or all that is left."""
        with self._ballast.open("ab", buffering=0) as ballast:
            if size is not None:
                ballast.write(bytes(size))
                return
            try:
                while True:  # a write that doesn't fit takes what does
                    ballast.write(bytes(64 * 1024))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    @property
    def left(self) -> int:
        """How many bytes still fit."""
        disk = os.statvfs(self._ballast.parent)
        return disk.f_bfree * disk.f_frsize

    def free(self) -> None:
        """Give the space back."""
        self._ballast.unlink()


@contextmanager
def _small_disk(place: Path) -> Iterator[SmallDisk]:
    place.mkdir()
    unshare = [tool("unshare"), "--mount"] if os.geteuid() == 0 else [tool("unshare"), "--mount", "--map-root-user"]
    # It lives as long as its standard input, whatever becomes of this process.
    script = f'mount -t tmpfs -o {_DISK} tmpfs "$0" && echo mounted && exec cat'
    with subprocess.Popen(
        [*unshare, "sh", "-c", script, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stderr is not None
        try:
            if holder.stdout.readline() != b"mounted\n":
                lacking(f"a disk of our own can't be mounted: {holder.stderr.read().decode().strip()}")
            yield SmallDisk(place, holder)
        finally:
            holder.stdin.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with _small_disk(tmp_path / "disk") as small:
        yield small


@pytest.fixture
def daemon(disk: SmallDisk) -> Iterator[Daemon]:
    # Its log is written through a descriptor of ours, which is below the mount and not on the small disk.
    settings = {"TCPCHAT_LIMITS_FREE_BYTES_LEAST": "0"}
    with Daemon(disk.place / "data", within=disk.enter, settings=settings) as running:
        yield running


def _in_lobby(daemon: Daemon, name: str) -> JsonClient:
    client = daemon.json(name)
    client.request("join", room="lobby")
    return client


def _say_when_possible(author: JsonClient, text: str) -> int:
    """Say something as soon as it is taken, and return its number; not at once: the daemon looks every second or so."""

    def taken() -> int | None:
        try:
            seq: int = author.request("say", room="lobby", text=text)["seq"]
        except Refused as refusal:
            assert refusal.code in ("store-failed", "low-space")  # noqa: PT017
            return None
        return seq

    seq = eventually(taken, lambda: "it never recovers")
    assert seq is not None
    return seq


def _what_is_heard(reader: JsonClient) -> list[str]:
    """Return the messages shown to the reader so far: a ping is answered after everything before it was delivered."""
    reader.request("ping")
    heard = [event["data"]["text"] for event in reader.events if event["op"] == "message"]
    reader.events.clear()
    return heard


def test_what_a_full_disk_refuses_is_shown_to_nobody_and_it_goes_on(disk: SmallDisk, daemon: Daemon) -> None:
    reader, author, person = _in_lobby(daemon, "rita"), _in_lobby(daemon, "ann"), daemon.text("pete")
    assert author.request("say", room="lobby", text="there is space")["seq"] == 1
    person.hear("ann: there is space")

    disk.fill()
    with pytest.raises(Refused) as refusal:
        author.request("say", room="lobby", text="there is none")
    assert refusal.value.code == "store-failed"
    # Letting go of the database after the failure has given a little space back.
    disk.fill()
    person.say("nor for me", "/ping")
    assert person.hear("pong") == [
        "The server can't keep anything just now, and has not tried to keep this. Please try again in a moment.",
        "pong",
    ]
    assert _what_is_heard(reader) == ["there is space"]
    assert _what_is_heard(author) == ["there is space"]

    disk.free()
    assert _say_when_possible(author, "there is space again") == 2
    person.say("also for me")
    assert person.hear("pete: also for me") == ["ann: there is space again", "pete: also for me"]
    assert _what_is_heard(reader) == ["there is space again", "also for me"]
    assert "Traceback" not in daemon.log
    assert "not committed: database or disk is full" in daemon.log

    daemon.restart()
    log = daemon.json("zoe").history("lobby")
    assert [(entry["seq"], entry["text"]) for entry in log] == [
        (1, "there is space"),
        (2, "there is space again"),
        (3, "also for me"),
    ]


def _say_at_once(author: JsonClient, texts: Sequence[str]) -> tuple[dict[int, str], int]:
    """Say ``texts`` in one go; return those acknowledged, by their numbers, and how many were refused."""
    refusals = []
    asked = [author.line("say", room="lobby", text=text) for text in texts]
    author.stream.send(b"".join(line for _, line in asked))
    acknowledged = {}
    for (identifier, _), text in zip(asked, texts, strict=True):
        try:
            acknowledged[author.reply(identifier)["seq"]] = text
        except Refused as refusal:
            refusals.append(refusal.code)
    assert set(refusals) <= {"store-failed"}
    return acknowledged, len(refusals)


def test_talk_that_fills_the_disk_leaves_exactly_what_was_acknowledged(disk: SmallDisk, daemon: Daemon) -> None:
    reader, author = _in_lobby(daemon, "rita"), _in_lobby(daemon, "ann")
    disk.fill(_BALLAST_BYTES)

    acknowledged: dict[int, str] = {}
    refused = packets = 0
    while refused < _MOST_REFUSALS:
        packets += 1
        kept, lost = _say_at_once(author, [f"{packets}.{number} {_TEXT}" for number in range(20)])
        acknowledged |= kept
        refused += lost
    disk.free()
    acknowledged[_say_when_possible(author, "there is space again")] = "there is space again"

    assert sorted(acknowledged) == list(range(1, len(acknowledged) + 1))
    assert _what_is_heard(reader) == [acknowledged[seq] for seq in sorted(acknowledged)]
    daemon.restart()
    log = daemon.json("zoe").history("lobby")
    assert {entry["seq"]: entry["text"] for entry in log} == acknowledged


def test_a_disk_that_is_nearly_full_makes_the_server_read_only_before_anything_breaks(disk: SmallDisk) -> None:
    settings = {"TCPCHAT_LIMITS_FREE_BYTES_LEAST": str(_LEAST_BYTES)}
    with Daemon(disk.place / "data", within=disk.enter, settings=settings) as daemon:
        reader, author = _in_lobby(daemon, "rita"), _in_lobby(daemon, "ann")
        assert author.request("say", room="lobby", text="there is space")["seq"] == 1
        disk.fill(disk.left - _LEAST_BYTES // 2)
        assert "nearly full" in reader.event("notice")["text"]
        with pytest.raises(Refused) as refusal:
            author.request("say", room="lobby", text="there is little")
        assert refusal.value.code == "low-space"
        assert [watch(daemon, path)[0] for path in ("/healthz", "/readyz")] == [200, 503]
        assert reader.request("history", room="lobby")["entries"]
        daemon.json("ned").request("join", room="lobby")
        disk.free()
        assert "room again" in reader.event("notice")["text"]
        assert watch(daemon, "/readyz") == (200, "ready\n")
        assert author.request("say", room="lobby", text="there is space again")["seq"] == 2
        assert "not committed" not in daemon.log

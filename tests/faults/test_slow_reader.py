"""A reader that never reads costs a bounded amount of memory, and nobody else anything."""

from __future__ import annotations

from pathlib import Path

from tests.daemon import Daemon, JsonClient, eventually

# The least a kernel takes for us; Linux doubles it.
_SMALL_BUFFER_BYTES = 4 * 1024
_TEXT = "x" * 15_000
# Together they are several times what fits into the kernel's largest send buffer (4 MiB by default), the
# transport's 64 KiB and ``unread_bytes``.
_MOST_MESSAGES = 1_000
# The daemon holds a closed connection for ten seconds for a peer that takes nothing.
_DRAIN_SECONDS = 15.0


def _sleeper(daemon: Daemon, name: str) -> JsonClient:
    reader = JsonClient(daemon.connect(receive_buffer=_SMALL_BUFFER_BYTES), name)
    reader.request("join", room="lobby")
    return reader


def _talk_until_gone(talker: JsonClient, witness: JsonClient, names: set[str]) -> int:
    """Speak in the lobby, the witness hearing each word in its turn, until ``names`` have left; return how often."""
    for said in range(1, _MOST_MESSAGES + 1):
        talker.request("say", room="lobby", text=f"{said} {_TEXT}")
        while (event := witness.read())["op"] != "message":
            names.discard(event["data"]["user"]["name"])
        assert event["data"]["seq"] == said
        if not names:
            return said
    raise AssertionError(f"{names} have read nothing of {_MOST_MESSAGES} messages, and are still there")


def test_a_reader_that_never_reads_is_closed_with_a_reason_and_the_others_miss_nothing(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        late = _sleeper(daemon, "lara")
        _sleeper(daemon, "sam")
        talker, witness = daemon.json("tina"), daemon.json("wanda")
        talker.request("join", room="lobby")
        witness.request("join", room="lobby")

        said = _talk_until_gone(talker, witness, {"lara", "sam"})

        # The one who wakes up finds everything up to some entry, the reason, and the end.
        received = []
        try:
            while True:
                received.append(late.read())
        except EOFError:
            numbers = [event["data"]["seq"] for event in received if event["op"] == "message"]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) <= said
        assert received[-1]["op"] == "notice"
        assert received[-1]["data"]["code"] == "slow-reader"
        # The one who doesn't is cut off, and the log says why.
        reason = "You read too slowly: too much is waiting for you."
        eventually(lambda: daemon.log.count(reason) == 2, lambda: daemon.log, _DRAIN_SECONDS)
        assert "Traceback" not in daemon.log
        assert [user["name"] for user in talker.request("users")["users"]] == ["tina", "wanda"]

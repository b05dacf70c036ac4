"""Sending once, with the real daemon: killed at any moment before the answer is read, started again, asked again."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.daemon import PATIENCE_SECONDS, Daemon, JsonClient

PASSWORD = "correct PLANTED horse"
PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"
_KILLS = int(os.environ.get("TCPCHAT_KILL_ROUNDS", "6"))
_SEED = int(os.environ.get("TCPCHAT_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
_MESSAGES = 60
# Some of them are committed by then, some are not.
_KILL_SECONDS = 0.03


def log_in(daemon: Daemon) -> JsonClient:
    nina = daemon.json()
    nina.request("login", name="nina", password=PASSWORD)
    nina.request("join", room="tea", last=0)
    return nina


def test_whoever_asks_again_after_kill_9_has_said_each_thing_once(tmp_path: Path) -> None:
    chance = random.Random(_SEED)
    sent: list[str] = []
    with Daemon(tmp_path / "data") as daemon:
        daemon.json("nina").request("register", password=PASSWORD)
        for kill in range(_KILLS):
            nina = log_in(daemon)
            batch = [f"{kill}-{number}" for number in range(_MESSAGES)]
            sent += batch
            with suppress(OSError):
                for text in batch:
                    nina.send("say", room="tea", text=text, client_id=text)
                    time.sleep(0 if chance.random() < 0.7 else 0.001)  # several batches, and any moment
                time.sleep(chance.uniform(0, _KILL_SECONDS))
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
            daemon.start()
            nina, other = log_in(daemon), log_in(daemon)
            for text in batch:
                answers = [one.request("say", room="tea", text=text, client_id=text) for one in (nina, other, nina)]
                assert answers[0] == answers[1] == answers[2], f"seed {_SEED}: {answers}"
            entries = log_in(daemon).history("tea")
            assert sorted(entry["text"] for entry in entries) == sorted(sent), f"seed {_SEED}"
            assert [entry["seq"] for entry in entries] == list(range(1, len(sent) + 1))


def test_a_kill_meets_messages_that_were_committed_and_not_answered(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        daemon.json("nina").request("register", password=PASSWORD)
        nina, reader = log_in(daemon), daemon.json("bob")
        reader.request("join", room="tea")
        nina.send("say", room="tea", text="one", client_id="1")
        reader.event("message", text="one")  # committed; nina reads no answer
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        daemon.start()
        assert log_in(daemon).request("say", room="tea", text="one", client_id="1")["seq"] == 1


def test_the_documented_bot_says_a_line_once_though_the_server_is_killed(daemon: Daemon, tmp_path: Path) -> None:
    bot = daemon.json("bot")
    bot.request("register", password=PASSWORD)
    token = bot.request("tokens", create={"label": "bot"})["token"]
    bot.close()
    (example,) = [
        block for block in re.findall(r"```python\n(.*?)```", PROTOCOL.read_text(), re.DOTALL) if "client_id" in block
    ]
    for _ in range(2):  # as one who is run again, since it isn't known how it ended
        run = subprocess.run(
            [sys.executable, "-c", example.replace('("localhost", 3000', f'("127.0.0.1", {daemon.port}'), "build 7"],
            cwd=tmp_path,
            env=os.environ | {"TCPCHAT_TOKEN": token},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert run.stdout == "builds:1\n", run.stderr
    reader = daemon.json("reader")
    reader.request("join", room="builds")
    assert [entry["text"] for entry in reader.history("builds")] == ["build 7 is done"]

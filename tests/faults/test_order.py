"""One connection, one order: what is sent in one packet is answered one by one."""

from __future__ import annotations

from pathlib import Path

from tests.daemon import Daemon


def test_say_leave_history_and_ping_in_one_packet_are_answered_in_this_order(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        listener = daemon.json("lena")
        listener.request("join", room="tea")
        nina = daemon.json("nina")
        nina.request("join", room="tea")

        asked = [
            nina.line("say", room="tea", text="before I go"),
            nina.line("leave", room="tea"),
            nina.line("history", room="tea"),
            nina.line("ping"),
        ]
        nina.stream.send(b"".join(line for _, line in asked))
        said, left, history, ping = (nina.reply(identifier) for identifier, _ in asked)

        assert said["seq"] == 1
        assert [user["name"] for user in left["members"]] == ["lena"]
        assert [(entry["seq"], entry["text"]) for entry in history["entries"]] == [(1, "before I go")]
        assert ping == {}
        # The author has seen its own words before it left, and so has everybody.
        assert nina.event("message")["seq"] == 1
        heard = [event["op"] for event in (listener.read(), listener.read(), listener.read())]
        assert heard == ["joined", "message", "left"]


def test_a_person_who_types_all_of_it_at_once_is_answered_in_this_order(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        nina = daemon.text()
        nina.say("nina", "/join tea", "before I go", "/history", "/leave", "/ping", "still here", "/quit")

        lines = nina.rest()

        shown = [line for line in lines if "before I go" in line or "leave" in line or "left" in line]
        assert shown[0] == "nina: before I go"
        assert shown[1].startswith("nina: before I go (")
        assert shown[1].endswith(", tea:1)")
        assert shown[2] == "You left tea. You are speaking in lobby now."
        after = lines[lines.index(shown[2]) + 1 :]
        assert after == ["pong", "nina: still here", "Goodbye."]


def test_many_commands_in_one_packet_are_answered_as_they_were_asked(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        nina = daemon.json("nina")
        nina.request("join", room="tea")
        asked = []
        for number in range(1, 101):
            asked.append(nina.line("say", room="tea", text=f"number {number}"))
            asked.append(nina.line("history", room="tea", limit=1))
        nina.stream.send(b"".join(line for _, line in asked))

        replies = [nina.reply(identifier) for identifier, _ in asked]

        assert [reply["seq"] for reply in replies[::2]] == list(range(1, 101))
        assert [reply["entries"][0]["seq"] for reply in replies[1::2]] == list(range(1, 101))

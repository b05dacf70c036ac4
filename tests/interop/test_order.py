"""Order in the real daemon: who owns it, what is kept through a kill, and its end at an admin's word."""

from __future__ import annotations

import signal
import stat
from pathlib import Path

import pytest

from tests.daemon import Daemon, JsonClient, Refused, eventually

PASSWORD = "correct PLANTED horse"


def enrol(daemon: Daemon, name: str) -> JsonClient:
    """Return somebody who has just registered."""
    person = daemon.json(name)
    person.request("register", password=PASSWORD)
    return person


def own(daemon: Daemon, data: Path, name: str = "olga") -> JsonClient:
    """Return the owner of the server, as the file of the first start makes one."""
    person = enrol(daemon, name)
    person.request("claim", code=(data / "owner-code").read_text())
    return person


def test_the_first_start_writes_a_code_for_one_owner(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Daemon(data) as daemon:
        code = data / "owner-code"
        assert stat.S_IMODE(code.stat().st_mode) == 0o600
        assert f"/claim with the code in {code}" in daemon.log
        written = code.read_text()
        assert written.strip() not in daemon.log
        daemon.restart()
        assert code.read_text() == written
        nina = enrol(daemon, "nina")
        with pytest.raises(Refused, match="not the owner code"):
            nina.request("claim", code="0000-0000")
        nina.request("claim", code=written.strip().upper())
        eventually(lambda: not code.exists(), lambda: "the file is still there")
        with pytest.raises(Refused, match="used already"):
            enrol(daemon, "bob").request("claim", code=written)
        daemon.restart()
        assert not code.exists()
        again = daemon.json()
        again.request("login", name="nina", password=PASSWORD)
        again.request("sessions")


def test_what_was_set_is_so_after_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Daemon(data) as daemon:
        olga, uma, bob = own(daemon, data), enrol(daemon, "uma"), daemon.json()
        code = bob.request("login", name="bob")["session"]
        olga.request("join", room="tea")
        uma.request("join", room="tea")
        bob.request("join", room="tea")
        said = bob.request("say", room="tea", text="a PLANTED word")
        olga.request("room-role", room="tea", user="uma", role="moderator")
        olga.request("room-set", room="tea", moderated=True, key="a PLANTED key")
        uma.request("ban", room="tea", user="bob", reason="spam")
        assert bob.event("put-out")["act"] == "ban"
        uma.request("remove", room="tea", seq=said["seq"])
        olga.request("name-rule", name="support", rule="reserved")
        olga.request("motd", text="Later.")
        olga.request("suspend", user="uma", seconds=3600)
        assert uma.event("notice")["code"] == "suspended"
        olga.request("emergency", level="no-new-guests")
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
    with Daemon(data) as daemon:
        with pytest.raises(Refused, match="No new guests"):
            daemon.json("dave")
        olga = daemon.json()
        olga.request("login", name="olga", password=PASSWORD)
        olga.request("emergency", level="off")
        assert olga.request("hello")["motd"] == "Later."
        back = daemon.json()
        assert back.request("resume", session=code)["rooms"] == []
        with pytest.raises(Refused, match="banned from tea"):
            back.request("join", room="tea", key="a PLANTED key")
        with pytest.raises(Refused, match="is reserved"):
            daemon.json("support")
        with pytest.raises(Refused, match="has a key"):
            daemon.json("carl").request("history", room="tea")
        carl = daemon.json("dora")
        carl.request("join", room="tea", key="a PLANTED key")
        with pytest.raises(Refused, match="is moderated"):
            carl.request("say", room="tea", text="x")
        uma = daemon.json()
        with pytest.raises(Refused, match="The account uma is suspended"):
            uma.request("login", name="uma", password=PASSWORD)
        olga.request("unsuspend", user="uma")
        uma.request("login", name="uma", password=PASSWORD)
        uma.request("unban", room="tea", user="bob")
        acts = [act["act"] for act in olga.request("audit", limit=100)["acts"]]
        assert acts[:3] == ["unban", "unsuspend", "emergency off"]
        assert {"claim", "make moderator", "ban", "remove", "suspend", "name reserved"} <= set(acts)
        daemon.stop()
    kept = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert b"PLANTED" not in kept


def test_an_admin_shuts_the_server_down(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        olga, bob = own(daemon, tmp_path / "data"), daemon.json("bob")
        with pytest.raises(Refused, match="an admin of this server"):
            bob.request("shutdown")
        olga.request("shutdown", seconds=0, reason="a new version")
        assert "shuts down in 1 second: a new version" in bob.event("notice")["text"]
        assert daemon.wait() == 0

"""Accounts in the real daemon: through a restart, in a real telnet, with a real key, and nowhere in what is kept."""

from __future__ import annotations

import base64
import re
import signal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tcpchat.core.proofs import login_message
from tests.daemon import Daemon, JsonClient, Refused

PASSWORD = "correct PLANTED horse"


def enrol(daemon: Daemon, name: str = "nina") -> JsonClient:
    """Return somebody who has just registered."""
    person = daemon.json(name)
    person.request("register", password=PASSWORD)
    return person


def test_what_is_proved_before_a_restart_is_proved_after_it(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    with Daemon(tmp_path / "data") as daemon:
        nina = enrol(daemon)
        bob = enrol(daemon, "bob")
        token = nina.request("tokens", create={"label": "bot"})["token"]
        nina.request("keys", add={"key": public})
        first = nina.request("tell", to="bob", text="one")
        bob.close()
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
    with Daemon(tmp_path / "data") as daemon:
        stranger = daemon.json()
        with pytest.raises(Refused, match="registered"):
            stranger.request("login", name="nina")
        with pytest.raises(Refused, match="password is wrong"):
            stranger.request("login", name="nina", password="correct horse")
        assert stranger.request("login", name="NINA", password=PASSWORD)["user"]["name"] == "nina"
        assert daemon.json().request("login", token=token)["user"]["name"] == "nina"
        signer = daemon.json()
        asked = signer.request("challenge")
        message = login_message(asked["server"], "nina", bytes.fromhex(asked["nonce"]), None)
        signature = base64.b64encode(key.sign(message)).decode()
        assert signer.request("login", name="nina", signature=signature)["user"]["name"] == "nina"
        with pytest.raises(Refused, match="ask for a challenge"):
            daemon.json().request("login", name="nina", signature=signature)
        daemon.json().request("login", name="bob", password=PASSWORD)
        second = stranger.request("tell", to="bob", text="two")
        assert (second["room"], second["seq"]) == (first["room"], first["seq"] + 1)


def test_revocation_reaches_who_is_there(daemon: Daemon) -> None:
    nina = enrol(daemon)
    made = nina.request("tokens", create={"label": "bot"})
    bot = daemon.json()
    bot.request("login", token=made["token"])
    nina.request("tokens", revoke=made["credentials"][0]["id"])
    assert bot.event("notice")["code"] == "revoked"
    other = daemon.json()
    other.request("login", name="nina", password=PASSWORD)
    nina.request("password", old=PASSWORD, new="battery PLANTED staple")
    assert other.event("notice")["code"] == "revoked"
    nina.request("ping")


def test_a_password_is_not_shown_in_a_real_telnet(daemon: Daemon) -> None:
    telnet = daemon.run_in_terminal("telnet", "127.0.0.1", str(daemon.port))
    seen = telnet.hear("What is your name?")
    telnet.say("nina")
    seen += telnet.hear("You are in lobby")
    telnet.say("/register")
    seen += telnet.hear("A new password:")
    telnet.say(PASSWORD)
    seen += telnet.hear("The same once more:")
    telnet.say(PASSWORD)
    seen += telnet.hear("The name nina is yours now.")
    telnet.say("seen again")
    seen += telnet.hear("nina: seen again")
    telnet.say("/quit")
    shown = "\n".join([*seen, *telnet.rest()])
    assert "seen again" in shown
    assert "PLANTED" not in shown


def test_no_secret_is_in_any_log_or_table(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", "--log-level", "debug") as daemon:
        nina = enrol(daemon)
        token = nina.request("tokens", create={"label": "bot"})["token"]
        daemon.json().request("login", token=token)
        for line in ({"name": "nina", "password": f"wrong {PASSWORD}"}, {"token": token[:-1] + "x"}):
            with pytest.raises(Refused):
                daemon.json().request("login", **line)
        nina.request("password", old=PASSWORD, new="battery PLANTED staple")
        person = daemon.text("visitor")
        person.say(f"/login nina {PASSWORD}", "battery PLANTED staple")
        person.hear("Hello, nina")
        person.say("/quit")
        daemon.stop()
        assert "PLANTED" not in daemon.log
        assert token[:20] not in daemon.log
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file())
    assert b"nina" in kept
    assert not re.search(rb"PLANTED|" + re.escape(token[:20]).encode(), kept)

"""Accounts in the real daemon: through a restart, in a real telnet, with a real key, and nowhere in what is kept."""

from __future__ import annotations

import base64
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tcpchat.core.proofs import login_message
from tests.daemon import PATIENCE_SECONDS, Daemon, JsonClient, Refused

PASSWORD = "correct PLANTED horse"
PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"


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


def test_the_documented_example_logs_in_with_a_key(daemon: Daemon, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "id_ed25519").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    enrol(daemon, "Nina").request("keys", add={"key": public})
    (example,) = re.findall(r"```python\n(import base64.*?)```", PROTOCOL.read_text(), re.DOTALL)
    run = subprocess.run(
        [sys.executable, "-c", example.replace('("localhost", 3000)', f'("127.0.0.1", {daemon.port})')],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert "{'name': 'Nina'}" in run.stdout, run.stderr


def test_revocation_reaches_who_is_there(daemon: Daemon) -> None:
    nina = enrol(daemon, "kimberly")
    made = nina.request("tokens", create={"label": "bot"})
    bot = daemon.json()
    bot.request("login", token=made["token"])
    nina.request("tokens", revoke=made["credentials"][0]["id"])
    assert bot.event("notice")["code"] == "revoked"
    other = daemon.json()
    other.request("login", name="kimberly", password=PASSWORD)
    nina.request("password", old=PASSWORD, new="battery PLANTED staple")
    assert other.event("notice")["code"] == "revoked"
    last = daemon.json()
    last.request("login", name="kimberly", password="battery PLANTED staple")
    nina.request("unregister", password="battery PLANTED staple")
    assert last.event("notice")["text"] == "The account kimberly is deleted."
    daemon.await_log("its login was revoked")
    with pytest.raises(Refused, match="not-logged-in"):
        nina.request("rooms")
    nina.request("quit")
    daemon.stop()
    assert "kimberly" not in daemon.log


def test_a_wrong_password_in_a_real_telnet_is_asked_for_again_unseen(daemon: Daemon) -> None:
    enrol(daemon).request("quit")
    telnet = daemon.run_in_terminal("telnet", "127.0.0.1", str(daemon.port))
    seen = telnet.hear("What is your name?")
    telnet.say("nina")
    seen += telnet.hear("The password of nina:")
    telnet.say("wrong PLANTED horse")
    seen += telnet.hear("Try again, or press Enter.")
    seen += telnet.hear("The password of nina:")
    telnet.say(PASSWORD)
    seen += telnet.hear("Hello, nina")
    telnet.say("seen again", "/quit")
    shown = "\n".join([*seen, *telnet.rest()])
    assert "nina: seen again" in shown
    assert "PLANTED" not in shown
    assert "It may be seen" not in shown


def test_a_pipe_may_log_in_by_its_first_line(daemon: Daemon) -> None:
    enrol(daemon).request("quit")
    pipe = daemon.text()
    pipe.say(f"/login nina {PASSWORD}", "the build is green", "/quit")
    assert "nina: the build is green" in pipe.rest()
    wrong = daemon.text()
    wrong.say("nina", "the build is green", "/quit")
    assert wrong.rest()[-1] == "Goodbye."


def test_an_operator_who_lets_nobody_in_is_warned(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", "--registration", "closed", "--no-guests") as daemon:
        daemon.await_log("warn service: nobody can get in: there is no account yet")


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
    assert "It may be seen" not in shown


def test_no_secret_is_in_any_log_or_table(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", "--log-level", "debug") as daemon:
        nina = enrol(daemon)
        token = nina.request("tokens", create={"label": "bot"})["token"]
        daemon.json().request("login", token=token)
        for line in ({"name": "nina", "password": f"wrong {PASSWORD}"}, {"token": token.swapcase()}):
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

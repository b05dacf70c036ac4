"""The line client under TLS: it talks to the server that was meant, and to nobody else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.certificates import Issued, issue
from tests.daemon import PATIENCE_SECONDS, Daemon

Start = Callable[[Issued], Daemon]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as daemons:

        def begin(issued: Issued) -> Daemon:
            certificate, key = issued.write(tmp_path / "pem")
            given = ("--tls-cert", str(certificate), "--tls-key", str(key))
            return daemons.enter_context(Daemon(tmp_path / "data", *given))

        yield begin


def _say(address: str, *options: str) -> tuple[int, str]:
    """Say hello through a pipe; return the exit status and what is complained about."""
    command = [sys.executable, "-m", "tcpchat", address, "--name", "nina", *options]
    ended = subprocess.run(command, input="hello\n", capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    return ended.returncode, ended.stderr


def test_a_certificate_by_a_trusted_authority_for_the_right_name(start: Start, tmp_path: Path) -> None:
    authority = issue("authority", authority=True)
    daemon = start(issue("localhost", "127.0.0.1", by=authority))
    (trusted := tmp_path / "ca.pem").write_bytes(authority.pem())
    for host in ("localhost", "127.0.0.1"):
        assert _say(f"tls:{host}:{daemon.port}", "--tls-ca", str(trusted)) == (0, "")
    assert [entry["text"] for entry in daemon.json("zoe").history("lobby")] == ["hello", "hello"]
    assert daemon.log.count("(json under TLS)") == 2


def test_a_certificate_signed_by_itself_can_be_trusted_in_two_ways(start: Start, tmp_path: Path) -> None:
    own = issue("localhost")
    daemon = start(own)
    address = f"tls:localhost:{daemon.port}"
    assert _say(address, "--tls-ca", str(tmp_path / "pem" / "tls-certificate.pem")) == (0, "")
    colons = ":".join(own.fingerprint[i : i + 2].upper() for i in range(0, 64, 2))
    assert _say(address, "--tls-fingerprint", colons) == (0, "")
    # The name doesn't matter then.
    assert _say(f"tls:127.0.0.1:{daemon.port}", "--tls-fingerprint", own.fingerprint) == (0, "")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("wrong name", "its certificate is not for localhost."),
        ("expired", "its certificate has expired."),
        ("not yet valid", "its certificate is not valid yet; is this machine's clock right?."),
        ("unknown issuer", "nobody that this machine trusts has signed its certificate; "),
        ("signed by itself", "its certificate is signed by itself; "),
    ],
)
def test_who_it_is_not_is_told_in_a_line(start: Start, tmp_path: Path, kind: str, reason: str) -> None:
    authority = issue("authority", authority=True)
    (trusted := tmp_path / "ca.pem").write_bytes(authority.pem())
    issued = {
        "wrong name": lambda: issue("chat.example", "127.0.0.1", by=authority),
        "expired": lambda: issue("localhost", by=authority, days=(-2, -1)),
        "not yet valid": lambda: issue("localhost", by=authority, days=(1, 2)),
        "unknown issuer": lambda: issue("localhost", by=issue("stranger", authority=True)),
        "signed by itself": lambda: issue("localhost"),
    }[kind]()
    daemon = start(issued)
    status, complaint = _say(f"tls:localhost:{daemon.port}", "--tls-ca", str(trusted))
    assert status == 1
    assert complaint.startswith("tcpchat: There is no connection: the server can't be trusted: ")
    assert reason.rstrip(".") in complaint
    assert "Traceback" not in complaint
    assert daemon.json("zoe").history("lobby") == []


def test_the_system_trusts_nobody_of_ours(start: Start) -> None:
    daemon = start(issue("localhost", by=issue("stranger", authority=True)))
    assert "nobody that this machine trusts" in _say(f"tls:localhost:{daemon.port}")[1]


@pytest.mark.parametrize("signed", [True, False])
def test_another_fingerprint_is_refused(start: Start, signed: bool) -> None:
    issued = issue("localhost", by=issue("authority", authority=True) if signed else None)
    daemon = start(issued)
    status, complaint = _say(f"tls:localhost:{daemon.port}", "--tls-fingerprint", "0" * 64)
    assert status == 1
    assert f"its certificate is another one, with the fingerprint {issued.fingerprint}." in complaint


def test_options_that_do_not_fit_together_are_told(tmp_path: Path) -> None:
    zero = "0" * 64
    assert "is not tls:HOST" in _say("localhost", "--tls-fingerprint", zero)[1]
    assert "64 hexadecimal digits" in _say("tls:localhost", "--tls-fingerprint", "12")[1]
    assert "together" in _say("tls:localhost", "--tls-fingerprint", zero, "--tls-ca", "x")[1]
    assert "can't read /nonexistent" in _say("tls:localhost", "--tls-ca", "/nonexistent")[1]
    (empty := tmp_path / "empty").touch()
    assert "no certificate in" in _say("tls:localhost", "--tls-ca", str(empty))[1]


def test_a_server_without_tls_is_told_in_a_line(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        status, complaint = _say(f"tls:localhost:{daemon.port}")
    assert status == 1
    assert len(complaint.splitlines()) <= 2
    assert "SSL" not in complaint


def test_a_person_is_told_at_the_terminal(start: Start) -> None:
    daemon = start(issue("localhost"))
    person = daemon.run_in_terminal(sys.executable, "-m", "tcpchat", f"tls:localhost:{daemon.port}", "--name", "nina")
    heard = person.hear("its certificate is signed by itself")
    assert "Trying again in" in heard[-1]
    assert "(json under TLS)" not in daemon.log

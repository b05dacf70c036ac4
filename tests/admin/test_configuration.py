"""tcpchat-admin: checking and showing a configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tcpchat.admin.configuration import masked
from tcpchat.admin.main import main
from tcpchat.config.configuration import read_configuration
from tcpchat.config.table import BY_NAME, TABLE
from tests.certificates import issue
from tests.daemon import PATIENCE_SECONDS, environment


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty directory, in an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in set(environment()) ^ set(os.environ):
        monkeypatch.delenv(name)
    return tmp_path


def test_a_good_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "chat.toml").write_text("port = 4000\n[limits]\nrooms = 5\n")
    assert main(["check-config", "chat.toml"]) == 0
    assert capsys.readouterr() == ("chat.toml is good.\n", "")


def test_a_bad_file_is_refused_with_every_mistake(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "chat.toml").write_text("port = -1\nmotd = 'nowhere'\n[limits]\nroms = 5\n")
    assert main(["check-config", "chat.toml"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    file = f"tcpchat-admin: {place}/chat.toml"
    assert said.err.splitlines() == [
        f"{file}, line 1: port is a whole number from 0 to 65535, not -1",
        f"{file}, line 2: motd names {place}/nowhere, which can't be read: No such file or directory",
        f"{file}, line 4: limits.roms is not a setting; did you mean limits.rooms?",
    ]


def test_certificates_are_looked_at(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate, key = issue("localhost").write(place)
    (place / "chat.toml").write_text(f'tls_cert = "{certificate}"\ntls_key = "{key}"\n')
    assert main(["check-config", "chat.toml"]) == 0
    issue("localhost", days=(-2, -1)).write(place)
    assert main(["check-config", "chat.toml"]) == 1
    assert "line 1: tls_cert can't be used: the certificate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("endpoint", "complaint"),
    [
        ("bogus:1", "it is not one that Twisted knows: Unknown endpoint type: 'bogus'"),
        ("tcp:99999", "its port is no number from 0 to 65535"),
        ("tcp:3001:interface=nonsense.invalid", "nonsense.invalid is no address of this machine"),
        ("tls:3001", "3001 is not a directory"),
        ("ssl:3001:privateKey=/nonexistent", "can't read /nonexistent: No such file or directory"),
    ],
)
def test_endpoints_are_looked_at(
    place: Path, capsys: pytest.CaptureFixture[str], endpoint: str, complaint: str
) -> None:
    (place / "chat.toml").write_text(f'port = 4000\nendpoints = ["tcp:3001:interface=127.0.0.1", "{endpoint}"]\n')
    assert main(["check-config", "chat.toml"]) == 1
    said = capsys.readouterr().err
    assert "chat.toml, line 2:" in said
    assert complaint in said


def test_good_endpoints_are_good(place: Path) -> None:
    endpoints = '"tcp:3001:interface=127.0.0.1", "unix:/run/chat", "systemd:domain=INET:index=0"'
    (place / "chat.toml").write_text(f"endpoints = [{endpoints}]\n")
    assert main(["check-config", "chat.toml"]) == 0


def test_what_is_shown_is_a_good_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("", 'endpoints = ["tcp:3001"]\ndatabase = "postgresql://chat:SECRET@host/db"\n'):
        (place / "chat.toml").write_text(text)
        main(["show-config", "--config", "chat.toml"])
        (place / "shown.toml").write_text(capsys.readouterr().out)
        assert main(["check-config", "shown.toml"]) == 0
        capsys.readouterr()


def test_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "nowhere"]) == 1
    assert "nowhere: can't be read: No such file or directory" in capsys.readouterr().err


def test_what_is_in_force_and_from_where(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "chat.toml").write_text('# mine\nserver_name = "chez"\n[limits]\nrooms = 12_000\n')
    (place / ".env").write_text("TCPCHAT_GUESTS=no\n")
    monkeypatch.setenv("TCPCHAT_TRUST", "10.0.0.0/8 ::1")
    assert main(["show-config", "--config", "chat.toml"]) == 0
    shown = dict(line.split("#", 1) for line in capsys.readouterr().out.splitlines())
    lines = {setting.strip(): origin.strip() for setting, origin in shown.items()}
    assert len(lines) == len(TABLE)
    assert lines['server_name = "chez"'] == f"{place}/chat.toml, line 2"
    assert lines["limits.rooms = 12_000"] == f"{place}/chat.toml, line 4"
    assert lines["guests = false"] == f"{place}/.env, line 1"
    assert lines['trust = ["10.0.0.0/8", "::1/128"]'] == "environment TCPCHAT_TRUST"
    assert lines["port = 3000"] == "default"


def test_for_programs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "chat.toml").write_text("[limits]\nlogin_seconds = 5\n")
    assert main(["show-config", "--json", "--config", "chat.toml"]) == 0
    shown = {line["name"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert shown["limits.login_seconds"] == {
        "name": "limits.login_seconds",
        "value": 5.0,
        "unit": "seconds",
        "live": True,
        "source": "file",
        "given_as": "limits.login_seconds",
        "file": f"{place}/chat.toml",
        "line": 2,
    }
    assert shown["port"]["source"] == "default"
    assert shown["endpoints"]["value"] == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://chat@host/db", "postgresql://chat@host/db"),
        ("postgresql://chat:SECRET@host/db", "postgresql://chat:***@host/db"),
        ("postgresql://chat:SEC:RET@SEC/RET@host/db", "postgresql://chat:***@host/db"),
        ("postgresql://:SECRET@host/db", "postgresql://:***@host/db"),
        ("mariadb://host/db?user=chat&password=SECRET&x=1", "mariadb://host/db?user=chat&password=***&x=1"),
        ("mariadb://host/db?passwd=SECRET", "mariadb://host/db?passwd=***"),
        ("postgresql://host/db?sslpassword=SECRET", "postgresql://host/db?sslpassword=***"),
        ("sqlite:////var/chat.db", "sqlite:////var/chat.db"),
        ("mariadb://host/db?p%61ssword=SECRET", "mariadb://host/db?p%61ssword=***"),
        ("postgresql://chat%3ASECRET@host/db", "postgresql://chat:***@host/db"),
        ("postgresql:/chat:SECRET@host/db", "***"),
        ("postgres//chat:SECRET@host", "***"),
        ("chat:SECRET@host/db", "***"),
    ],
)
def test_a_password_is_not_shown(place: Path, url: str, shown: str) -> None:
    configuration = read_configuration({"database": url}, {}, place)
    assert masked(BY_NAME["database"], configuration) == shown


def test_a_command_that_makes_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["check-config"], ["make-tea"]):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 2
    assert "check-config" in capsys.readouterr().err


def test_it_loads_neither_twisted_nor_the_database(place: Path) -> None:
    (place / "chat.toml").write_text('motd = "/dev/null"\n')
    program = (
        "import sys; from tcpchat.admin.main import main; status = main(['check-config', 'chat.toml'])\n"
        "heavy = {name.split('.')[0] for name in sys.modules} & {'twisted', 'sqlalchemy', 'cryptography'}\n"
        "sys.exit(str(heavy) if heavy else status)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), timeout=PATIENCE_SECONDS
    )
    assert (ended.returncode, ended.stderr) == (0, "")

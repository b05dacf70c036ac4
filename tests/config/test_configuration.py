"""Where a setting comes from, and what is said of one that makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tcpchat.config.configuration import Configuration, ConfigurationError, read_configuration
from tcpchat.config.table import BY_VARIABLE, TABLE
from tcpchat.core.limits import Limits

Read = Callable[..., Configuration]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Return what reads options, a file's text, a ``.env``'s text, and variables."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def read(
        file: str | None = None,
        dotenv: str | None = None,
        /,
        *,
        options: dict[str, Any] | None = None,
        **variables: str,
    ) -> Configuration:
        if dotenv is not None:
            (tmp_path / ".env").write_text(dotenv)
        if file is not None:
            (tmp_path / "etc").mkdir(exist_ok=True)
            (tmp_path / "etc" / "chat.toml").write_text(file)
            variables.setdefault("TCPCHAT_CONFIG", "etc/chat.toml")
        return read_configuration(options or {}, variables, tmp_path)

    return read


def _mistakes(read: Read, *texts: str, **given: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        read(*texts, **given)
    lines = str(error.value).splitlines()
    assert len(lines) == len(error.value.mistakes)
    return lines


def test_the_order_of_precedence(read: Read, tmp_path: Path) -> None:
    everything: dict[str, Any] = {"options": {"port": "1"}, "TCPCHAT_PORT": "2", "PORT": "5"}
    texts = ("port = 4", "TCPCHAT_PORT=3")
    seen = []
    for less in ("", "options", "TCPCHAT_PORT"):
        everything.pop(less, None)
        configuration = read(*texts, **everything)
        seen.append((configuration["port"], str(configuration.origins["port"])))
    configuration = read("port = 4", "", **everything)
    seen.append((configuration["port"], str(configuration.origins["port"])))
    configuration = read("", "", **everything)
    seen.append((configuration["port"], str(configuration.origins["port"])))
    configuration = read("", "")
    seen.append((configuration["port"], str(configuration.origins["port"])))
    assert seen == [
        (1, "option --port"),
        (2, "environment TCPCHAT_PORT"),
        (3, f"{tmp_path}/.env, line 1"),
        (4, f"{tmp_path}/etc/chat.toml, line 1"),
        (5, "environment $PORT"),
        (3000, "default"),
    ]


def test_the_default_port_goes_with_endpoints_but_not_one_that_is_asked_for(read: Read) -> None:
    assert read('endpoints = ["unix:/a"]')["port"] is None
    assert read('endpoints = ["unix:/a"]', PORT="5")["port"] is None
    assert read('endpoints = ["unix:/a"]\nport = 4')["port"] == 4


def test_the_data_directory(read: Read, tmp_path: Path) -> None:
    def data(*texts: str, **given: Any) -> tuple[Path, str]:
        configuration = read(*texts, **given)
        return configuration["data"], configuration.origins["data"].source

    assert data(options={"data": "x"}) == (tmp_path / "x", "option")
    assert data('data = "x"', STATE_DIRECTORY="/a:/b") == (tmp_path / "etc" / "x", "file")
    assert data('data = ""', STATE_DIRECTORY="/a:/b") == (Path("/a"), "environment")
    assert data(XDG_STATE_HOME="/s") == (Path("/s/tcpchat"), "default")
    assert data(XDG_STATE_HOME="relative") == (tmp_path / "home/.local/state/tcpchat", "default")


def test_paths_are_relative_to_where_they_are_written(read: Read, tmp_path: Path) -> None:
    assert read('motd = "motd"')["motd"] == tmp_path / "etc" / "motd"
    assert read(TCPCHAT_MOTD="motd")["motd"] == tmp_path / "motd"
    assert read('motd = "/motd"')["motd"] == Path("/motd")


def test_the_file_is_named_by_the_option_the_environment_or_dotenv(read: Read, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.toml").write_text(f'server_name = "{name}"')
    dotenv = "TCPCHAT_CONFIG=c.toml"
    assert read(None, dotenv)["server_name"] == "c"
    assert read(None, dotenv, TCPCHAT_CONFIG="b.toml")["server_name"] == "b"
    assert read(None, dotenv, TCPCHAT_CONFIG="b.toml", options={"config": "a.toml"})["server_name"] == "a"


def test_lists_and_flags(read: Read) -> None:
    assert read(TCPCHAT_ENDPOINTS="tcp:1 unix:/a")["endpoints"] == ("tcp:1", "unix:/a")
    assert read(options={"endpoint": ["tcp:1", "unix:/a b"]})["endpoints"] == ("tcp:1", "unix:/a b")
    assert "--endpoint has an element, number 2, that is empty" in _mistakes(read, options={"endpoint": ["tcp:1", ""]})
    assert read("guests = true", options={"no-guests": 1})["guests"] is False
    assert read("guests = false", options={"no-guests": 0})["guests"] is False
    assert read(None, "TCPCHAT_GUESTS=no")["guests"] is False


def test_every_limit_can_be_set(read: Read) -> None:
    for one in fields(Limits):
        value = one.metadata["least"]
        assert read(f"[limits]\n{one.name} = {value}")[f"limits.{one.name}"] == value
        assert read(**{f"TCPCHAT_LIMITS_{one.name.upper()}": str(value)})[f"limits.{one.name}"] == value


def test_every_setting_says_what_it_is_for() -> None:
    for row in TABLE:
        assert row.about
        assert not row.about.startswith(" ")
        if row.name.startswith("limits."):
            assert row.unit, row.name
        else:
            assert row.reason, row.name
    assert len(BY_VARIABLE) == len(TABLE)


def test_all_mistakes_are_listed_with_file_line_and_reason(read: Read, tmp_path: Path) -> None:
    file = 'prot = 1\ntext_bytes = 5\nguests = "no"\n[limits]\nline_bytes = 5\nrooms = 1.5\n[limit]\nrooms = 1\n'
    dotenv = "TCPCHAT_PROT=1\nTCPCHAT_TOKEN=secret\nTCPCHAT_GUESTS='no\n"
    mistakes = _mistakes(
        read, file, dotenv, options={"port": "http"}, TCPCHAT_LIMITS_ROOMS="0", TCPCHAT_NOTHING_LIKE_IT="5"
    )
    assert mistakes == [
        "TCPCHAT_NOTHING_LIKE_IT is not a setting",
        "TCPCHAT_LIMITS_ROOMS is a whole number from 1 to 1099511627776, not 0",
        "--port is a whole number from 0 to 65535, not 'http'",
        f"{tmp_path}/.env, line 1: TCPCHAT_PROT is not a setting; did you mean TCPCHAT_PORT?",
        f"{tmp_path}/.env, line 3: TCPCHAT_GUESTS can't be read: it is NAME=VALUE, the value plain or in quotes",
        f"{tmp_path}/etc/chat.toml, line 1: prot is not a setting; did you mean port?",
        f"{tmp_path}/etc/chat.toml, line 2: text_bytes is not a setting; did you mean limits.text_bytes?",
        f"{tmp_path}/etc/chat.toml, line 3: guests is true or false, not 'no'",
        f"{tmp_path}/etc/chat.toml, line 5: limits.line_bytes is a whole number from 65536 to 1099511627776, not 5",
        f"{tmp_path}/etc/chat.toml, line 6: limits.rooms is a whole number from 1 to 1099511627776, not 1.5",
        f"{tmp_path}/etc/chat.toml, line 8: limit.rooms is not a setting; did you mean limits.rooms?",
    ]


@pytest.mark.parametrize(("name", "meant"), [("bogus", None), ("prot", "port"), ("roms", "limits.rooms")])
def test_what_was_meant_is_guessed_by_the_word_and_not_by_its_table(read: Read, name: str, meant: str | None) -> None:
    (mistake,) = _mistakes(read, f"[limits]\n{name} = 1")
    assert mistake.endswith(f"did you mean {meant}?" if meant else "is not a setting")
    (mistake,) = _mistakes(read, "", **{f"TCPCHAT_{name.upper()}": "1"})
    variable = f"TCPCHAT_{meant.upper().replace('.', '_')}" if meant else ""
    assert mistake.endswith(f"did you mean {variable}?" if meant else "is not a setting")


def test_a_mistake_counts_though_another_place_goes_before_it(read: Read) -> None:
    (mistake,) = _mistakes(read, "port = 70000", options={"port": "1"})
    assert "line 1: port is a whole number" in mistake


def test_files_that_can_not_be_read(read: Read, tmp_path: Path) -> None:
    assert _mistakes(read, "port = 1\nport = 2") == [
        f"{tmp_path}/etc/chat.toml, line 2: is not TOML: cannot overwrite a value"
    ]
    assert _mistakes(read, options={"config": "/nowhere"}) == ["/nowhere: can't be read: No such file or directory"]
    assert "is a table: [limits]" in _mistakes(read, "limits = 5")[0]
    (tmp_path / ".env").mkdir()
    assert _mistakes(read) == [f"{tmp_path}/.env: can't be read: Is a directory"]


def test_the_surroundings_are_looked_at_only_where_nothing_else_is_said(read: Read) -> None:
    assert _mistakes(read, PORT="http") == ["$PORT is a whole number from 0 to 65535, not 'http'"]
    assert read("port = 4", PORT="http")["port"] == 4


def test_what_is_meant_for_the_line_client_is_no_mistake(read: Read) -> None:
    assert read(TCPCHAT_TOKEN="secret")["port"] == 3000


def test_an_empty_variable_says_nothing(read: Read) -> None:
    assert read("port = 4", "TCPCHAT_PORT=", TCPCHAT_PORT="", TCPCHAT_ODD="")["port"] == 4


def test_a_password_is_in_no_complaint(read: Read) -> None:
    for line in _mistakes(read, 'database = ["postgresql://nina:SECRET@host"]', options={"port": "x"}):
        assert "SECRET" not in line

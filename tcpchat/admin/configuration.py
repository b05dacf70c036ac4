"""Checking a configuration, and showing what is in force and from where."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tcpchat.config.configuration import Configuration
    from tcpchat.config.table import Setting


def add_commands(commands: Any) -> None:
    """Add ``check-config`` and ``show-config``."""
    check = commands.add_parser(
        "check-config",
        help="say what is wrong in a configuration",
        description="Read FILE as a daemon would that is started here, with this environment and .env, and list every "
        "mistake. The files that it names are looked at, too. Nothing is started.",
    )
    check.add_argument("file", metavar="FILE")
    check.set_defaults(run=_check)
    show = commands.add_parser(
        "show-config",
        help="show the settings in force, and where each comes from",
        description="Show what would be in force for a daemon that is started here, with this environment and .env, "
        "as TOML. Passwords are not shown.",
    )
    show.add_argument("--config", metavar="FILE", help="file of settings")
    show.add_argument("--json", action="store_true", help="one JSON object for each setting")
    show.set_defaults(run=_show)


def _check(arguments: argparse.Namespace) -> int:
    from tcpchat.server.settings import check_certificate, check_endpoints, read_settings

    settings = read_settings({"config": arguments.file}, os.environ, Path.cwd())
    if settings.certificate is not None:
        check_certificate(settings, settings.certificate)
    check_endpoints(settings)
    sys.stdout.write(f"{arguments.file} is good.\n")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from tcpchat.config.configuration import read_configuration
    from tcpchat.config.table import TABLE

    configuration = read_configuration({"config": arguments.config}, os.environ, Path.cwd())
    lines = [
        (_json_line if arguments.json else _toml_line)(setting, masked(setting, configuration), configuration)
        for setting in TABLE
    ]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def masked(setting: Setting, configuration: Configuration) -> Any:
    """Return the value of a setting without any password in it."""
    from tcpchat.config.kinds import Text
    from tcpchat.core.urls import masked as masked_url

    value = configuration[setting.name]
    if isinstance(setting.kind, Text) and setting.kind.secret and isinstance(value, str):
        return masked_url(value)
    return value


def _toml_line(setting: Setting, value: Any, configuration: Configuration) -> str:
    from tcpchat.config.kinds import Whole

    if value is None and isinstance(setting.kind, Whole):  # there is no number for it
        return f"{f'# no {setting.name}':<48} # {configuration.origins[setting.name]}"
    shown = '""' if value is None else setting.kind.to_toml(value)
    return f"{f'{setting.name} = {shown}':<48} # {configuration.origins[setting.name]}"


def _json_line(setting: Setting, value: Any, configuration: Configuration) -> str:
    origin = configuration.origins[setting.name]
    shown = value if isinstance(value, bool | int | float | None) else str(value)
    described = {
        "name": setting.name,
        "value": [str(one) for one in value] if isinstance(value, tuple) else shown,
        "unit": setting.unit,
        "live": setting.live,
        "source": origin.source,
        "given_as": origin.name if origin.source != "default" else None,
        "file": str(origin.file) if origin.file else None,
        "line": origin.line,
    }
    return json.dumps(described)

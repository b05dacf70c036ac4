"""The command line of the daemon, made from the table of settings."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import ClassVar

from twisted.python.usage import Options as UsageOptions

import tcpchat
from tcpchat.config.kinds import Flag, ListOf
from tcpchat.config.table import TABLE, Setting

_SPOKEN = tuple((setting.option, setting) for setting in TABLE if setting.option is not None)


def _help(setting: Setting) -> str:
    default = setting.otherwise or setting.kind.to_toml(setting.default).strip('"')
    return f"{setting.about} [default: {default}]"


class Options(UsageOptions):
    """What can be said on the command line; what isn't said is None, empty or 0."""

    synopsis = "[options]"
    longdesc = (
        "tcpchat is a chat daemon: one port for telnet, nc and programs that speak JSON lines, "
        "and a log of every room that survives a crash. Try: twistd -n tcpchat --port 3000, "
        "then: telnet localhost 3000. Every setting can also be in a file (--config) or in a variable (TCPCHAT_PORT)."
    )
    optParameters: ClassVar = [
        ["config", "c", None, "File of settings (TOML) [default: $TCPCHAT_CONFIG, else none]"],
        *(
            [option, setting.letter, None, _help(setting)]
            for option, setting in _SPOKEN
            if not isinstance(setting.kind, Flag | ListOf)
        ),
    ]
    optFlags: ClassVar = [
        [option, None, setting.words] for option, setting in _SPOKEN if isinstance(setting.kind, Flag)
    ]

    def __init__(self) -> None:
        super().__init__()
        for option, setting in _SPOKEN:
            if isinstance(setting.kind, ListOf):
                self[option] = []

    def opt_version(self) -> None:
        """Print the version and exit."""
        sys.stdout.write(f"tcpchat {tcpchat.__version__}\n")
        sys.exit(0)


def _repeatable(option: str, setting: Setting) -> Callable[[Options, str], None]:
    """Return what Twisted calls for each time an option is given."""

    def take(options: Options, value: str) -> None:
        options[option].append(value)

    take.__doc__ = f"{setting.about}; may be repeated."
    return take


for _option, _setting in _SPOKEN:
    if isinstance(_setting.kind, ListOf):
        setattr(Options, f"opt_{_option}", _repeatable(_option, _setting))

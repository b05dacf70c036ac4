"""All the settings with the place that each comes from, or all the mistakes that there are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tcpchat.config.dotenv import parse
from tcpchat.config.kinds import Flag, ListOf
from tcpchat.config.surroundings import default_directory, state_directory
from tcpchat.config.table import BY_NAME, BY_VARIABLE, LIMITS, PREFIX, TABLE, Setting
from tcpchat.config.tomlfile import BadFile, TomlFile, read_text
from tcpchat.errors import StartError

CONFIG = "config"
_CONFIG_VARIABLE = f"{PREFIX}CONFIG"
# What the line client reads.
_OTHERS = frozenset((f"{PREFIX}TOKEN",))
_DOTENV = ".env"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: ``source`` is option, environment, .env, file or default; ``name`` as it is there."""

    source: str
    name: str
    file: Path | None = None
    line: int | None = None

    @property
    def place(self) -> tuple[str, int]:
        """What mistakes are sorted by: the file, nothing for what is in none, and the line."""
        return str(self.file or ""), self.line or 0

    def __str__(self) -> str:
        if self.file is not None:
            return f"{self.file}{f', line {self.line}' if self.line else ''}"
        return f"{self.source} {self.name}" if self.source != "default" else "default"


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, and where. The text is one line."""

    origin: Origin
    reason: str

    def __str__(self) -> str:
        words = f"{self.origin.name} {self.reason}".strip()
        return f"{self.origin}: {words}" if self.origin.file is not None else words


class ConfigurationError(StartError):
    """There are mistakes; the text has a line for each."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.origin.place))
        super().__init__("\n".join(map(str, self.mistakes)))


@dataclass(frozen=True, slots=True)
class Configuration:
    """The value of every setting, by its name, and the place it comes from."""

    values: Mapping[str, object] = field(repr=False)  # there may be a password among them
    origins: Mapping[str, Origin]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def given(self, name: str) -> bool:
        """Return whether somebody has said what it is to be."""
        return self.origins[name].source != "default"

    def mistake(self, name: str, reason: str) -> Mistake:
        """Return what is wrong with a value that is there."""
        return Mistake(self.origins[name], reason)


@dataclass(frozen=True, slots=True)
class _Given:
    """A value as it is given somewhere: text, or what TOML made of it. Paths are relative to ``base``."""

    origin: Origin
    value: object = field(repr=False)
    base: Path
    toml: bool = False

    def read(self, setting: Setting) -> object:
        """Return the value; raises ValueError with what is wrong."""
        kind = setting.kind
        if self.toml:
            value = kind.from_toml(self.value)
        elif isinstance(kind, ListOf) and isinstance(self.value, list):
            value = kind.from_texts(self.value)
        else:
            value = kind.from_text(str(self.value))
        if isinstance(value, Path):
            return self.base / value
        return value


_Layer = dict[str, _Given]


def read_configuration(options: Mapping[str, Any], environment: Mapping[str, str], directory: Path) -> Configuration:
    """Return what is in force for a command line and an environment; raises `ConfigurationError` with every mistake.

    Otherwise as `draft_configuration`.
    """
    configuration, mistakes = draft_configuration(options, environment, directory)
    if mistakes:
        raise ConfigurationError(mistakes)
    return configuration


def draft_configuration(
    options: Mapping[str, Any], environment: Mapping[str, str], directory: Path
) -> tuple[Configuration, list[Mistake]]:
    """Return what is in force for a command line and an environment, and every mistake; a wrong value is left out.

    An option goes before the environment, that before ``.env`` in ``directory``, that before the file that is named
    with ``config``, and that before the defaults, of which some depend on the environment. Paths are relative to
    ``directory``, those in the file to the file's. Blocks. A value that another goes before is looked at as well.
    """
    mistakes: list[Mistake] = []
    spoken = _from_options(options, directory)
    variables = _from_environment(environment, directory, mistakes)
    dotenv = _from_dotenv(directory / _DOTENV, mistakes)
    named = next((layer[CONFIG] for layer in (spoken, variables, dotenv) if CONFIG in layer), None)
    layers = [spoken, variables, dotenv]
    if named is not None:
        layers.append(_from_file(directory / str(named.value), mistakes))
    values, origins = _merged(layers, mistakes)
    _surround(values, origins, environment, mistakes)
    return Configuration(values, origins), mistakes


def _from_options(options: Mapping[str, Any], directory: Path) -> _Layer:
    layer: _Layer = {}
    for setting in TABLE:
        given = options.get(setting.option) if setting.option else None
        if given:
            value = str(not setting.default).lower() if isinstance(setting.kind, Flag) else given
            layer[setting.name] = _Given(Origin("option", f"--{setting.option}"), value, directory)
    if options.get(CONFIG):
        layer[CONFIG] = _Given(Origin("option", f"--{CONFIG}"), options[CONFIG], directory)
    return layer


def _from_environment(environment: Mapping[str, str], directory: Path, mistakes: list[Mistake]) -> _Layer:
    layer: _Layer = {}
    for variable, value in environment.items():
        if variable.startswith(PREFIX) and value:
            _take_variable(layer, variable, value, Origin("environment", variable), directory, mistakes)
    return layer


def _from_dotenv(path: Path, mistakes: list[Mistake]) -> _Layer:
    layer: _Layer = {}
    if not os.path.exists(path):  # Path.exists raises an exception where it may not look
        return layer
    try:
        lines = parse(read_text(path), PREFIX)
    except BadFile as error:
        mistakes.append(Mistake(Origin(_DOTENV, "", path, error.line), error.reason))
        return layer
    for line in lines:
        origin = Origin(_DOTENV, line.name, path, line.number)
        if line.value is None:
            mistakes.append(Mistake(origin, "can't be read: it is NAME=VALUE, the value plain or in quotes"))
        elif line.value:
            _take_variable(layer, line.name, line.value, origin, path.parent, mistakes)
    return layer


def _take_variable(
    layer: _Layer, variable: str, value: str, origin: Origin, base: Path, mistakes: list[Mistake]
) -> None:
    if variable in BY_VARIABLE:
        layer[BY_VARIABLE[variable].name] = _Given(origin, value, base)
    elif variable == _CONFIG_VARIABLE:
        layer[CONFIG] = _Given(origin, value, base)
    elif variable not in _OTHERS:
        mistakes.append(Mistake(origin, f"is not a setting{_near(variable, [*BY_VARIABLE, _CONFIG_VARIABLE])}"))


def _from_file(path: Path, mistakes: list[Mistake]) -> _Layer:
    layer: _Layer = {}
    try:
        file = TomlFile(read_text(path))
    except BadFile as error:
        mistakes.append(Mistake(Origin("file", "", path, error.line), error.reason))
        return layer
    for name, value in file.values.items():
        origin = Origin("file", name, path, file.line(name))
        if name in BY_NAME:
            layer[name] = _Given(origin, value, path.parent, toml=True)
        elif name == LIMITS and value != {}:
            mistakes.append(Mistake(origin, f"is a table: [{LIMITS}]"))
        elif name != LIMITS:
            mistakes.append(Mistake(origin, f"is not a setting{_near(name, BY_NAME)}"))
    return layer


def _merged(layers: list[_Layer], mistakes: list[Mistake]) -> tuple[dict[str, object], dict[str, Origin]]:
    values: dict[str, object] = {setting.name: setting.default for setting in TABLE}
    origins = {setting.name: Origin("default", setting.name) for setting in TABLE}
    for layer in reversed(layers):
        for setting in TABLE:
            if setting.name in layer:
                _take(layer[setting.name], setting, values, origins, mistakes)
    return values, origins


def _take(
    given: _Given,
    setting: Setting,
    values: dict[str, object],
    origins: dict[str, Origin],
    mistakes: list[Mistake],
) -> None:
    try:
        values[setting.name] = given.read(setting)
        origins[setting.name] = given.origin
    except ValueError as error:
        mistakes.append(Mistake(given.origin, str(error)))


def _surround(
    values: dict[str, object], origins: dict[str, Origin], environment: Mapping[str, str], mistakes: list[Mistake]
) -> None:
    """Put in the defaults that depend on the surroundings: $PORT, $STATE_DIRECTORY, the user's own directory."""
    if origins["port"].source == "default" and values["endpoints"]:
        values["port"] = None
    elif origins["port"].source == "default" and environment.get("PORT"):
        given = _Given(Origin("environment", "$PORT"), environment["PORT"], Path())
        _take(given, BY_NAME["port"], values, origins, mistakes)
    if values["data"] is None:
        origins["data"] = Origin("default", "data")
        if state := state_directory(environment):
            values["data"], origins["data"] = state, Origin("environment", "$STATE_DIRECTORY")
            return
        try:
            values["data"] = default_directory(environment)
        except StartError as error:
            mistakes.append(Mistake(Origin("default", ""), str(error)))


def _near(name: str, known: Iterable[str]) -> str:
    """Return a question for the one that was probably meant, if there is one."""
    # What all have in front says nothing; and a limit outside its table, or a setting inside of it, is that one.
    bare = {_bare(other): other for other in known}
    found = get_close_matches(_bare(name), bare, n=1, cutoff=0.75)
    return f"; did you mean {bare[found[0]]}?" if found else ""


def _bare(name: str) -> str:
    """Return a setting's or a variable's name without what stands in front of it."""
    return name.removeprefix(PREFIX).removeprefix(f"{LIMITS.upper()}_").rpartition(".")[2]

"""Where the data are, and the admin socket, when nobody says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tcpchat.config.kinds import OFF
from tcpchat.errors import StartError

ADMIN_SOCKET = "admin.sock"


def admin_socket(said: Path | str | None, data: Path) -> Path | None:
    """Return where the admin socket is, for its setting and a data directory; None if there is to be none."""
    if isinstance(said, Path):
        return said
    return None if said == OFF else data / ADMIN_SOCKET


def state_directory(environment: Mapping[str, str]) -> Path | None:
    """Return the directory that systemd gives the service, if it does."""
    given = environment.get("STATE_DIRECTORY")
    return Path(given.split(":")[0]) if given else None


def default_directory(environment: Mapping[str, str]) -> Path:
    """Return the user's own directory (XDG Base Directory Specification); raises `StartError`."""
    state = environment.get("XDG_STATE_HOME", "")
    if state.startswith("/"):  # a relative path is to be ignored, says the specification
        return Path(state) / "tcpchat"
    try:
        return Path.home() / ".local" / "state" / "tcpchat"
    except RuntimeError:
        raise StartError("there is no home directory to keep the data in: name a directory with --data") from None

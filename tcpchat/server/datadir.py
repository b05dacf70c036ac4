"""The place of the embedded database: private to its owner, and held by one daemon at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tcpchat.errors import StartError

DATABASE = "tcpchat.db"


class FileLock:
    """Holds an SQLite file for this process and those it forks, until the last of them ends."""

    def __init__(self, database: Path) -> None:
        """Take the lock, or raise `StartError` naming who has it; raises OSError when there can't be one.

        The lock is a file beside the database, under whatever name the database is reached.
        """
        path = database.resolve()
        path = path.with_name(path.name + ".lock")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # flock, not lockf: it survives the fork of a daemon that goes to the background.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 32).decode(errors="replace").strip()
            os.close(self._file)
            known = f" (process {holder})" if holder else ""
            raise StartError(f"another daemon{known} is using {database}") from None

    def sign(self) -> None:
        """Write the number of this process into the file, for the one who finds it locked."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def open_directory(path: Path) -> None:
    """Create the directory (mode 0700) if it is absent; raises `StartError`.

    One that is ours already, or empty, is made private; the mode of any other is its owner's business.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = {entry.name for entry in path.iterdir()}
        if not names or DATABASE in names:
            path.chmod(0o700)
    except FileExistsError:
        raise StartError(f"can't use the data directory {path}: it is not a directory") from None
    except OSError as error:
        raise StartError(f"can't use the data directory {path}: {error.strerror or error}") from None

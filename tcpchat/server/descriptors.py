"""How many files this process may have open, and so how many connections."""

from __future__ import annotations

import resource

from tcpchat.errors import StartError

# More than any one process here has use for; systemd's own upper limit is far above.
_FILES = 65_536
# With fewer there is no use in starting.
_NEEDED_FILES = 256
# As many connections should fit; fewer are said at the start.
_CONNECTIONS = 10_000
# What isn't a connection: the database and its logs for each thread, listening ports, the reactor's own, log files.
_RESERVED = 128


def connection_capacity() -> int:
    """Raise the limit of open files as far as this process may, and return how many connections fit it.

    Every shell and service begins with a soft limit of 1,024 for the sake of programs that use ``select``; the
    hard one is what the operator has set (``ulimit -Hn``, systemd's ``LimitNOFILE``). Raises `StartError` when it is
    far too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft == resource.RLIM_INFINITY:
        files = _FILES
    elif soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    else:
        files = soft
    if files < _NEEDED_FILES:
        raise StartError(
            f"this process may have only {files} files open, and needs {_NEEDED_FILES} at least: "
            "raise the hard limit (ulimit -Hn; LimitNOFILE in systemd)"
        )
    return files - _RESERVED


def warning(capacity: int) -> str | None:
    """Return what is to be said at the start when few connections fit."""
    if capacity >= _CONNECTIONS:
        return None
    return (
        f"this process may have {capacity + _RESERVED} files open, so that only {capacity} connections fit: "
        "raise the hard limit (ulimit -Hn; LimitNOFILE in systemd)"
    )

"""How many files this process may have open, and so how many connections."""

from __future__ import annotations

import resource

# More than any one process here has use for; systemd's own upper limit is far above.
_FILES = 65_536
# What isn't a connection: the database and its logs for each thread, listening ports, the reactor's own, log files.
_RESERVED = 128


def connection_capacity() -> int:
    """Raise the limit of open files as far as this process may, and return how many connections fit it.

    Every shell and service begins with a soft limit of 1,024 for the sake of programs that use ``select``; the
    hard one is what the operator has set (``ulimit -Hn``, systemd's ``LimitNOFILE``).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= files:
        return max(soft, files) - _RESERVED
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return files - _RESERVED

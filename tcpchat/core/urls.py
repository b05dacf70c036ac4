"""URLs of databases as they may be shown: without the passwords in them."""

from __future__ import annotations

import re
from urllib.parse import unquote

MASK = "***"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# Rather too much than too little.
_SECRET = re.compile(r"pass|pwd|secret|key|token|dsn", re.IGNORECASE)
_COLON = re.compile(r":|%3a", re.IGNORECASE)


def masked(url: str) -> str:
    """Return ``url`` with stars for each password; for the whole of what isn't a URL, where anything may be one."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        return MASK if url else ""
    rest = url[scheme.end() :]
    user, at, place = rest.rpartition("@")
    if colon := _COLON.search(user):
        user = f"{user[: colon.start()]}:{MASK}"
    path, question, query = place.partition("?")
    parameters = "&".join(map(_parameter, query.split("&")))
    return f"{scheme[0]}{user}{at}{path}{question}{parameters}"


def _parameter(given: str) -> str:
    name, equals, _ = given.partition("=")
    return f"{name}={MASK}" if equals and _SECRET.search(unquote(name)) else given

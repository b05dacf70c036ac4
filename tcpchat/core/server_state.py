"""What admins have set for the whole server: emergencies, names, the message of the day, a stop to come."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tcpchat.core.confusables import skeleton
from tcpchat.core.names import fold
from tcpchat.core.requests import NameRule


class Emergency(StrEnum):
    """What the whole server refuses for a time; each level refuses what those before it do."""

    OFF = "off"
    NO_NEW_GUESTS = "no-new-guests"
    ACCOUNTS_ONLY = "accounts-only"
    READ_ONLY = "read-only"


@dataclass(slots=True)
class Shutdown:
    """A stop that is to come: when (ms since 1970, UTC), why, and the seconds before it that were announced."""

    at: int
    reason: str
    announced: int


@dataclass(slots=True)
class ServerState:
    """What admins have set for the whole server. All but the shutdown and the code is kept through a restart.

    ``owner_code`` is the hash of the code that makes an account the owner, empty once it is used. ``names`` are kept
    from people, by folded name; ``looks`` are the same by what they look like.
    """

    emergency: Emergency = Emergency.OFF
    motd: str | None = None
    owner_code: str = ""
    shutdown: Shutdown | None = None
    names: dict[str, NameRule] = field(default_factory=dict)
    looks: dict[str, NameRule] = field(default_factory=dict)

    def rule(self, name: str) -> NameRule | None:
        """Return the rule about ``name``, or about one that looks like it."""
        return self.names.get(fold(name)) or self.looks.get(skeleton(name))

    def put(self, rule: NameRule) -> None:
        """Keep a name from people, or no more."""
        for registry, key in ((self.names, rule.key), (self.looks, skeleton(rule.name))):
            if rule.rule == "free":
                registry.pop(key, None)
            else:
                registry[key] = rule

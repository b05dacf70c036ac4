"""What holds for the whole server: what admins have set, and how its store is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tcpchat.core.confusables import skeleton
from tcpchat.core.names import fold
from tcpchat.core.requests import NameRule

_NONE: dict[str, NameRule] = {}


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


class StoreState(StrEnum):
    """How the store is; of several that hold, the last."""

    OK = "ok"
    LOW_SPACE = "low-space"
    FAILING = "failing"


@dataclass(slots=True)
class StoreHealth:
    """How the store is. Times are in ms since 1970, UTC.

    ``since`` is when the state began, and 0 before anything was known; ``error`` and ``failed`` are the last words of
    the database and when it said them, also after it works again. ``free_bytes`` is None if that is not ours to know.
    """

    failing: bool = False
    low_space: bool = False
    since: int = 0
    error: str = ""
    failed: int = 0
    free_bytes: int | None = None

    @property
    def state(self) -> StoreState:
        """How it is, in a word."""
        if self.failing:
            return StoreState.FAILING
        return StoreState.LOW_SPACE if self.low_space else StoreState.OK


@dataclass(slots=True)
class ServerState:
    """What holds for the whole server. What admins have set is kept through a restart, but the shutdown and the code.

    ``owner_code`` is the hash of the code that makes an account the owner, empty once it is used. ``names`` are kept
    from people, by folded name; ``looks`` are the same by what they look like, as several may be alike.
    ``read_only`` is whether anybody is refused to write, for whatever reason: it is asked for every message, and
    `settle` makes it right.
    """

    emergency: Emergency = Emergency.OFF
    store: StoreHealth = field(default_factory=StoreHealth)
    read_only: bool = False
    motd: str | None = None
    owner_code: str = ""
    shutdown: Shutdown | None = None
    names: dict[str, NameRule] = field(default_factory=dict)
    looks: dict[str, dict[str, NameRule]] = field(default_factory=dict)

    def settle(self) -> None:
        """Note whether anybody may not write: to be called after each change of the emergency or the store."""
        self.read_only = self.emergency is Emergency.READ_ONLY or self.store.state is not StoreState.OK

    def rule(self, name: str) -> NameRule | None:
        """Return the rule about ``name``, or about one that looks like it."""
        alike = self.looks.get(skeleton(name), _NONE)
        return self.names.get(fold(name)) or next(iter(alike.values()), None)

    def put(self, rule: NameRule) -> None:
        """Keep a name from people, or no more."""
        if (before := self.names.pop(rule.key, None)) is not None:
            look = skeleton(before.name)
            del self.looks[look][rule.key]
            if not self.looks[look]:
                del self.looks[look]
        if rule.rule != "free":
            self.names[rule.key] = rule
            self.looks.setdefault(skeleton(rule.name), {})[rule.key] = rule

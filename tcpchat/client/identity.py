"""Who we are on the server, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcpchat.core.commands import Login, Register

_UNKNOWN = "the owner of the token"


@dataclass(slots=True)
class Identity:
    """What we are called, empty when what is typed next is a name; and what proves it, as long as this runs.

    ``registration`` is what makes the account that we arrive as. ``reads``: somebody reads what is shown.
    """

    name: str = ""
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    registration: Register | None = field(default=None, repr=False)
    reads: bool = False

    @classmethod
    def first(cls, name: str | None, token: str | None, *, reads: bool) -> Identity:
        """Return who we are at the start; a token tells the name, if none is given."""
        return cls(name or (_UNKNOWN if token else ""), token=token, reads=reads)

    @property
    def lasting(self) -> bool:
        """Whether we are the same person when we come back: a guest is another."""
        return self.password is not None or self.token is not None

    def arriving(self) -> Login | Register:
        """Return how we come for the first time."""
        if self.registration is not None:
            return self.registration
        if self.token is not None:
            return Login("" if self.name == _UNKNOWN else self.name, token=self.token, reads=self.reads)
        return self.returning()

    def returning(self) -> Login:
        """Return how we come back: a token tells the name that the account has by then."""
        if self.token is not None:
            return Login(token=self.token, reads=self.reads)
        return Login(self.name, password=self.password, reads=self.reads)

    def become(self, name: str, password: str | None) -> None:
        """Be somebody else."""
        self.name, self.password = name, password
        self.token = self.registration = None

"""The code that makes an account the owner of the server: made once, read from a file, used once."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from tcpchat.errors import StartError

FILE = "owner-code"

# 128 bits in groups that a person can type.
_GROUPS = 8
_GROUP_BYTES = 2


class OwnerCode:
    """The file with the code, in the data directory (mode 0600), while the server has no owner."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE

    def read(self) -> str:
        """Return the code, made now if there is none. Blocks, and raises `StartError`."""
        try:
            if self.path.exists() and (known := self.path.read_text("ascii").strip()):
                return known
            code = "-".join(secrets.token_hex(_GROUP_BYTES) for _ in range(_GROUPS))
            self.path.unlink(missing_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{code}\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StartError(f"can't keep the owner code in {self.path}: {reason}") from None
        return code

    def discard(self) -> None:
        """Remove the file: there is an owner. Blocks, and raises OSError."""
        self.path.unlink(missing_ok=True)

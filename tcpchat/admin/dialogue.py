"""Asking a running daemon over its admin socket: one JSON object a line, one answer after another."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tcpchat.core.text import clean

Json = dict[str, Any]

_CHUNK_BYTES = 64 * 1024


class Failed(Exception):
    """It can't be done; the text is one sentence, with nothing in it that a terminal would obey."""

    def __init__(self, text: str) -> None:
        super().__init__(clean(text))


class Dialogue:
    """A connection to the daemon at ``path``; everything asked is answered within so many seconds, or `Failed`."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._received = b""
        self._notice = ""
        self._last_id = 0
        self._socket = _connected(path, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def ask(self, op: str, data: Json) -> Json:
        """Return the data of the answer; raises `Failed` with the daemon's words if it refuses, or with ours."""
        self._last_id += 1
        deadline = time.monotonic() + self._seconds
        line = json.dumps({"op": op, "id": self._last_id, "data": data}).encode() + b"\n"
        try:
            # Who has been refused can't send any more, and is still told why.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._socket.sendall(line)
            while (answer := self._read(deadline)).get("id") != self._last_id:
                self._take_notice(answer)
        except TimeoutError:
            raise Failed(f"the daemon at {self._path} has not answered within {self._seconds:g} seconds") from None
        except OSError as error:
            raise Failed(f"the connection to {self._path} broke: {error.strerror or error}") from None
        if answer.get("status") != "ok":
            raise Failed(str(answer.get("error", {}).get("message", "the daemon refused it without a word")))
        found: Json = answer.get("data", {})
        return found

    def _read(self, deadline: float) -> Json:
        """Return the next object; raises `Failed` at the end, TimeoutError and OSError."""
        while b"\n" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            chunk = self._socket.recv(_CHUNK_BYTES)
            if not chunk:
                raise Failed(self._notice or f"the daemon at {self._path} has hung up without an answer")
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Failed(f"what listens on {self._path} is not tcpchat: it said {line[:60].decode(errors='replace')}")
        return found

    def _take_notice(self, event: Json) -> None:
        """Remember why the connection may be about to end."""
        if event.get("op") == "notice":
            self._notice = str(event.get("data", {}).get("text", ""))
        elif event.get("status") == "error":  # of a line that the daemon could not understand
            raise Failed(str(event.get("error", {}).get("message", "")))


def _connected(path: Path, seconds: float) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(seconds)
    try:
        made.connect(str(path))
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        reason = f"no daemon listens on {path}: start it, or name its socket (--socket) or data directory (--data-dir)"
    except PermissionError:
        reason = f"you may not use {path}: only the user of the daemon and root may"
    except (BlockingIOError, TimeoutError):
        reason = f"the daemon at {path} takes no more connections just now"
    except OSError as error:
        reason = f"can't connect to {path}: {error.strerror or error}"
    else:
        return made
    made.close()
    raise Failed(reason)

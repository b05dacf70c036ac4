"""How one person reads: the width of the terminal, the hours of the day, and colours or none."""

from __future__ import annotations

import re
from colorsys import rgb_to_hls
from datetime import UTC, datetime, timedelta
from zlib import crc32

import msgspec

from tcpchat.core.events import QUARTER_MS
from tcpchat.errors import ChatError, Code
from tcpchat.wire.wrap import wrap

# Time zones are whole quarters of an hour apart, from 12 hours behind UTC to 14 before it.
_QUARTER_MINUTES = QUARTER_MS // 60_000
_EARLIEST = -12 * 60
_LATEST = 14 * 60
_OFFSET = re.compile(r"(?:utc|gmt)?(?:([+-]?)(\d\d?)(?::?([0-5]\d))?)?", re.IGNORECASE | re.ASCII)
_MINUTE_MS = 60_000
_DAY_MINUTES = 24 * 60

# ECMA-48, SGR: the six hues in the order of the colour circle. The terminal's owner has made them readable, which a
# colour that somebody else has chosen need not be.
_HUES = (31, 33, 32, 36, 34, 35)
_HUE_NAMES = {
    "red": 31, "maroon": 31, "orange": 33, "gold": 33, "yellow": 33, "brown": 33, "olive": 33, "green": 32, "lime": 32,
    "teal": 36, "aqua": 36, "cyan": 36, "turquoise": 36, "blue": 34, "navy": 34, "indigo": 34, "purple": 35,
    "violet": 35, "fuchsia": 35, "magenta": 35, "pink": 35,
}  # fmt: skip


_HEXADECIMAL = re.compile("#[0-9a-fA-F]{6}")


class Spoken(str):
    """A line of speech that knows whose it is, for those who see colours."""

    __slots__ = ("color", "speaker")

    speaker: str
    color: str

    @classmethod
    def by(cls, speaker: str, color: str, line: str) -> Spoken:
        """Return ``line``, said by ``speaker``, who has chosen ``color`` or none."""
        spoken = cls(line)
        spoken.speaker = speaker
        spoken.color = color
        return spoken


class View(msgspec.Struct, frozen=True):
    """``width`` in columns, 0 while unknown; ``offset`` of the person's clock from UTC, in minutes."""

    width: int = 0
    offset: int = 0
    colors: bool = False

    @property
    def zone(self) -> str:
        """The name of the person's time: ``UTC``, ``UTC+2``, ``UTC-3:30``."""
        hours, minutes = divmod(abs(self.offset), 60)
        rest = f":{minutes:02}" if minutes else ""
        return f"UTC{'-' if self.offset < 0 else '+'}{hours}{rest}" if self.offset else "UTC"

    def time(self, at: int) -> str:
        """Return the hour and minute of ``at`` (milliseconds since 1970, UTC) by the person's clock."""
        return f"{self._local(at):%H:%M}"

    def day(self, at: int) -> str:
        """Return the day of ``at`` in words: ``Saturday 21 November 2026``."""
        when = self._local(at)
        return f"{when:%A} {when.day} {when:%B} {when.year}"

    def begins_day(self, at: int) -> bool:
        """Return whether ``at`` is in the first quarter of an hour of the person's day."""
        return (at // _MINUTE_MS + self.offset) % _DAY_MINUTES < _QUARTER_MINUTES

    def lines(self, line: str) -> list[str]:
        """Return ``line`` as it is shown: cut at the width, the speaker's name in a colour if colours are wanted."""
        parts = wrap(line, self.width)
        if self.colors and isinstance(line, Spoken):
            parts[0] = _painted(parts[0], line)
        return parts

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / 1000, UTC) + timedelta(minutes=self.offset)


class Adjust(msgspec.Struct, frozen=True):
    """What a person changes in the own view; nothing: tell what it is."""

    offset: int | None = None
    colors: bool | None = None

    def applied(self, view: View) -> View:
        """Return the view after the change."""
        offset = view.offset if self.offset is None else self.offset
        colors = view.colors if self.colors is None else self.colors
        return View(view.width, offset, colors)

    def told(self, view: View) -> str:
        """Return the sentence that says what ``view``, after the change, is like."""
        if self.colors is not None:
            return "Names are shown in colours now." if view.colors else "There are no colours now."
        if self.offset is not None:
            return f"Times are shown in {view.zone} now."
        return f"Times are shown in {view.zone}. If your clock is two hours ahead of UTC, type /timezone +2"


def parse_offset(text: str) -> int:
    """Return the minutes that ``+2``, ``-03:30`` or ``UTC`` is ahead of UTC; raise ``bad-field``."""
    match = _OFFSET.fullmatch(text)
    if match is not None and text:
        sign, hours, minutes = match.groups()
        offset = (int(hours or 0) * 60 + int(minutes or 0)) * (-1 if sign == "-" else 1)
        if _EARLIEST <= offset <= _LATEST and offset % _QUARTER_MINUTES == 0:
            return offset
    raise ChatError(
        Code.BAD_FIELD,
        f"{text[:32]} is no number of hours: type for example /timezone +2, /timezone -3:30 or /timezone UTC.",
        field="offset",
    )


def _painted(line: str, spoken: Spoken) -> str:
    """Return the first part of a line of speech with the speaker's name in a colour."""
    start = line.find(spoken.speaker)
    if start not in (0, 2):  # the name doesn't fit the width; 2: after the star of an action
        return line
    end = start + len(spoken.speaker)
    return f"{line[:start]}\x1b[{_hue(spoken)}m{line[start:end]}\x1b[39m{line[end:]}"


def _hue(spoken: Spoken) -> int:
    """Return the code of the colour nearest to the chosen one; without one, that of the name."""
    color = spoken.color
    if color in _HUE_NAMES:
        return _HUE_NAMES[color]
    if _HEXADECIMAL.fullmatch(color):
        red, green, blue = bytes.fromhex(color[1:])
        hue, _, saturation = rgb_to_hls(red / 255, green / 255, blue / 255)
        return _HUES[round(hue * 6) % 6] if saturation else 39
    return _HUES[crc32(spoken.speaker.encode()) % 6]

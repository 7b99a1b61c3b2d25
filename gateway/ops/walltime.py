"""The wall clock against the monotonic one: steps are told, and a clock that nobody has set is not believed.

Nothing is scheduled by it (docs/architecture.md, "The data"): a step moves no poll. But the times of readings that
carry none of their own are of this clock, so whoever reads them must know: what leaves the gateway meanwhile says so.
"""

import ctypes
import ctypes.util
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.sdk.clock import Clock

STEP: Final = 1.0  # s by which wall and monotonic clock may part between two looks; NTP slews 0.5 ms a second at most
SETTLES: Final = 600.0  # s after a step until the clock is believed again
VOUCHED: Final = 60.0  # the same where a time server vouches for it; timesyncd asks anew at once when the clock is set
MADE: Final = 1_767_225_600  # Unix s, 2026-01-01: no gateway of this version can have run before
_SYNCHRONIZED: Final = Path("/run/systemd/timesync/synchronized")  # systemd-timesyncd.service(8)
_TIMESYNCD: Final = _SYNCHRONIZED.parent
_STA_UNSYNC: Final = 0x40  # adjtimex(2)
_TIMEX: Final = 256  # bytes, more than struct timex on any platform
_STATUS: Final = 10  # place of `status` in struct timex, in ints, where long has 64 bits


@dataclass(frozen=True, slots=True)
class Step:
    """The wall clock has been set: by so many seconds, and what it said before and says now (Unix ns)."""

    seconds: float
    before: int
    now: int


class Doubt(StrEnum):
    """Why the clock is not to be trusted, as messages say it (`clock`, docs/messages.md); empty while it is."""

    NONE = ""
    UNSET = "unset"
    STEPPED = "stepped"
    UNSYNCHRONISED = "unsynchronised"


class WallWatch:
    """Looks at the wall clock, once a second.

    Attributes:
        strict: whether it must follow a time server (`gateway.clock`); unset, it is believed until something speaks
            against it.
        doubt: why what is made now says that its times are not to be trusted.
        trusted: whether it is known to be right (True), known not to be (False), or neither (None).
        why: why it is not trusted; "" where it is, or where that is not known.
        plausible: whether it says a time at which this version can run.
        steps: how often it was set while the gateway ran.
    """

    def __init__(self, clock: Clock) -> None:
        self.trusted: bool | None = None
        self.why = ""
        self.steps = 0
        self.strict = False
        self._clock, self._stepped = clock, float("-inf")
        self._wall, self._monotonic = clock.wall_ns(), clock.monotonic()
        self.plausible = self._wall >= MADE * 1_000_000_000
        self.doubt = self._doubt(None)

    def look(self, told: bool | None) -> Step | None:  # noqa: FBT001 - what `synchronized` says
        """What has happened since the last look."""
        wall, monotonic = self._clock.wall_ns(), self._clock.monotonic()
        expected = self._wall + int((monotonic - self._monotonic) * 1e9)
        self._wall, self._monotonic = wall, monotonic
        self.plausible = wall >= MADE * 1_000_000_000
        self.trusted, self.why = judged(wall, told, strict=self.strict)
        off = (wall - expected) / 1e9
        step = Step(off, expected, wall) if abs(off) >= STEP else None
        if step:
            self.steps, self._stepped = self.steps + 1, monotonic
        self.doubt = self._doubt(told)
        return step

    def said(self) -> str:
        """`doubt`, as messages say it."""
        return self.doubt.value

    def expect(self, *, strict: bool) -> None:
        """Whether it must follow a time server; until it is known to, it is not trusted."""
        if strict is not self.strict:
            self.strict = strict
            self.doubt = self._doubt(self.trusted)

    def _doubt(self, told: bool | None) -> Doubt:  # noqa: FBT001 - what `synchronized` says
        if not self.plausible:
            return Doubt.UNSET
        if self._monotonic - self._stepped < (VOUCHED if told else SETTLES):
            return Doubt.STEPPED
        return Doubt.UNSYNCHRONISED if self.strict and not told else Doubt.NONE


def judged(wall: int, told: bool | None, *, strict: bool = False) -> tuple[bool | None, str]:  # noqa: FBT001 - of NTP
    """Whether a clock that says `wall` is to be trusted, and why not.

    `told` is what is known of NTP; `strict`: nothing is known, and that is not enough.
    """
    if wall < MADE * 1_000_000_000:
        return False, "the clock says a time before this version was made: it has not been set since the start"
    if told is False:
        return False, "the clock is not synchronised (NTP)"
    return told, "whether the clock is synchronised cannot be known here (gateway.clock)" if strict and not told else ""


def synchronized() -> bool | None:
    """Whether the system clock follows a time server; None where that cannot be known, as behind some sandboxes."""
    if _SYNCHRONIZED.exists():
        return True
    found = _adjtimex()
    return False if found is None and _TIMESYNCD.is_dir() else found


def _adjtimex() -> bool | None:
    """What the kernel says of it, whoever keeps the clock; nothing is known where a sandbox forbids the look."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        timex = (ctypes.c_int * (_TIMEX // 4))()  # modes = 0: only look
        if libc.adjtimex(timex) != -1 and ctypes.sizeof(ctypes.c_long) == 8:  # noqa: PLR2004 - bytes
            return not timex[_STATUS] & _STA_UNSYNC
    return None

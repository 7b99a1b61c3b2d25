"""What the outbox may take of the disk: whole segments go, telemetry first and thinned before, so that alarms stay.

Belongs to the store thread.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.deliver.ballast import Ballast
from gateway.deliver.event import Class
from gateway.deliver.outcome import Freed, Limits, Outcome, Thinned
from gateway.deliver.readback import Reader
from gateway.deliver.recovery import Segment
from gateway.deliver.thinning import Merge, thin_segment
from gateway.ops.files import Files
from gateway.sdk import Clock

_SHARE: Final = 8  # a segment takes at most this part of the budget, and of the longest age


@dataclass(slots=True)
class OnDisk:
    """One class on disk. `active` is the segment that is written to."""

    segments: list[Segment]
    number: int
    last: int
    floor: int  # no lower number is given again
    reader: Reader
    active: Segment | None = None
    new: bool = False  # the active segment's name is not durable yet


class Room:
    """Keeps what lies in one folder within its limits.

    Args:
        files: the file system.
        folder: where the segments lie.
        limits: how much may lie there.
        clock: for ages.
        merge: how telemetry is thinned before it is dropped; None: it is not.
        note: takes what the file system refuses.

    Attributes:
        classes: what lies there.
        outcome: where what was thinned and freed is to be told.
        untouched: sequence of telemetry beyond which nothing was ever read back: that alone is thinned. None: nothing.
    """

    def __init__(
        self,
        files: Files,
        folder: Path,
        limits: Limits,
        clock: Clock,
        merge: Merge | None,
        note: Callable[[OSError], None],
    ) -> None:
        self._files, self._folder, self._clock, self._merge, self._note = files, folder, clock, merge, note
        self._limits = limits._replace(segment=min(limits.segment, limits.budget // _SHARE))
        self._ballast = Ballast(files, folder, limits.ballast, limits.free)
        self.classes: dict[Class, OnDisk] = {}
        self.outcome = Outcome()
        self.untouched: int | None = None

    @property
    def segment(self) -> int:
        """Bytes that a segment may take."""
        return self._limits.segment

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for state in self.classes.values() for segment in state.segments)

    def outgrown(self, segment: Segment, more: int) -> bool:
        """Whether `more` bytes belong in a new segment: only whole segments are freed, by size and by age."""
        age = self._clock.monotonic() - segment.born
        return segment.size + more > self._limits.segment or age > self._limits.max_age / _SHARE

    def retire(self, low: dict[Class, int]) -> None:
        """Remove the segments of which everything is settled. The newest stays: it knows how far numbers were given."""
        for cls, sequence in low.items():
            state = self.classes[cls]
            while len(state.segments) > 1 and state.segments[0].last <= sequence:
                if not self._remove(cls, state.segments[0], "damaged"):  # whatever nobody read back, was not readable
                    break

    def closed(self, cls: Class) -> bool:
        """Whether `cls` may not be written now: what is left of the ballast is not for telemetry."""
        return cls is Class.TELEMETRY and self._ballast.owed

    def make(self, cls: Class) -> bool:
        """On a full disk: drop the oldest telemetry; with none to spare, give the ballast to what is no telemetry."""
        return self._drop_oldest("full", (Class.TELEMETRY,)) or (cls is not Class.TELEMETRY and self._ballast.give_up())

    def tend(self) -> None:
        """Thin, then drop whole segments beyond the limits, least important first; and telemetry that is too old."""
        while self.size > self._limits.budget and (self._thin() or self._drop_oldest("budget", reversed(Class))):
            pass
        while self._too_full() and (self._thin() or self._drop_oldest("free", (Class.TELEMETRY,))):
            pass
        self._drop_aged()
        self._ballast.tend(self._clock.monotonic())

    def _drop_aged(self) -> None:
        telemetry = self.classes[Class.TELEMETRY].segments
        oldest_allowed = self._clock.monotonic() - self._limits.max_age
        while len(telemetry) > 1 and telemetry[1].born < oldest_allowed:  # nothing in the first is younger than that
            if not self._remove(Class.TELEMETRY, telemetry[0], "age"):
                break

    def _too_full(self) -> bool:
        """Whether telemetry that could go leaves others too little of the disk."""
        if not self._limits.free or not self.classes[Class.TELEMETRY].segments[:-1]:
            return False
        try:
            return self._files.free(self._folder) < self._limits.free
        except OSError as error:
            self._note(error)
            return False

    def _thin(self) -> bool:
        """Write the oldest telemetry that was not thinned yet anew, with less in it. False when there is none."""
        if self._merge is None or self.untouched is None:
            return False
        for segment in self.classes[Class.TELEMETRY].segments[:-1]:
            if segment.first <= self.untouched or segment.thin:
                continue
            segment.thin = True
            try:
                left = thin_segment(self._files, self._folder, segment, self._merge)
            except OSError as error:
                self._note(error)
                return False
            if left is not None:
                self.outcome.thinned.append(Thinned(Class.TELEMETRY, segment.number, left))
                return True
        return False

    def _drop_oldest(self, reason: str, classes: Iterable[Class]) -> bool:
        """Drop one segment, of the first of `classes` that has one to spare."""
        for cls in classes:
            spare = self.classes[cls].segments[:-1]
            if spare:
                return self._remove(cls, spare[0], reason)
        return False

    def _remove(self, cls: Class, segment: Segment, reason: str) -> bool:
        try:
            self._files.unlink(segment.path)
        except FileNotFoundError:
            pass  # somebody else did
        except OSError as error:
            self._note(error)
            return False
        self.classes[cls].segments.remove(segment)
        self.outcome.freed.append(Freed(cls, segment.number, reason))
        return True

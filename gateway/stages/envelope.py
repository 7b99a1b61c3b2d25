"""The envelope of a tag: what must hold for a value to be written to it. A table of checks, pure, the same for all.

Judged twice: when the write's turn has come, and once more when its record is safe, right before the device is asked.
"""

import math
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from gateway.sdk.config import TagConfig, WriteConfig
from gateway.sdk.expression import Expression, Known
from gateway.sdk.tags import TagTable
from gateway.sdk.write import Value
from gateway.stages.writing import Reason, WriteCommand, WriteError

_LARGEST: Final = sys.float_info.max
_WHOLE: Final = 2**63
_NEARLY: Final = 1e-9  # of a step: 0.3 - 0.1 is a step of 0.2


@dataclass(frozen=True, slots=True)
class Envelope:
    """What may be written to one tag.

    Attributes:
        name: device.tag.
        row: of the tag.
        tag: its configuration.
        write: what it says about writing.
        low: least value, after scaling; -inf: none.
        high: greatest value.
        interlock: what must hold; None: nothing.
        watched: rows of the interlock's tags.
    """

    name: str
    row: int
    tag: TagConfig
    write: WriteConfig
    low: float
    high: float
    interlock: Expression | None
    watched: tuple[int, ...]

    def says(self, other: "Envelope") -> bool:
        """Whether the other says the same of the same row."""
        mine, its = ((one.row, one.tag, one.write, one.low, one.high, one.watched) for one in (self, other))
        return mine == its

    @classmethod
    def of(cls, table: TagTable, row: int, tag: TagConfig, write: WriteConfig) -> "Envelope":
        """The envelope of the tag at `row`."""
        limits = [limit for limit in (write.range, tag.range) if limit is not None]
        interlock = Expression(write.interlock) if write.interlock else None
        watched = tuple(table.row(name) for name in interlock.names) if interlock else ()
        low, high = (
            max((low for low, _ in limits), default=-math.inf),
            min((high for _, high in limits), default=math.inf),
        )
        return cls(table.names[row], row, tag, write, low, high, interlock, watched)

    def number(self, value: Value) -> float | int | None:
        """`value` as a number after scaling; None for a text that stands for none."""
        if not isinstance(value, str):
            return value
        raw = self.tag.number(value)
        return None if raw is None else raw * self.tag.scale + self.tag.offset

    def raw(self, value: Value) -> Value:
        """`value` before scaling, as the device holds it: exactly, so that 19.99 / 0.01 is 1999.

        Raises WriteError where no number is large enough.
        """
        scale, offset = self.tag.scale, self.tag.offset
        if isinstance(value, str | bool) or (scale, offset) == (1.0, 0.0):
            return value
        raw = (_exact(value) - _exact(offset)) / _exact(scale)
        if raw.denominator == 1 and abs(raw) < _WHOLE:
            return raw.numerator
        try:
            return float(raw)
        except OverflowError as error:
            raise WriteError(Reason.OUT_OF_RANGE, f"{self.name}: {value:g} is too large before scaling") from error

    def shown(self, raw: Value | None) -> Value | None:
        """What the device holds, after scaling, exactly; None where that is no number."""
        if raw is None or isinstance(raw, str | bool) or (self.tag.scale, self.tag.offset) == (1.0, 0.0):
            return raw
        if not math.isfinite(raw):
            return None
        shown = _exact(raw) * _exact(self.tag.scale) + _exact(self.tag.offset)
        return float(shown) if abs(shown) < _LARGEST else None

    @property
    def limits(self) -> str:
        """For a person: what may be written."""
        listed = ", ".join(map(str, self.write.values or ()))
        within = f"{self.low:g} to {self.high:g} {self.tag.unit}".rstrip() if self.bounded else ""
        return " within ".join(part for part in (listed, within) if part)

    @property
    def bounded(self) -> bool:
        """Whether numbers have a least or a greatest."""
        return math.isfinite(self.low) or math.isfinite(self.high)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a command is judged.

    Attributes:
        via: the way that it came: cli, mqtt or rule.
        now: Unix ns UTC.
        present: the tag's value after scaling; None where it is not good.
        watched: values of the interlock's tags; None where they are not good.
        since: seconds since the tag was written last.
        armed: whether the command brings the token that this very value was armed with.
        there: whether the device answers.
    """

    via: str
    now: int
    present: Known
    watched: Sequence[Known]
    since: float
    armed: bool
    there: bool


def _right(envelope: Envelope, _command: WriteCommand, facts: Facts) -> str:
    allowed = " and ".join(envelope.write.allow)
    return "" if facts.via in envelope.write.allow else f"is for {allowed} only (write.allow)"


def _expired(_envelope: Envelope, command: WriteCommand, facts: Facts) -> str:
    return f"has waited for {(facts.now - command.expires) / 1e9:.1f} s too long" if _late(command, facts) else ""


def _late(command: WriteCommand, facts: Facts) -> bool:
    return bool(command.expires) and facts.now >= command.expires


def _type(envelope: Envelope, command: WriteCommand, _facts: Facts) -> str:
    known = not isinstance(command.value, str) or envelope.number(command.value) is not None
    texts = any(isinstance(value, str) for value in envelope.write.values or ())
    return "" if known or texts else f"takes no text '{command.value[:40]}'"  # type: ignore[index]  # it is text


def _range(envelope: Envelope, command: WriteCommand, _facts: Facts) -> str:
    number, listed = envelope.number(command.value), envelope.write.values
    if listed is not None and command.value not in listed and number not in listed:
        return f"takes only {envelope.limits}"
    if not (envelope.bounded or listed):
        return "does not say what may be written"
    fits = number is None or envelope.low <= number <= envelope.high
    return "" if fits else f"takes {envelope.limits}, not {number:g}"


def _quality(envelope: Envelope, _command: WriteCommand, facts: Facts) -> str:
    unknown = envelope.write.step is not None and facts.present is None
    return "is not good now, so no step from it can be measured" if unknown else ""


def _step(envelope: Envelope, command: WriteCommand, facts: Facts) -> str:
    number, most = envelope.number(command.value), envelope.write.step
    if most is None or number is None or facts.present is None:
        return ""
    step = abs(number - facts.present)
    fits = step <= most + _NEARLY * max(abs(most), abs(number))
    return "" if fits else f"is {facts.present:g} now; a step of {step:g} is more than {most:g}"


def _interlock(envelope: Envelope, _command: WriteCommand, facts: Facts) -> str:
    if envelope.interlock is None or envelope.interlock.holds(facts.watched):
        return ""
    unknown = [name for name, value in zip(envelope.interlock.names, facts.watched, strict=True) if value is None]
    why = f"; {', '.join(unknown)} not good" if unknown else ""
    return f"is interlocked: {envelope.interlock.text}{why}"


def _rate(envelope: Envelope, _command: WriteCommand, facts: Facts) -> str:
    least = 1 / envelope.write.rate if envelope.write.rate else 0.0
    fits = facts.since >= least
    return "" if fits else f"was written {facts.since:.1f} s ago; {least:g} s must lie between two writes"


def _armed(envelope: Envelope, _command: WriteCommand, facts: Facts) -> str:
    return "" if facts.armed or not envelope.write.arm else "must be armed first, with this very value"


def _away(_envelope: Envelope, _command: WriteCommand, facts: Facts) -> str:
    return "" if facts.there else "cannot be reached: its device does not answer"


Check = Callable[[Envelope, WriteCommand, Facts], str]
CHECKS: Final[tuple[tuple[Reason, Check], ...]] = (
    (Reason.NO_RIGHT, _right),
    (Reason.EXPIRED, _expired),
    (Reason.WRONG_TYPE, _type),
    (Reason.OUT_OF_RANGE, _range),
    (Reason.BAD_QUALITY, _quality),
    (Reason.STEP, _step),
    (Reason.INTERLOCK, _interlock),
    (Reason.RATE, _rate),
    (Reason.NOT_ARMED, _armed),
    (Reason.DEVICE_AWAY, _away),
)


def _exact(number: float) -> Fraction:
    """What is written, not what is nearest in binary: 0.1 is a tenth."""
    return Fraction(str(number))


def judge(envelope: Envelope, command: WriteCommand, facts: Facts) -> None:
    """Raises WriteError with the first of CHECKS that does not hold."""
    for reason, check in CHECKS:
        if wrong := check(envelope, command, facts):
            raise WriteError(reason, f"{envelope.name} {wrong}")


def same(sent: Value, held: Value | None) -> bool:
    """Whether a device holds what was sent, both raw; a fraction as one of the float types holds it (IEEE 754)."""
    if isinstance(sent, str) or isinstance(held, str) or held is None:
        return sent == held
    return sent == held or (sent != round(sent) and any(_as(kind, sent) == held for kind in "fe"))


def _as(kind: str, value: float) -> float | None:
    try:
        return float(struct.unpack(kind, struct.pack(kind, value))[0])
    except OverflowError:
        return None

"""Writing, for adapters that can: a capability of its own, so that nothing can be written by accident."""

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from gateway.sdk.config import TagConfig
from gateway.sdk.errors import FieldgateError
from gateway.sdk.tags import Tag

Value = float | int | bool | str
_ROUNDING: Final = 1e-12  # of the range: 3 * 0.1 is a little more than 0.3


class WriteRefusedError(FieldgateError):
    """The device, or the tag's own type and range, refuses the value. The message says why; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write came to.

    Attributes:
        tag: the tag that was written.
        value: raw value that was sent.
        read_back: raw value that the device holds now; None where it cannot be read.
    """

    tag: Tag
    value: Value
    read_back: Value | None


@runtime_checkable
class Writes(Protocol):
    """An adapter whose tags can be written. Values are raw, as on the wire: scale and offset are the gateway's."""

    async def write(self, tag: Tag, value: Value) -> Written:
        """Write one tag of a connected device, between two polls and never beside one, and read it back.

        Raises:
            WriteRefusedError: nothing was changed.
            DisconnectedError: the device is away; whether it took the value is not known.
        """


def check_range(config: TagConfig, value: Value) -> None:
    """Refuse what lies beyond the engineering range of a tag; `value` is raw. Raises WriteRefusedError."""
    if config.range is None or isinstance(value, str):
        return
    shown, (low, high) = value * config.scale + config.offset, config.range
    slack = _ROUNDING * max(abs(low), abs(high))
    if not low - slack <= shown <= high + slack:
        raise WriteRefusedError(f"{shown:g} {config.unit}".rstrip() + f" is not within {low:g} to {high:g}")

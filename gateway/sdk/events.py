"""What happens in a device and what stands there, for adapters whose protocol tells: events and conditions.

A condition is something that has a state and lasts (OPC UA Part 9): active or not, acknowledged or not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from gateway.sdk.call import Called
from gateway.sdk.tags import Device


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened in a device, as it leaves the gateway.

    Attributes:
        device: its name.
        kind: what it is in a few words: device event, device condition.
        text: in a sentence, for people.
        time: when it happened, by the device's own clock, Unix ns UTC.
        fields: more of it, as JSON can carry it.
    """

    device: str
    kind: str
    text: str
    time: int
    fields: Mapping[str, Any] = field(default_factory=dict)


Tell = Callable[[Occurrence], None]
"""Send it to the plant: a plain call that neither blocks nor raises. At a bounded rate: each becomes a message."""


class Act(StrEnum):
    """What an operator does to a condition (OPC UA Part 9 §5.7.3, §5.7.4, §5.5.6)."""

    ACK = "ack"  # says that they know of it
    CONFIRM = "confirm"  # says that they have done what it asked for
    COMMENT = "comment"


@runtime_checkable
class Acknowledges(Protocol):
    """An adapter whose devices have conditions that can be acknowledged."""

    def standing(self) -> Mapping[str, Occurrence]:
        """What stands now: the last occurrence of each condition, by `device.id`. Read from any thread."""

    async def acknowledge(self, device: Device, condition: str, act: Act, words: str) -> Called:
        """Do it to the condition of a connected device with this id; `words` are kept with it there.

        Raises:
            CallRefusedError: nothing was changed.
            DisconnectedError: no answer; whether the device took it is not known.
        """


def unheard(_: Occurrence) -> None:
    """Where nobody listens, as in a tool that only reads."""

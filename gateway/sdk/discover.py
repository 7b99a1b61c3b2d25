"""Discovery, for adapters that can tell what answers at an address: a capability of its own, by reads only."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

OPEN: Final = 5  # packets that a connection costs at most: SYN and two repeats, or SYN, ACK, FIN, ACK; TCP's timers
REQUEST: Final = 2  # packets that a request costs at most: itself, and the ACK of its answer


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look.

    Attributes:
        host: address or name.
        port: TCP port.
        units: which units to ask where one address may have several.
        patience: seconds for one answer.
    """

    host: str
    port: int
    units: Sequence[int] = (1, 255)
    patience: float = 3.0


@dataclass(frozen=True, slots=True)
class Discovered:
    """What answers there, or does so oddly.

    Attributes:
        where: its address, as a device's `connect` has it.
        kind: what it is, in the protocol's words; "" where it is not what was looked for.
        says: what it says of itself: vendor, product and the like.
        remark: what is odd, or what to do next.
        device: the device file that reads it, as a person writes it; None where there is nothing to read.
        listening: False where the host is there and the port is not.
    """

    where: str
    kind: str = ""
    says: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""
    device: Mapping[str, Any] | None = None
    listening: bool = True


class Pace(Protocol):
    """Keeps all that is sent within a rate."""

    async def spend(self, packets: int) -> None:
        """Wait for leave to send as many."""


@runtime_checkable
class Discovers(Protocol):
    """An adapter that can tell what answers at an address."""

    @classmethod
    def ports(cls) -> Sequence[int]:
        """Where its devices usually listen."""

    @classmethod
    def discover(cls, place: Place, pace: Pace, /) -> AsyncGenerator[Discovered, None]:
        """Look at `place` in bounded time, by reads only, each packet with leave of `pace`. What fails is told."""

"""What a link is given: the wire that carries its bytes, and how the line at its other end wants to be treated."""

from dataclasses import dataclass
from typing import Protocol

from gateway_modbus.frames import TCP, Framing


class Wire(Protocol):
    """What carries the bytes: a transport of asyncio, or one of ours."""

    def write(self, data: bytes) -> None:
        """Send, or have sent."""

    def drain(self) -> bytes:
        """What has come and was not taken yet. Only asked of wires for framings without transaction ids."""

    def close(self) -> None:
        """End politely."""

    def abort(self) -> None:
        """End at once."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a line wants to be treated.

    Attributes:
        framing: what its bytes look like.
        silence: seconds without a byte before each request (MODBUS over Serial Line V1.02 §2.5.1.1: t3.5).
        byte_time: seconds that one byte takes on a serial line.
        patience: timeouts that a unit's late answer is waited for, where it could not be told from the next one.
    """

    framing: Framing = TCP
    silence: float = 0.0
    byte_time: float = 0.0
    patience: float = 1.0

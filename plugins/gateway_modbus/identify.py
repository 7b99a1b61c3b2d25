"""Who a device says it is: Read Device Identification, and the models of SunSpec. Pure.

MODBUS Application Protocol V1.1b3 §6.21 (function 43, MEI type 14); SunSpec Device Information Model V1.1 §6.
"""

import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway_modbus.faults import GOOD

MEI: Final = 0x0E
BASIC, REGULAR, INDIVIDUAL = 1, 2, 4
OBJECTS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "vendor", 1: "product_code", 2: "revision", 3: "url", 4: "product", 5: "model", 6: "application",
    }
)  # fmt: skip

SUNSPEC_BASES: Final = (40000, 50000, 0)
SUNSPEC_MARK: Final = b"SunS"
LAST_MODEL: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to the question: objects by their number, and where the next answer begins, None when this was all."""

    objects: Mapping[int, str]
    next: int | None


def identification(start: int = 0, code: int = REGULAR) -> bytes:
    """The PDU that asks for all objects of `code` from `start`."""
    return bytes((43, MEI, code, start))


def page(payload: bytes) -> Page | None:
    """Take an answer apart, from behind its function code. None where it is not one, or cut short."""
    if len(payload) < 6 or payload[0] != MEI:  # noqa: PLR2004 - MEI, code, conformity, more, next, count
        return None
    more, following, count = payload[3:6]
    objects, rest = {}, payload[6:]
    for _ in range(count):
        if len(rest) < 2 or len(rest) < 2 + rest[1]:  # noqa: PLR2004 - object and length
            return None
        objects[rest[0]] = rest[2 : 2 + rest[1]].decode("latin-1").strip("\0 ")
        rest = rest[2 + rest[1] :]
    return Page(objects, following if more == 0xFF else None)  # noqa: PLR2004 - §6.21: 0xFF, more follows


async def everything(ask: Callable[[bytes], Awaitable[tuple[int, bytes]]], most: int) -> tuple[int, dict[int, str]]:
    """All objects, asked for page by page, `most` pages; and how the first question ended (`faults`)."""
    objects: dict[int, str] = {}
    outcomes: list[int] = []
    at = 0
    while len(outcomes) < most:
        outcome, payload = await ask(identification(at))
        outcomes.append(outcome)
        found = page(payload) if outcome == GOOD else None
        objects |= found.objects if found else {}
        if found is None or found.next is None:
            break
        at = found.next
    return outcomes[0], objects


def named(objects: Mapping[int, str]) -> dict[str, str]:
    """The objects by name; those of the vendor's own by number."""
    return {OBJECTS.get(number, f"object_{number}"): text for number, text in sorted(objects.items())}


def sunspec_model(registers: bytes) -> tuple[int, int] | None:
    """(model, registers behind its header) from the two registers of a header; None behind the last model."""
    model, length = struct.unpack(">HH", registers)
    return None if model == LAST_MODEL else (model, length)

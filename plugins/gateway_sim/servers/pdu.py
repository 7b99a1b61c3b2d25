"""Requests of the Modbus protocol answered from memory: pure, no socket.

Modbus Application Protocol V1.1b3: function codes 1 to 6, 15, 16; exceptions 1 (function), 2 (address), 3 (value).
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3

READ_COILS: Final = 1
READ_DISCRETE: Final = 2
READ_HOLDING: Final = 3
READ_INPUT: Final = 4
WRITES: Final = frozenset({5, 6, 15, 16})
MAX_READ_BITS: Final = 2000  # §6.1
MAX_READ_REGISTERS: Final = 125  # §6.3
MAX_WRITE_BITS: Final = 1968  # §6.11
MAX_WRITE_REGISTERS: Final = 123  # §6.12
_COIL_ON: Final = 0xFF00  # §6.5: the only other legal value is 0


class RefusedError(Exception):
    """A request that is answered by an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


def _no_bits() -> NDArray[np.bool_]:
    return np.zeros(0, bool)


def _no_registers() -> NDArray[np.uint16]:
    return np.zeros(0, np.uint16)


@dataclass(slots=True)
class Memory:
    """The four tables of a device, each as long as it is; an address beyond is illegal (exception 2)."""

    coils: NDArray[np.bool_] = field(default_factory=_no_bits)
    discrete: NDArray[np.bool_] = field(default_factory=_no_bits)
    holding: NDArray[np.uint16] = field(default_factory=_no_registers)
    input: NDArray[np.uint16] = field(default_factory=_no_registers)


def respond(pdu: bytes, memory: Memory) -> bytes:
    """The answer to one request PDU (function code first): data, or an exception. Writes change `memory`."""
    function = pdu[0]
    try:
        return bytes((function,)) + _ANSWERS.get(function, _unknown)(pdu, memory)
    except RefusedError as refused:
        return bytes((function | 0x80, refused.code))


def span(pdu: bytes) -> range:
    """The addresses that a read request asks for; empty for anything else."""
    if len(pdu) != 5 or not READ_COILS <= pdu[0] <= READ_INPUT:  # noqa: PLR2004 - function, address, count (§6.1-6.4)
        return range(0)
    start, count = struct.unpack_from(">HH", pdu, 1)
    return range(start, start + count)


def _unknown(_pdu: bytes, _memory: Memory) -> bytes:
    raise RefusedError(ILLEGAL_FUNCTION)


def _fields(pdu: bytes, layout: str, *, exact: bool = True) -> tuple[int, ...]:
    """The big-endian fields behind the function code; a request of another length is exception 3."""
    size = struct.calcsize(layout) + 1
    if len(pdu) < size or (exact and len(pdu) != size):
        raise RefusedError(ILLEGAL_VALUE)
    return struct.unpack_from(layout, pdu, 1)


def _within(start: int, count: int, most: int, length: int) -> slice:
    """The slice of a table that is meant. The count is judged before the address (§6.1, figure 11)."""
    if not 1 <= count <= most:
        raise RefusedError(ILLEGAL_VALUE)
    if start + count > length:
        raise RefusedError(ILLEGAL_ADDRESS)
    return slice(start, start + count)


def _read_bits(pdu: bytes, memory: Memory) -> bytes:
    table = memory.coils if pdu[0] == READ_COILS else memory.discrete
    start, count = _fields(pdu, ">HH")
    packed = np.packbits(table[_within(start, count, MAX_READ_BITS, len(table))], bitorder="little").tobytes()
    return bytes((len(packed),)) + packed


def _read_registers(pdu: bytes, memory: Memory) -> bytes:
    table = memory.holding if pdu[0] == READ_HOLDING else memory.input
    start, count = _fields(pdu, ">HH")
    data = table[_within(start, count, MAX_READ_REGISTERS, len(table))].astype(">u2").tobytes()
    return bytes((len(data),)) + data


def _write_coil(pdu: bytes, memory: Memory) -> bytes:
    address, value = _fields(pdu, ">HH")
    if value not in (0, _COIL_ON):
        raise RefusedError(ILLEGAL_VALUE)
    memory.coils[_within(address, 1, 1, len(memory.coils))] = value == _COIL_ON
    return pdu[1:5]


def _write_register(pdu: bytes, memory: Memory) -> bytes:
    address, value = _fields(pdu, ">HH")
    memory.holding[_within(address, 1, 1, len(memory.holding))] = value
    return pdu[1:5]


def _write_coils(pdu: bytes, memory: Memory) -> bytes:
    start, count, size = _fields(pdu, ">HHB", exact=False)
    target = _within(start, count, MAX_WRITE_BITS, len(memory.coils))
    if size != (count + 7) // 8 or len(pdu) != 6 + size:
        raise RefusedError(ILLEGAL_VALUE)
    memory.coils[target] = np.unpackbits(np.frombuffer(pdu, np.uint8, size, 6), count=count, bitorder="little")
    return pdu[1:5]


def _write_registers(pdu: bytes, memory: Memory) -> bytes:
    start, count, size = _fields(pdu, ">HHB", exact=False)
    target = _within(start, count, MAX_WRITE_REGISTERS, len(memory.holding))
    if size != 2 * count or len(pdu) != 6 + size:
        raise RefusedError(ILLEGAL_VALUE)
    memory.holding[target] = np.frombuffer(pdu, ">u2", count, 6)
    return pdu[1:5]


_ANSWERS: Final[Mapping[int, Callable[[bytes, Memory], bytes]]] = {
    READ_COILS: _read_bits,
    READ_DISCRETE: _read_bits,
    READ_HOLDING: _read_registers,
    READ_INPUT: _read_registers,
    5: _write_coil,
    6: _write_register,
    15: _write_coils,
    16: _write_registers,
}

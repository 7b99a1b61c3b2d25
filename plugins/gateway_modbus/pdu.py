"""Requests as PDUs, function code first (MODBUS Application Protocol V1.1b3 §6). Pure."""

import struct
from typing import Final

WRITE_COIL: Final = 5
WRITE_REGISTER: Final = 6
WRITE_COILS: Final = 15
WRITE_REGISTERS: Final = 16
MASK_WRITE: Final = 22
READ_WRITE: Final = 23
_COIL_ON: Final = 0xFF00  # §6.5: the only other legal value is 0


def read(function: int, start: int, count: int) -> bytes:
    """Read `count` coils, discrete inputs or registers (functions 1 to 4)."""
    return struct.pack(">BHH", function, start, count)


def write_coil(function: int, address: int, *, on: bool) -> bytes:
    """Write one coil, by function 5 or 15."""
    if function == WRITE_COIL:
        return struct.pack(">BHH", function, address, _COIL_ON if on else 0)
    return struct.pack(">BHHBB", function, address, 1, 1, on)


def write_registers(function: int, start: int, data: bytes) -> bytes:
    """Write registers: one by function 6, any number by 16, and by 23, which also reads them back."""
    count = len(data) // 2
    if function == WRITE_REGISTER:
        return struct.pack(">BH", function, start) + data
    if function == WRITE_REGISTERS:
        return struct.pack(">BHHB", function, start, count, len(data)) + data
    return struct.pack(">BHHHHB", READ_WRITE, start, count, start, count, len(data)) + data


def mask_write(address: int, mask: int, bits: int) -> bytes:
    """Set those bits of one register that `mask` names to `bits`; all others stay (§6.16)."""
    return struct.pack(">BHHH", MASK_WRITE, address, ~mask & 0xFFFF, bits)

"""One simulated unit: its memory, moved by waves, and its answer to a request. Pure but for the time it is given.

Function codes 1 to 6, 15, 16 as all our servers; and 22, 23 and 43/14 (MODBUS Application Protocol V1.1b3 §6.16, §6.17,
§6.21).
"""

import contextlib
import struct
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.sdk import Value, WriteRefusedError
from gateway_modbus.addresses import DataTable
from gateway_modbus.coding import Coding, part_mask
from gateway_modbus.encode import encode, limits
from gateway_modbus.identify import MEI, OBJECTS
from gateway_sim.profile import ProfileError, ProfileTag, ProfileUnit
from gateway_sim.servers.pdu import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, Memory, respond
from gateway_sim.waves import Waves

FRESH_NS: Final = 10_000_000  # values are made anew when they are older
MASK_WRITE, READ_WRITE, IDENTIFY = 22, 23, 43
_TABLES: Final[Mapping[int, DataTable]] = {
    1: DataTable.COIL, 5: DataTable.COIL, 15: DataTable.COIL, 2: DataTable.DISCRETE, 4: DataTable.INPUT,
    3: DataTable.HOLDING, 6: DataTable.HOLDING, 16: DataTable.HOLDING, 22: DataTable.HOLDING, 23: DataTable.HOLDING,
}  # fmt: skip
_ONE: Final = frozenset({5, 6, 22})  # functions that name one address and no count


class Unit:
    """One unit as its profile says. Raises ProfileError for a tag that cannot hold its own mean."""

    def __init__(self, config: ProfileUnit, seed: int = 1) -> None:
        self.faults = config.faults
        self._config, self._seed = config, seed
        self._memory = _memory(config)
        self._names = tuple(config.tags)
        self._waves = Waves.of(list(config.tags.values()))
        self._moving = [name for name, tag in config.tags.items() if tag.wave != "constant" or tag.noise]
        self._shown = 0
        for name, tag in config.tags.items():
            try:
                self.show(name, tag.text if tag.kind == "string" else tag.mean)
            except WriteRefusedError as error:
                raise ProfileError(f"{name}: {error}") from error

    def show(self, name: str, value: Value) -> None:
        """Let tag `name` hold `value`, in engineering units. Raises WriteRefusedError when it cannot."""
        tag = self._config.tags[name]
        coding = tag.coding(self._config.order)
        wire = encode(coding, value if isinstance(value, str) else _raw(tag, coding, value))
        at = tag.at.number
        if tag.at.table.bits:
            _bits(self._memory, tag.at.table)[at] = wire == b"\1"
            return
        held = _registers(self._memory, tag.at.table)[at : at + tag.span]
        mask = np.frombuffer(part_mask(coding), ">u2").astype(np.uint16)
        held[:] = held & ~mask | np.frombuffer(wire, ">u2").astype(np.uint16)

    def answer(self, request: bytes, wall_ns: int) -> bytes:
        """The PDU that answers `request`."""
        if self.faults.exception is not None:
            return _refusal(request, self.faults.exception)
        refused = self._refused(request)
        if refused:
            return _refusal(request, refused)
        if wall_ns - self._shown > FRESH_NS:
            self._shown = wall_ns
            self._move(wall_ns)
        return _MORE.get(request[0], _plain)(request, self._memory, self._config)

    def _move(self, wall_ns: int) -> None:
        values = self._waves.values(wall_ns, (self._seed,))
        for index, name in enumerate(self._names):
            if name in self._moving:
                with contextlib.suppress(WriteRefusedError):  # an enumeration has no such number: it stays
                    self.show(name, float(values[index]))

    def _refused(self, request: bytes) -> int:
        """The exception code that the faults ask for, 0 for none."""
        table = _TABLES.get(request[0])
        if table is None or len(request) < 5:  # noqa: PLR2004 - function, address, count or value
            return 0
        start, count = struct.unpack_from(">HH", request, 1)
        count = 1 if request[0] in _ONE else count
        if not table.bits and count > self.faults.max_registers:
            return ILLEGAL_VALUE
        return ILLEGAL_ADDRESS if any(hole.meets(table, start, start + count) for hole in self.faults.holes) else 0


def _raw(tag: ProfileTag, coding: Coding, value: float) -> float:
    """The raw value, held within what the type can hold."""
    raw = (value - tag.offset) / tag.scale
    if tag.kind.startswith("float"):
        return raw
    low, high = limits(coding)
    return min(high, max(low, round(raw)))


def _memory(config: ProfileUnit) -> Memory:
    """Tables that end behind their last tag."""
    ends = dict.fromkeys(DataTable, 0)
    for tag in config.tags.values():
        ends[tag.at.table] = max(ends[tag.at.table], tag.at.number + tag.span)
    return Memory(
        coils=np.zeros(ends[DataTable.COIL], bool),
        discrete=np.zeros(ends[DataTable.DISCRETE], bool),
        holding=np.zeros(ends[DataTable.HOLDING], np.uint16),
        input=np.zeros(ends[DataTable.INPUT], np.uint16),
    )


def _bits(memory: Memory, table: DataTable) -> NDArray[np.bool_]:
    return memory.coils if table is DataTable.COIL else memory.discrete


def _registers(memory: Memory, table: DataTable) -> NDArray[np.uint16]:
    return memory.holding if table is DataTable.HOLDING else memory.input


def _refusal(request: bytes, code: int) -> bytes:
    return bytes((request[0] | 0x80, code))


def _plain(request: bytes, memory: Memory, _config: ProfileUnit) -> bytes:
    return respond(request, memory)


def _mask_write(request: bytes, memory: Memory, _config: ProfileUnit) -> bytes:
    if len(request) != 7:  # noqa: PLR2004 - function, address, two masks
        return _refusal(request, ILLEGAL_VALUE)
    address, keep, bits = struct.unpack_from(">HHH", request, 1)
    if address >= len(memory.holding):
        return _refusal(request, ILLEGAL_ADDRESS)
    memory.holding[address] = int(memory.holding[address]) & keep | bits & ~keep & 0xFFFF
    return request


def _read_write(request: bytes, memory: Memory, _config: ProfileUnit) -> bytes:
    """Writes first, then reads (§6.17)."""
    if len(request) < 10:  # noqa: PLR2004 - function, two addresses, two counts, size
        return _refusal(request, ILLEGAL_VALUE)
    written = respond(b"\x10" + request[5:], memory)
    if written[0] & 0x80:
        return _refusal(request, written[1])
    read = respond(b"\x03" + request[1:5], memory)
    return _refusal(request, read[1]) if read[0] & 0x80 else bytes((READ_WRITE,)) + read[1:]


def _identify(request: bytes, _memory: Memory, config: ProfileUnit) -> bytes:
    numbers = {name: number for number, name in OBJECTS.items()}
    objects = sorted((numbers[name], text.encode()) for name, text in config.identification.items() if name in numbers)
    if len(request) != 4 or request[1] != MEI or not objects:  # noqa: PLR2004 - function, MEI, code, object
        return _refusal(request, ILLEGAL_FUNCTION)
    listed = b"".join(bytes((number, len(text))) + text for number, text in objects)
    return bytes((IDENTIFY, MEI, request[2], 2, 0, 0, len(objects))) + listed


_Answer = Callable[[bytes, Memory, ProfileUnit], bytes]
_MORE: Final[Mapping[int, _Answer]] = {MASK_WRITE: _mask_write, READ_WRITE: _read_write, IDENTIFY: _identify}

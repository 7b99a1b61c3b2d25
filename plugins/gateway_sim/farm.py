"""`farm`: very many cheap Modbus TCP devices in one process, with a journal of what was answered and faults on command.

Registers 0-1 count the device's answers (uint32), 2-5 hold the wall time of the answer (uint64, µs), register i beyond
holds (257 i + count mod 64) mod 65536. All big-endian, holding and input registers alike.
"""

import asyncio
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from gateway_sim.servers.modbus import HOST, FrameError, frame, take_frame
from gateway_sim.servers.pdu import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, MAX_READ_REGISTERS

PATTERNS: Final = 64
CLOCK_REGISTERS: Final = 6
_READS: Final = (3, 4)
_REQUEST: Final = struct.Struct(">HHHBBHH")  # a read request, whole: MBAP header, function, start, count
_REPLY: Final = struct.Struct(">HHHBBB")
_CLOCK: Final = struct.Struct(">IQ")

Journal = Callable[[int, int, int], None]


def patterns(registers: int) -> list[bytes]:
    """What the registers behind the clock hold, for each of the `PATTERNS` counts."""
    behind = range(CLOCK_REGISTERS, registers)
    return [struct.pack(f">{len(behind)}H", *((257 * i + k) % 65536 for i in behind)) for k in range(PATTERNS)]


@dataclass(slots=True)
class Device:
    """One device: its faults, and how many reads it has answered with data."""

    index: int
    registers: int
    answered: int = 0
    silent: bool = False
    exception: int | None = None
    illegal: set[int] = field(default_factory=set)
    clients: set[asyncio.Transport] = field(default_factory=set)
    server: asyncio.Server | None = None
    port: int = 0

    def refusal(self, function: int, start: int, count: int) -> int:
        """The exception code that a read gets, 0 for none."""
        if function not in _READS:
            return ILLEGAL_FUNCTION
        if self.exception is not None:
            return self.exception
        if not 1 <= count <= MAX_READ_REGISTERS:
            return ILLEGAL_VALUE
        beyond = start + count > self.registers
        return ILLEGAL_ADDRESS if beyond or any(start <= bad < start + count for bad in self.illegal) else 0


class Farm:
    """The devices, and what they share: patterns, journal and delay."""

    def __init__(self, devices: int, registers: int, delay: float = 0.0, journal: Journal | None = None) -> None:
        self.devices = [Device(index, registers) for index in range(devices)]
        self.delay = delay
        self.journal = journal
        self._patterns = patterns(registers)

    async def start(self, base_port: int = 0) -> list[int]:
        """Listen, a port a device; free ones for `base_port` 0. Returns the ports."""
        for device in self.devices:
            await self._listen(device, base_port + device.index if base_port else 0)
        return [device.port for device in self.devices]

    async def stop(self) -> None:
        """Close every listener and every connection."""
        for device in self.devices:
            self._hang_up(device)

    async def refuse(self, device: Device, *, on: bool) -> None:
        """Close the device's listener and drop its clients, or listen again on the same port."""
        if on:
            self._hang_up(device)
        elif device.server is None:
            await self._listen(device, device.port)

    def data(self, device: Device, start: int, count: int) -> bytes:
        """The registers asked for, as the device holds them at this very answer, which it counts."""
        device.answered += 1
        now = time.time_ns() // 1000
        if self.journal is not None:
            self.journal(device.index, device.answered, now)
        pattern = self._patterns[device.answered % PATTERNS]
        return (_CLOCK.pack(device.answered & 0xFFFFFFFF, now) + pattern)[2 * start : 2 * (start + count)]

    async def _listen(self, device: Device, port: int) -> None:
        loop = asyncio.get_running_loop()
        device.server = await loop.create_server(lambda: _Session(self, device), HOST, port, backlog=64)
        device.port = device.server.sockets[0].getsockname()[1]

    def _hang_up(self, device: Device) -> None:
        if device.server is not None:
            device.server.close()
            device.server = None
        for transport in tuple(device.clients):
            transport.abort()


class _Session(asyncio.Protocol):
    """One client of one device. A whole read request in one piece, the rule, takes the short way."""

    def __init__(self, farm: Farm, device: Device) -> None:
        self._farm, self._device = farm, device
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._device.clients.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol names it
        self._device.clients.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if len(data) == _REQUEST.size and not self._buffer:
            transaction, protocol, length, unit, function, start, count = _REQUEST.unpack(data)
            if protocol == 0 and length == _REQUEST.size - 6:
                self._serve(transaction, unit, function, start, count)
                return
        self._buffer += data
        try:
            while (taken := take_frame(self._buffer)) is not None:
                self._any(*taken)
        except FrameError:
            self._transport.abort()

    def _any(self, header: bytes, pdu: bytes) -> None:
        """A frame that came in pieces, or with others, or that is no read request."""
        if len(header) + len(pdu) == _REQUEST.size:
            transaction, _, _, unit, function, start, count = _REQUEST.unpack(header + pdu)
            self._serve(transaction, unit, function, start, count)
        elif not self._device.silent:
            self._transport.write(frame(header, bytes((pdu[0] | 0x80, ILLEGAL_FUNCTION))))

    def _serve(self, transaction: int, unit: int, function: int, start: int, count: int) -> None:
        if self._device.silent:
            return
        if self._farm.delay:
            loop = asyncio.get_running_loop()
            loop.call_later(self._farm.delay, self._answer, transaction, unit, function, start, count)
        else:
            self._answer(transaction, unit, function, start, count)

    def _answer(self, transaction: int, unit: int, function: int, start: int, count: int) -> None:
        if self._transport.is_closing():
            return
        if refusal := self._device.refusal(function, start, count):
            self._transport.write(_REPLY.pack(transaction, 0, 3, unit, function | 0x80, refusal))
            return
        data = self._farm.data(self._device, start, count)
        size = len(data)
        self._transport.write(_REPLY.pack(transaction, 0, size + 3, unit, function, size) + data)

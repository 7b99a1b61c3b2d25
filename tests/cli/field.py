"""A field of simulated Modbus devices on loopback addresses of their own, some of them odd, that count what comes.

They run in a thread of their own. Each packet that was sent to them is counted by the kernel (tcp_info, segs_in).
"""

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

_SEGMENTS: Final = 140  # where segs_in stands in struct tcp_info (linux/tcp.h)
_SCALE: Final = {6: -1, 13: -1, 15: 1, 17: -2, 26: 3, 30: -1, 32: 1, 37: 0}


@dataclass
class Field:
    """What was seen of all devices together."""

    port: int
    packets: int = 0
    arrivals: list[float] = field(default_factory=list)  # connections and requests, monotonic
    open: int = 0
    most_open: int = 0

    def busiest(self, window: float = 1.0) -> int:
        """Most arrivals within any `window` seconds."""
        times = sorted(self.arrivals)
        return max((sum(start <= t < start + window for t in times) for start in times), default=0)


@dataclass
class Device:
    """One device: how it answers."""

    registers: dict[int, int]
    says: dict[int, str] = field(default_factory=dict)
    late: float = 0.0
    odd: str = ""  # silent or garbage


def plain(**more: Any) -> Device:
    return Device({address: 7 * address for address in range(100)}, **more)


def inverter() -> Device:
    """SunSpec: the common model, then 103, then the end."""
    registers = {40000: 0x5375, 40001: 0x6E53, 40002: 1, 40003: 66}
    registers |= dict.fromkeys(range(40004, 40070), 0)
    text = b"Sunny".ljust(32, b"\0") + b"S-10".ljust(32, b"\0")
    registers |= {40004 + i: int.from_bytes(text[2 * i : 2 * i + 2], "big") for i in range(32)}
    model = [0] * 52
    model[0:2] = [103, 50]
    model[2], model[10], model[11], model[12], model[14] = 123, 2301, 2302, 0xFFFF, 450
    model[16], model[24], model[25], model[29], model[31], model[33] = 5001, 1, 2, 6000, 460, 41
    for at, power in _SCALE.items():
        model[at] = power & 0xFFFF
    registers |= {40070 + i: value for i, value in enumerate(model)}
    return Device(registers | {40122: 0xFFFF, 40123: 0})


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, seen: Field, device: Device) -> None:
        self._seen, self._device = seen, device
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._sock = transport.get_extra_info("socket")
        self._seen.arrivals.append(time.monotonic())
        self._seen.open += 1
        self._seen.most_open = max(self._seen.most_open, self._seen.open)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._seen.open -= 1

    def eof_received(self) -> None:
        self._count()

    def _count(self) -> None:
        info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        self._seen.packets += struct.unpack_from("I", info, _SEGMENTS)[0]

    def data_received(self, data: bytes) -> None:
        self._seen.arrivals.append(time.monotonic())
        if self._device.odd == "garbage":
            self.transport.write(b"SSH-2.0-OpenSSH_9.6\r\n" * 3)
        if self._device.odd:
            return
        self._buffer += data
        while len(self._buffer) >= 7 and len(self._buffer) >= 6 + (size := int.from_bytes(self._buffer[4:6], "big")):
            frame, self._buffer = self._buffer[: 6 + size], self._buffer[6 + size :]
            pdu = self._answer(frame[6], frame[7:])
            if pdu is not None:
                answer = frame[:4] + struct.pack(">HB", 1 + len(pdu), frame[6]) + pdu
                asyncio.get_running_loop().call_later(self._device.late, self.transport.write, answer)

    def _answer(self, unit: int, pdu: bytes) -> bytes | None:
        device = self._device
        if unit != 1:
            return bytes((pdu[0] | 0x80, 11))
        if pdu[0] == 43 and device.says:
            objects = b"".join(bytes((n, len(t))) + t.encode() for n, t in device.says.items())
            return bytes((43, 14, 1, 1, 0, 0, len(device.says))) + objects
        if pdu[0] not in (3, 4):
            return bytes((pdu[0] | 0x80, 1))
        start, count = struct.unpack(">HH", pdu[1:5])
        if not all(address in device.registers for address in range(start, start + count)):
            return bytes((pdu[0] | 0x80, 2))
        return bytes((pdu[0], 2 * count)) + b"".join(
            device.registers[start + i].to_bytes(2, "big") for i in range(count)
        )


@contextlib.contextmanager
def running(devices: dict[str, Device], deaf: str, port: int) -> Iterator[Field]:
    """`devices` by address; at `deaf` connections are taken by the kernel and by nobody else (half open)."""
    seen, loop = Field(port), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def begin() -> list[asyncio.Server]:
        return [
            await loop.create_server(lambda one=one: Session(seen, one), address, port)  # type: ignore[misc]
            for address, one in devices.items()
        ]

    servers = asyncio.run_coroutine_threadsafe(begin(), loop).result(10.0)
    with socket.create_server((deaf, port), backlog=5):
        yield seen

    async def end() -> None:
        for server in servers:
            server.close()
        await asyncio.sleep(0.1)

    asyncio.run_coroutine_threadsafe(end(), loop).result(10.0)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10.0)
    loop.close()

"""A Modbus TCP device on 127.0.0.1 that answers rightly, and misbehaves as told.

Every register holds its own address; every third coil is on. Simulated, each by one attribute: silent units, silent
registers, late answers, another transaction id, another unit, another function, short answers, exceptions, illegal
registers, a limit to registers per request, garbage, answers in single bytes, refusal (`stop`).
"""

import asyncio
import struct
from collections import deque
from dataclasses import dataclass, field


@dataclass
class FakeDevice:
    registers: list[int] = field(default_factory=lambda: list(range(0x10000)))
    silent: set[int] = field(default_factory=set)  # units that never answer
    exceptions: dict[int, int] = field(default_factory=dict)  # unit → exception code it always answers
    illegal: set[int] = field(default_factory=set)  # addresses that are answered by exception 2
    mute: set[int] = field(default_factory=set)  # addresses that are not answered at all
    most: int = 125  # registers per request; more is answered by exception 3
    late: deque[float] = field(default_factory=deque)  # seconds by which the next answers are late
    alien_transaction: bool = False
    alien_unit: bool = False
    alien_function: bool = False
    short: bool = False
    garbage: bytes = b""
    flood: int = 0  # unasked frames before each answer
    dribble: bool = False
    asked: list[tuple[int, int, int, int]] = field(default_factory=list)  # unit, function, start, count
    overlapped: int = 0  # requests that came while another one was still unanswered
    port: int = 0
    sessions: set["Session"] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Session(self), "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for session in list(self.sessions):
                session.transport.abort()
            await server.wait_closed()
            await asyncio.sleep(0)

    def answer(self, frame: bytes) -> bytes | None:
        transaction, _, _, unit, function, start, count = struct.unpack(">HHHBBHH", frame)
        self.asked.append((unit, function, start, count))
        span = set(range(start, start + count))
        if unit in self.silent or span & self.mute:
            return None
        pdu = self._pdu(unit, function, start, count)
        if self.short:
            pdu = bytes([pdu[0], pdu[1] - 2]) + pdu[2:-2]
        transaction ^= 0x5555 if self.alien_transaction else 0
        unit ^= 0x10 if self.alien_unit else 0
        pdu = bytes([pdu[0] ^ 7, *pdu[1:]]) if self.alien_function else pdu
        return struct.pack(">HHHB", transaction, 0, 1 + len(pdu), unit) + pdu

    def _pdu(self, unit: int, function: int, start: int, count: int) -> bytes:
        code = self.exceptions.get(unit, 0)
        if set(range(start, start + count)) & self.illegal:
            code = 2
        if function > 2 and count > self.most:
            code = 3
        if code:
            return bytes([function | 0x80, code])
        data = self._bits(start, count) if function <= 2 else self._words(start, count)
        return bytes([function, len(data)]) + data

    def _words(self, start: int, count: int) -> bytes:
        return struct.pack(f">{count}H", *self.registers[start : start + count])

    def _bits(self, start: int, count: int) -> bytes:
        bits = sum(1 << i for i in range(count) if coil(start + i))
        return bits.to_bytes(-(-count // 8), "little")


def coil(address: int) -> bool:
    return address % 3 == 0


class Session(asyncio.Protocol):
    def __init__(self, device: FakeDevice) -> None:
        self.device, self.stream, self.waiting = device, b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.device.sessions.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self.device.sessions.discard(self)

    def data_received(self, data: bytes) -> None:
        self.stream += data
        while len(self.stream) >= 12:
            frame, self.stream = self.stream[:12], self.stream[12:]
            self.device.overlapped += self.waiting > 0
            answer = self.device.answer(frame)
            if answer is not None:
                self.waiting += 1
                delay = self.device.late.popleft() if self.device.late else 0.0
                asyncio.get_running_loop().call_later(delay, self.send, answer)

    def send(self, answer: bytes) -> None:
        self.waiting -= 1
        if self.transport.is_closing():
            return
        for _ in range(self.device.flood):
            self.transport.write(bytes([0xEE, 0xEE]) + answer[2:])
        if self.device.garbage:
            self.transport.write(self.device.garbage)
        elif self.device.dribble:
            for i in range(len(answer)):
                self.transport.write(answer[i : i + 1])
        else:
            self.transport.write(answer)

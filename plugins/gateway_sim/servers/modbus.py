"""A Modbus TCP server: tags as float32 ABCD in holding registers, tag i at register 2 i.

Modbus Messaging on TCP/IP Implementation Guide V1.0b, §3.1.3 (MBAP header). Every unit id is answered alike.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway_sim.points import Point
from gateway_sim.servers.pdu import WRITES, Memory, respond, span

HOST: Final = "127.0.0.1"
_HEADER: Final = 7  # transaction u2, protocol u2 = 0, length u2, unit u1
_MAX_LENGTH: Final = 254  # unit and PDU of at most 253 bytes


class FrameError(Exception):
    """Bytes that are no Modbus TCP: the connection cannot be trusted any further."""


def take_frame(buffer: bytearray) -> tuple[bytes, bytes] | None:
    """Take one whole frame off `buffer`: its header (7 bytes) and its PDU; None while it is incomplete.

    Raises FrameError for a protocol id other than 0, or an impossible length.
    """
    if len(buffer) < _HEADER:
        return None
    _, protocol, length = struct.unpack_from(">HHH", buffer)
    if protocol != 0 or not 2 <= length <= _MAX_LENGTH:  # noqa: PLR2004 - unit and function code at least
        raise FrameError(f"protocol {protocol}, length {length}")
    end = _HEADER - 1 + length
    if len(buffer) < end:
        return None
    header, pdu = bytes(buffer[:_HEADER]), bytes(buffer[_HEADER:end])
    del buffer[:end]
    return header, pdu


def frame(header: bytes, pdu: bytes) -> bytes:
    """The answer to a request with `header`: same transaction, same unit."""
    return header[:4] + struct.pack(">HB", len(pdu) + 1, header[6]) + pdu


class ModbusServer:
    """Serves `memory` (or, by `show`, one float32 a tag) to any number of clients."""

    def __init__(self, points: Sequence[Point], memory: Memory | None = None) -> None:
        self.points = points
        self.memory = memory or Memory(holding=np.zeros(2 * len(points), np.uint16))
        self.on_read: Callable[[range], None] | None = None
        """Called right after a read of these registers has been answered."""
        self.on_write: Callable[[bytes], None] | None = None
        """Called with the PDU of a write, right after it has been taken and answered."""
        self.mute = False  # requests are taken and not answered
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Transport] = set()

    async def start(self, port: int = 0) -> int:
        """Listen on `port` of this machine, a free one for 0. Returns the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self, self._clients), HOST, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def show(self, values: NDArray[np.float64]) -> None:
        """Serve `values`, shape (tags,), from now on: all at once, so that no read sees half of them."""
        self.memory.holding[:] = values.astype(">f4").view(">u2")

    def address(self, index: int) -> str:
        """Where tag `index` is found, as a configuration writes it."""
        return f"holding:{2 * index}"

    async def stop(self) -> None:
        """Close listener and connections; what has been answered still goes out. Safe twice."""
        if self._server is None:
            return
        self._server.close()
        for transport in self._clients:
            transport.close()
        await self._server.wait_closed()
        self._server = None


class _Session(asyncio.Protocol):
    """One client: frames in, frames out."""

    def __init__(self, server: ModbusServer, clients: set[asyncio.Transport]) -> None:
        self._server, self._clients = server, clients
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._clients.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol names it
        self._clients.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while (taken := take_frame(self._buffer)) is not None:
                self._answer(*taken)
        except FrameError:
            self._transport.close()

    def _answer(self, header: bytes, pdu: bytes) -> None:
        if self._server.mute:
            return
        answer = respond(pdu, self._server.memory)
        self._transport.write(frame(header, answer))
        if self._server.on_read is not None and answer[0] == pdu[0] and (registers := span(pdu)):
            self._server.on_read(registers)
        if self._server.on_write is not None and answer[0] == pdu[0] and pdu[0] in WRITES:
            self._server.on_write(pdu)

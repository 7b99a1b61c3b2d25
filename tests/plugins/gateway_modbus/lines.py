"""A device behind any framing, on a socket or a pseudo terminal, that answers in the order in which it was asked.

Every register holds its own address. Simulated: late answers (`delay`), silent units, damaged bytes (`mutate`).
"""

import asyncio
import os
import pty
import random
import struct
import termios
import tty
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway_modbus.ascii import ASCII
from gateway_modbus.frames import TCP, Framing, unnumbered
from gateway_modbus.rtu import RTU, crc

FRAMINGS: dict[str, Framing] = {"tcp": TCP, "rtu": RTU, "ascii": ASCII}


def taken(kind: str, stream: bytes) -> tuple[list[bytes], bytes]:
    """Requests of eight bytes (unit, PDU of five) in Modbus TCP's form, and the rest."""
    if kind == "ascii":
        frames, rest, _ = ASCII.cut(stream, b"")
        return frames, rest
    size = 12 if kind == "tcp" else 8
    whole = [stream[at : at + size] for at in range(0, len(stream) - size + 1, size)]
    rest = stream[len(whole) * size :]
    if kind == "tcp":
        return whole, rest
    assert all(crc(frame[:6]) == frame[6:] for frame in whole)
    return [unnumbered(frame[:6]) for frame in whole], rest


def answered(request: bytes) -> bytes:
    """The right answer to a read of registers or coils, in Modbus TCP's form."""
    unit, function, start, count = struct.unpack(">BBHH", request[6:12])
    if function <= 2:
        data = sum(1 << i for i in range(count) if (start + i) % 3 == 0).to_bytes(-(-count // 8), "little")
    else:
        data = struct.pack(f">{count}H", *range(start, start + count))
    return request[:4] + struct.pack(">HBBB", 3 + len(data), unit, function, len(data)) + data


@dataclass
class Station:
    """What answers, whatever carries it."""

    kind: str
    delay: Callable[[], float] = lambda: 0.0
    mutate: Callable[[bytes], bytes] = lambda answer: answer
    silent: set[int] = field(default_factory=set)
    asked: list[tuple[float, int]] = field(default_factory=list)  # when, unit
    answers: int = 0
    connections: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, write: Callable[[bytes], object]) -> None:
        stream = b""
        while data := await reader.read(4096):
            frames, stream = taken(self.kind, stream + data)
            for request in frames:
                self.asked.append((asyncio.get_running_loop().time(), request[6]))
                if request[6] in self.silent:
                    continue
                await asyncio.sleep(self.delay())
                self.answers += 1
                write(self.mutate(FRAMINGS[self.kind].wrap(answered(request))))

    async def on_socket(self) -> tuple[int, asyncio.Server]:
        async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            try:
                await self.serve(reader, writer.write)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(session, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1], server

    async def on_terminal(self) -> "Terminal":
        terminal = Terminal()
        await terminal.open()
        task = asyncio.ensure_future(self.serve(terminal.reader, terminal.write))
        self._tasks.add(task)
        terminal.task = task
        return terminal


class Terminal:
    """A pseudo terminal: the master's side here, the slave's path for the gateway."""

    task: asyncio.Task[None]

    async def open(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave = slave  # kept open, so that the line lives while nobody else has it
        os.set_blocking(self.master, False)
        self.reader = asyncio.StreamReader()
        asyncio.get_running_loop().add_reader(self.master, self._readable)

    def _readable(self) -> None:
        try:
            self.reader.feed_data(os.read(self.master, 4096))
        except OSError:
            self.reader.feed_eof()

    def write(self, data: bytes) -> None:
        os.write(self.master, data)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.master)
        self.task.cancel()
        await asyncio.wait([self.task])
        os.close(self.master)
        os.close(self._slave)


def speed_of(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        return int(termios.tcgetattr(fd)[5])
    finally:
        os.close(fd)


def damaged(kind: str, draw: random.Random, answer: bytes) -> bytes:
    """Damage that a checksum of the kind finds; Modbus TCP has none, so its payload is left alone."""
    fault = draw.randrange(6)
    whole = bytearray(answer)
    if fault == 0:
        reach = 9 * 8 if kind == "tcp" else len(whole) * 8
        for bit in draw.sample(range(reach), 1 if kind == "ascii" else 3):  # CRC-16 finds any 3, the LRC any 1
            whole[bit // 8] ^= 1 << bit % 8
        return bytes(whole)
    if fault == 1:
        return answer[: draw.randrange(len(answer))]
    if fault == 2:
        return answer * 2
    if fault == 3:
        return draw.randbytes(draw.randrange(1, 6)) + answer if kind != "tcp" else b""
    if fault == 4:
        return draw.randbytes(draw.randrange(300))
    return b""

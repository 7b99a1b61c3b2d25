"""A way to the broker that is listened in on: what the client sends, packet by packet, and the line can be cut."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.deliver.sparkplug.reading import Payload, read
from tests.deliver.brokers import free_port

KINDS = {1: "CONNECT", 3: "PUBLISH", 4: "PUBACK", 8: "SUBSCRIBE", 12: "PINGREQ", 14: "DISCONNECT"}


class Will(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True)
class Packet:
    """One packet of the client. `connection` counts them."""

    connection: int
    kind: str
    topic: str = ""
    body: bytes = b""
    qos: int = 0
    retain: bool = False
    clean: bool = False
    will: Will | None = None
    topics: tuple[tuple[str, int], ...] = ()
    reason: int = 0
    properties: bytes = b""

    @property
    def type(self) -> str:
        """NBIRTH, DDATA …; "" outside Sparkplug's namespace."""
        parts = self.topic.split("/")
        return parts[2] if parts[0] == "spBv1.0" and len(parts) > 3 else ""

    @property
    def device(self) -> str:
        return "/".join(self.topic.split("/")[4:])

    @property
    def payload(self) -> Payload:
        return read(self.body)


@dataclass
class Tap:
    """Passes TCP on to `target`."""

    target: int
    port: int = field(default_factory=free_port)
    packets: list[Packet] = field(default_factory=list)
    connections: int = 0
    mute: bool = False  # nothing reaches the broker, and nobody is told
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def open(self):  # type: ignore[no-untyped-def]
        await self.resume()
        try:
            yield self
        finally:
            self.cut()
            for task in list(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(list(self._tasks))

    async def resume(self) -> None:
        """Take connections."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def cut(self) -> None:
        """End every connection at once, and take none."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self.drop()

    def drop(self) -> None:
        """End every connection at once."""
        for writer in list(self._writers):
            writer.transport.abort()
        self.mute = False

    def of(self, kind: str) -> list[Packet]:
        """Packets of a kind, or messages of a Sparkplug type."""
        return [packet for packet in self.packets if kind in (packet.kind, packet.type)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        back = asyncio.create_task(self._back(far_reader, writer))
        try:
            await self._forth(reader, far_writer, self.connections)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            back.cancel()
            await asyncio.wait([back])
            self._writers -= {writer, far_writer}
            writer.transport.abort()
            far_writer.transport.abort()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        version = 4
        while True:
            first = await reader.readexactly(1)
            length, head = 0, b""
            while not head or head[-1] & 0x80:
                head += await reader.readexactly(1)
                length |= (head[-1] & 0x7F) << 7 * (len(head) - 1)
            body = await reader.readexactly(length)
            if first[0] >> 4 == 1:
                version = body[6]
            if self.mute:
                continue
            self.packets.append(parsed(number, first[0], body, version))
            writer.write(first + head + body)
            await writer.drain()


def parsed(connection: int, first: int, body: bytes, version: int) -> Packet:
    """One packet (MQTT 3.1.1 §3, MQTT 5 §3)."""
    kind = KINDS.get(first >> 4, str(first >> 4))
    if kind == "CONNECT":
        return _connect(connection, body, version)
    if kind == "PUBLISH":
        topic, rest = _text(body)
        qos = first >> 1 & 3
        rest = rest[2:] if qos else rest
        if version == 5:
            rest = _without_properties(rest)[1]
        return Packet(connection, kind, topic, rest, qos, retain=bool(first & 1))
    if kind == "SUBSCRIBE":
        rest = _without_properties(body[2:])[1] if version == 5 else body[2:]
        topics = []
        while rest:
            topic, rest = _text(rest)
            topics.append((topic, rest[0] & 3))
            rest = rest[1:]
        return Packet(connection, kind, topics=tuple(topics))
    return Packet(connection, kind, reason=body[0] if kind == "DISCONNECT" and body else 0)


def _connect(connection: int, body: bytes, version: int) -> Packet:
    flags, rest = body[7], body[10:]
    properties = b""
    if version == 5:
        properties, rest = _without_properties(rest)
    _, rest = _text(rest)
    will = None
    if flags & 4:
        if version == 5:
            rest = _without_properties(rest)[1]
        topic, rest = _text(rest)
        length = int.from_bytes(rest[:2], "big")
        will = Will(topic, rest[2 : 2 + length], flags >> 3 & 3, bool(flags & 0x20))
    return Packet(connection, "CONNECT", clean=bool(flags & 2), will=will, properties=properties)


def _text(data: bytes) -> tuple[str, bytes]:
    length = int.from_bytes(data[:2], "big")
    return data[2 : 2 + length].decode(), data[2 + length :]


def _without_properties(data: bytes) -> tuple[bytes, bytes]:
    length, at = 0, 0
    while True:
        length |= (data[at] & 0x7F) << 7 * at
        at += 1
        if not data[at - 1] & 0x80:
            return data[at : at + length], data[at + length :]

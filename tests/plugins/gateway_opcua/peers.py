"""Counterparts: processes that speak OPC UA, and a TCP relay."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests import npm

HERE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Process:
    """A server process that answers commands by line."""

    port: int
    popen: subprocess.Popen[str]

    def tell(self, command: str) -> None:
        self.ask(command)

    def ask(self, command: str) -> str:
        """Have it do something; what it said to that."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(command + "\n")
        self.popen.stdin.flush()
        return self.wait_for("done")

    def wait_for(self, word: str) -> str:
        """What it said on the line before."""
        assert self.popen.stdout is not None
        said = ""
        for line in self.popen.stdout:
            if line.strip() == word:
                return said
            said = line.strip()
        raise RuntimeError(f"the server ended before it said {word!r}")

    def count(self) -> tuple[int, int]:
        """Sessions and subscriptions that the server has now."""
        sessions, subscriptions = self.ask("count sessions").split()
        return int(sessions), int(subscriptions)

    def stop(self) -> None:
        self.popen.kill()
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


@contextlib.contextmanager
def start(command: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[Process]:
    popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    process = Process(port, popen)
    try:
        process.wait_for("ready")
        yield process
    finally:
        process.stop()


def start_asyncua(port: int, nodes: int = 20, namespaces: int = 0) -> contextlib.AbstractContextManager[Process]:
    """`namespaces`: how many others are numbered before that of the nodes."""
    command = [sys.executable, str(HERE / "asyncua_server.py"), str(port), str(nodes), str(namespaces)]
    return start(command, port)


NODE = npm.folder("opcua")
NODE_PACKAGE = "node-opcua-server@2"


def install_node_opcua() -> str | None:
    """Why node-opcua is not there, or None."""
    return npm.install(NODE, NODE_PACKAGE, scripts=True)


def start_node_opcua(port: int, sessions: int = 100, nodes: int = 300) -> contextlib.AbstractContextManager[Process]:
    """`sessions`: how many there may be at one time."""
    command = ["node", str(HERE / "node_opcua_server.js"), str(port), str(NODE / "pki"), str(nodes)]
    return start(command, port, os.environ | {"NODE_PATH": str(NODE / "node_modules"), "MAX_SESSIONS": str(sessions)})


def start_alarming(port: int) -> contextlib.AbstractContextManager[Process]:
    """node-opcua with alarms and methods."""
    command = ["node", str(HERE / "alarming_node_opcua.js"), str(port), str(NODE / "pki")]
    return start(command, port, os.environ | {"NODE_PATH": str(NODE / "node_modules")})


@dataclass
class Relay:
    """Passes TCP on to `target`; stopped, it refuses and has closed what was open.

    `hold` swallows the answers, `delay` (s) makes them late, `damage` makes others of their bytes, and a way that is
    `broken` has no far side any more, though nobody was told.
    """

    target: int
    port: int
    hold: bool = False
    delay: float = 0.0
    damage: Callable[[bytes], AsyncIterator[bytes]] | None = None
    broken: bool = False
    _server: asyncio.Server | None = None
    _pipes: set[asyncio.Task[None]] = field(default_factory=set)
    _far: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for pipe in list(self._pipes):
            pipe.cancel()
        if self._pipes:
            await asyncio.wait(list(self._pipes))
        await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        task.add_done_callback(self._pipes.discard)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._far.add(far_writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pipe(reader, far_writer, answers=False))
                group.create_task(self._pipe(far_reader, writer, answers=True))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._far.discard(far_writer)
            writer.transport.abort()
            far_writer.transport.abort()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await reader.read(65536):
            if answers:
                await asyncio.sleep(self.delay)
            if not (self.broken or (answers and self.hold)):
                async for piece in self.damage(data) if answers and self.damage else _whole(data):
                    writer.write(piece)
                    await writer.drain()
        while self.broken:  # noqa: ASYNC110 - nobody hears that the far side has gone
            await asyncio.sleep(0.05)
        raise ConnectionResetError

    def break_off(self) -> None:
        """The far side is gone, as after a power cut: what was open stays open here and is answered by nobody."""
        self.broken = True
        for far in self._far:
            far.transport.abort()


@contextlib.asynccontextmanager
async def relaying(target: int) -> AsyncIterator[Relay]:
    """A way to `target` that can be cut, and is at the end."""
    relay = Relay(target, free_port())
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data

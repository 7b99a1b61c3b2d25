"""TCP under the event loop: all sockets of a loop behind one epoll, so that a turn of the loop costs one callback.

A transport of asyncio costs more than the kernel does for an exchange as short as Modbus's: a request of twelve bytes
always fits, an answer comes in one piece, and there is never anything to buffer.
"""

import asyncio
import select
import socket
from typing import Final
from weakref import WeakKeyDictionary

from gateway_modbus.link import Link

DEAD_PEER_MS: Final = 10_000  # unacknowledged bytes end the connection: RFC 5482, tcp(7)
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
_PIECE: Final = 300  # bytes taken at a time: an answer has 260 at most, and small objects are cheap to make
_STALE: Final = 4096  # bytes thrown away at a time
_AT_ONCE: Final = 512  # sockets served in one turn; the others come in the next


class Sockets:
    """The sockets of one event loop that somebody reads from."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._wires: dict[int, SocketWire] = {}
        loop.add_reader(self._epoll.fileno(), self._ready)

    @classmethod
    def of_loop(cls) -> "Sockets":
        """Those of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in _SOCKETS:
            _SOCKETS[loop] = cls(loop)
        return _SOCKETS[loop]

    def add(self, fd: int, wire: "SocketWire") -> None:
        """Feed the link of `wire` with whatever comes from `fd`."""
        self._wires[fd] = wire
        self._epoll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        """No more of `fd`; with the last one the epoll is closed."""
        del self._wires[fd]
        self._epoll.unregister(fd)
        if not self._wires:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            del _SOCKETS[self._loop]

    def _ready(self) -> None:
        for fd, _ in self._epoll.poll(0, _AT_ONCE):
            wire = self._wires.get(fd)
            if wire is None:
                continue  # one before it in this turn has closed it
            try:
                data = wire.recv(_PIECE)
            except BlockingIOError:
                continue
            except OSError as error:
                wire.gone(error.strerror or str(error))
                continue
            if data:
                wire.link.data_received(data)
            else:
                wire.gone("the connection was closed")


_SOCKETS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Sockets]] = WeakKeyDictionary()


class SocketWire:
    """A connected socket that feeds a link."""

    __slots__ = ("_open", "_send", "_sock", "_sockets", "link", "recv")

    def __init__(self, sock: socket.socket, link: Link) -> None:
        self._sock, self.link = sock, link
        self.recv, self._send = sock.recv, sock.send
        self._open = True
        watch(sock)
        self._sockets = Sockets.of_loop()
        self._sockets.add(sock.fileno(), self)
        link.connection_made(self)

    def write(self, data: bytes) -> None:
        """Send; whoever takes not even a request is gone."""
        try:
            sent = self._send(data)
        except OSError as error:
            self.gone(error.strerror or str(error))
            return
        if sent < len(data):
            self.gone("the other side takes no more bytes")

    def drain(self) -> bytes:
        """What has come and was not taken yet."""
        try:
            return self.recv(_STALE)
        except OSError:
            return b""  # nothing, or gone: the write will tell

    def close(self) -> None:
        """Close by FIN: nothing is waiting to be sent."""
        self.gone("the connection was closed")

    def abort(self) -> None:
        """Let go of the socket."""
        if self._open:
            self._open = False
            self._sockets.remove(self._sock.fileno())
            self._sock.close()

    def gone(self, why: str) -> None:
        """The other side is away."""
        self.abort()
        self.link.lost(why)


async def connected(host: str, port: int) -> socket.socket:
    """A socket that is connected to the first address of `host` that answers. Raises OSError."""
    loop, failure = asyncio.get_running_loop(), OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(0)
        try:
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except asyncio.CancelledError:
            sock.close()
            raise
        else:
            return sock
    raise failure


def watch(sock: socket.socket) -> None:
    """Have the kernel watch over a connection on which nothing may come for long."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (*_KEEPALIVE, (socket.TCP_USER_TIMEOUT, DEAD_PEER_MS), (socket.TCP_NODELAY, 1)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)

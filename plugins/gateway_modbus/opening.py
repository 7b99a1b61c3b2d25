"""How a connection is opened, by scheme: a link over a socket, a serial line, or a device that has dialled in."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, cast

from gateway.sdk import DisconnectedError
from gateway_modbus.ascii import ASCII
from gateway_modbus.endpoint import Endpoint, Scheme
from gateway_modbus.frames import TCP, Framing
from gateway_modbus.link import Link
from gateway_modbus.manners import Manners
from gateway_modbus.reception import Reception
from gateway_modbus.rtu import RTU
from gateway_modbus.serial_wire import open_serial
from gateway_modbus.socket_wire import SocketWire, connected, watch

DIAL_IN: Final = 25.0  # s that a device has for dialling in, before that is told
FAST: Final = 19_200  # baud beyond which the silent interval is fixed (MODBUS over Serial Line V1.02 §2.5.1.1)
FIXED_SILENCE: Final = 1.75e-3  # s
SILENT_BYTES: Final = 3.5

MakeLink = Callable[[Manners], Link]

_FRAMINGS: Final[Mapping[Scheme, Framing]] = MappingProxyType(
    {"rtu": RTU, "rtu+tcp": RTU, "ascii": ASCII, "ascii+tcp": ASCII}
)


def manners(endpoint: Endpoint) -> Manners:
    """How the line of `endpoint` wants to be treated."""
    framing = _FRAMINGS.get(endpoint.scheme, TCP)
    if endpoint.port:
        return Manners(framing)
    byte_time = endpoint.serial.byte_time
    silence = FIXED_SILENCE if endpoint.serial.baud > FAST else SILENT_BYTES * byte_time
    return Manners(framing, silence if framing is RTU else 0.0, byte_time)


async def open_link(endpoint: Endpoint, make: MakeLink, patience: float) -> Link:
    """Open the connection to `endpoint`, in bounded time.

    Args:
        endpoint: where.
        make: makes the link.
        patience: seconds that the opening may take.

    Raises:
        DisconnectedError: nobody is there, or does not want us.
    """
    where = f"{endpoint.host}:{endpoint.port}" if endpoint.port else endpoint.host
    opener = _OPENERS.get(endpoint.scheme, _open_tcp)
    try:
        async with asyncio.timeout(DIAL_IN if endpoint.scheme == "listen" else patience):
            return await opener(endpoint, lambda: make(manners(endpoint)))
    except TimeoutError as error:
        silent = "no device has dialled in" if endpoint.scheme == "listen" else f"does not answer within {patience:g} s"
        raise DisconnectedError(f"{where} {silent}") from error
    except OSError as error:  # with it the errors of TLS
        raise DisconnectedError(f"{where}: {error.strerror or error}") from error


def leave(endpoint: Endpoint) -> None:
    """Nobody waits any more for a device that dials in; one that has come meanwhile is kept for the next opening."""
    if endpoint.scheme == "listen":
        Reception.leave(endpoint)


async def _open_tcp(endpoint: Endpoint, make: Callable[[], Link]) -> Link:
    sock, link = await connected(endpoint.host, endpoint.port), make()
    SocketWire(sock, link)
    return link


async def _open_tls(endpoint: Endpoint, make: Callable[[], Link]) -> Link:
    context = await asyncio.to_thread(_context, endpoint.options)
    name = endpoint.options.get("name", endpoint.host)
    transport, link = await asyncio.get_running_loop().create_connection(
        make, endpoint.host, endpoint.port, ssl=context, server_hostname=name
    )
    watch(transport.get_extra_info("socket"))
    return link


def _context(options: Mapping[str, str]) -> ssl.SSLContext:
    """TLS 1.2 or newer, the device's certificate and name checked; our own certificate where one is given."""
    context = ssl.create_default_context(cafile=options.get("ca"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # MODBUS/TCP Security Protocol Specification v2.1 §8
    if "cert" in options:
        context.load_cert_chain(options["cert"], options.get("key"))
    return context


async def _open_udp(endpoint: Endpoint, make: Callable[[], Link]) -> Link:
    _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(make()), remote_addr=(endpoint.host, endpoint.port)
    )
    return protocol.link


class _Datagrams(asyncio.DatagramProtocol):
    """Each datagram holds whole frames; none goes on in the next."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.link.connection_made(_DatagramWire(cast("asyncio.DatagramTransport", transport)))

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the socket is connected
        self.link.datagram_received(data)

    def error_received(self, exc: Exception) -> None:
        self.link.lost(str(exc))

    def connection_lost(self, exc: Exception | None) -> None:
        self.link.connection_lost(exc)


class _DatagramWire:
    def __init__(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport
        self.close, self.abort = transport.close, transport.abort

    def write(self, data: bytes) -> None:
        self._transport.sendto(data)

    def drain(self) -> bytes:
        return b""  # each datagram was taken when it came


async def _open_serial(endpoint: Endpoint, make: Callable[[], Link]) -> Link:
    link = make()
    open_serial(endpoint, link)
    return link


async def _listen(endpoint: Endpoint, make: Callable[[], Link]) -> Link:
    seat = Reception.seat(endpoint)
    seat.link = None
    sock, link = await seat.arrived.get(), make()
    SocketWire(sock, link)
    seat.link = link
    return link


_OPENERS: Final[Mapping[Scheme, Callable[[Endpoint, Callable[[], Link]], Awaitable[Link]]]] = MappingProxyType(
    {"tls": _open_tls, "udp": _open_udp, "rtu": _open_serial, "ascii": _open_serial, "listen": _listen}
)

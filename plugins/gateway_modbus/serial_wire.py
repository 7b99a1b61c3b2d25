"""A serial line under the event loop: bytes as they come, writes that never block, lost when it is unplugged."""

import asyncio
import contextlib
import errno
import os
import termios
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import serial  # type: ignore[import-untyped] # ships no types

from gateway.sdk import DisconnectedError
from gateway_modbus.endpoint import Endpoint
from gateway_modbus.link import Link

_PIECE: Final = 4096  # bytes taken from the kernel at a time
_REMEDIES: Final[Mapping[int, str]] = MappingProxyType(
    {
        errno.ENOENT: "is it plugged in? /dev/serial/by-id holds the ports there are",
        errno.EACCES: "the user that opens it must be in the group of the port (dialout)",
        errno.EPERM: "what confines this process does not allow the port",
        errno.EAGAIN: "another program has it open",
    }
)
_UNIT: Final = "; a service opens serial ports only with systemd/serial.conf (docs/install.md, Serial lines)"
_SHUT: Final = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM})  # what a unit without it comes to


class SerialWire:
    """An open serial port that feeds a link."""

    def __init__(self, port: serial.Serial, link: Link) -> None:
        self._port, self._link = port, link
        self._fd = port.fileno()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)
        link.connection_made(self)

    def write(self, data: bytes) -> None:
        """Send: a request is shorter than the kernel's buffer."""
        try:
            sent = os.write(self._fd, data)
        except OSError as error:
            self._gone(str(error))
            return
        if sent < len(data):
            self._gone("the serial line takes no more bytes")

    def drain(self) -> bytes:
        """What has come unasked."""
        try:
            return os.read(self._fd, _PIECE)
        except OSError:
            return b""  # nothing, or unplugged: the write will tell

    def close(self) -> None:
        """Let go of the port."""
        self._gone("the connection was closed")

    def abort(self) -> None:
        """Let go of the port."""
        if self._port.is_open:
            self._loop.remove_reader(self._fd)
            with contextlib.suppress(OSError, termios.error):  # unplugged: there is nothing to close any more
                self._port.close()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            self._gone(str(error))
            return
        if data:
            self._link.data_received(data)
        else:
            self._gone("the serial line is gone")

    def _gone(self, why: str) -> None:
        self.abort()
        self._link.lost(why)


def open_serial(endpoint: Endpoint, link: Link) -> None:
    """Open the line of `endpoint` for `link`, for nobody else beside. Raises DisconnectedError."""
    line = endpoint.serial
    try:
        port = serial.Serial(
            endpoint.host, line.baud, line.bits, line.parity, line.stop, timeout=0, write_timeout=0, exclusive=True
        )
    except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
        raise DisconnectedError(f"{endpoint.host}: {refusal(error, endpoint.host, os.environ)}") from error
    SerialWire(port, link)


def refusal(error: Exception, path: str, environ: Mapping[str, str]) -> str:
    """Why `path` could not be opened, and what helps.

    `environ`: of this process; systemd names each start of a unit in INVOCATION_ID (systemd.exec(5)).
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        return str(error)
    said = "; ".join(filter(None, [os.strerror(number), _REMEDIES.get(number)]))
    shut = number in _SHUT and path.startswith("/dev/") and "INVOCATION_ID" in environ
    return said + (_UNIT if shut else "")

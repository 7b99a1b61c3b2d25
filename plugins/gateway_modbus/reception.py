"""Devices that dial in: the gateway listens, and a device is known by the address that it comes from.

One listening socket for all connections with the same host and port. Where no `peer` is told, whoever comes is taken.
A newer connection takes the place of the older one, which is what a device leaves behind that was switched off and on.
"""

import asyncio
import socket
from dataclasses import dataclass
from typing import ClassVar
from weakref import WeakKeyDictionary

from gateway_modbus.endpoint import Endpoint
from gateway_modbus.link import Link

ANYBODY = ""
_Place = tuple[str, int]


@dataclass(slots=True, eq=False)
class Seat:
    """What one connection waits on."""

    arrived: asyncio.Queue[socket.socket]
    link: Link | None = None

    def take(self, sock: socket.socket) -> None:
        """Somebody has come for it."""
        self.clear()
        self.arrived.put_nowait(sock)
        if self.link is not None:
            self.link.lost("the device has dialled in anew")

    def clear(self) -> None:
        """Hang up on whoever came and was not served."""
        while not self.arrived.empty():
            self.arrived.get_nowait().close()


class Reception:
    """The listening socket of one host and port, and who waits for whom."""

    _OPEN: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Place, "Reception"]]] = WeakKeyDictionary()

    def __init__(self, place: _Place) -> None:
        family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        self._listening = socket.create_server(place, family=family)
        self._listening.settimeout(0)
        self._loop = asyncio.get_running_loop()
        self.seats: dict[str, Seat] = {}
        self._loop.add_reader(self._listening, self._accept)

    @classmethod
    def seat(cls, endpoint: Endpoint) -> Seat:
        """The seat of the device that dials in there. Raises OSError where nobody can listen there."""
        receptions = cls._OPEN.setdefault(asyncio.get_running_loop(), {})
        place = (endpoint.host, endpoint.port)
        if place not in receptions:
            receptions[place] = cls(place)
        return receptions[place].seats.setdefault(endpoint.options.get("peer", ANYBODY), Seat(asyncio.Queue()))

    @classmethod
    def leave(cls, endpoint: Endpoint) -> None:
        """Give the seat up, unless somebody has come for it meanwhile; the last one to leave closes the socket."""
        receptions, place = cls._OPEN.get(asyncio.get_running_loop(), {}), (endpoint.host, endpoint.port)
        peer, reception = endpoint.options.get("peer", ANYBODY), receptions.get(place)
        if reception is None or peer not in reception.seats:
            return
        seat = reception.seats[peer]
        if seat.link is not None and not seat.arrived.empty():
            seat.link = None
            return
        seat.clear()
        del reception.seats[peer]
        if not reception.seats:
            reception.close()
            del receptions[place]

    def close(self) -> None:
        """Listen no more."""
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _accept(self) -> None:
        try:
            sock, address = self._listening.accept()
        except OSError:
            return  # it has gone already
        seat = self.seats.get(str(address[0])) or self.seats.get(ANYBODY)
        if seat is None:
            sock.close()
            return
        sock.settimeout(0)
        seat.take(sock)

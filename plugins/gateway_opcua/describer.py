"""Asks a server what its values mean: units, ranges, texts. Slowly, beside the readings, and each variable once."""

import asyncio
from collections.abc import Sequence
from typing import Final, Never

from gateway.sdk import Device, DisconnectedError
from gateway.sdk.described import Described
from gateway_opcua import status
from gateway_opcua.described import described
from gateway_opcua.enumerations import Enumerations
from gateway_opcua.inventory import VARIABLE, Inventory
from gateway_opcua.nodeid import NULL
from gateway_opcua.places import Places
from gateway_opcua.session import Session
from gateway_opcua.site import Site
from gateway_opcua.walk import Node

_TOGETHER: Final = 10  # variables in one call: a few ms of the loop
_PAUSE: Final = 0.5  # s between two calls: 0.3 % of a core; 1,000 variables take a minute
_AGAIN, _MAX_WAIT = 60.0, 600.0  # s until variables that were not there are looked for again; doubled each time
_SURE: Final = 2.0  # s in which everybody notices that a session is lost
_BELOW: Final = 500  # references of all variables asked together
_NOTHING: Final = Described()


class Describer:
    """Describes the tags of one session; what is known outlives it.

    Attributes:
        names: `device.tag` of each row.
    """

    def __init__(self, session: Session, places: Places, devices: Sequence[Device], site: Site) -> None:
        self._places, self._site = places, site
        # The values are the readers' own: one more reading of them has its price, and with some servers its effects.
        self._looks = Enumerations(session, Inventory(session, everything=False, values=False))
        self.names = {tag.row: f"{device.name}.{tag.name}" for device in devices for tag in device.tags}
        self._left = [row for row, name in self.names.items() if name not in site.described]

    async def run(self) -> Never:
        """Describe what is not described yet. A server that will not be asked is left alone until the next session."""
        wait = _AGAIN
        try:
            while self._left:
                await self._pass()
                await self._pause(wait)
                wait = min(2 * wait, _MAX_WAIT)
        except DisconnectedError as error:
            await self._pause(_SURE)  # where the session is lost, this is cancelled meanwhile
            self._site.host.log.info("the server does not say what its values mean", why=str(error))
        await asyncio.Event().wait()
        raise AssertionError

    async def _pass(self) -> None:
        """Ask for all whose nodes are known by now."""
        known = [row for row in self._left if self._places.binary(row) != NULL]
        for at in range(0, len(known), _TOGETHER):
            await self._pause(_PAUSE)
            await self.describe(known[at : at + _TOGETHER])
        self._left = [row for row in self._left if self.names[row] not in self._site.described]

    async def describe(self, rows: Sequence[int]) -> None:
        """Ask for these now. Raises DisconnectedError."""
        nodes = [Node(self._places.binary(row), ("",), (0,), VARIABLE) for row in rows]
        await self._looks.look(nodes, _BELOW)
        for row, node in zip(rows, nodes, strict=True):
            if not status.not_for_us(node.reads["status"]):
                self._learnt(self.names[row], described(node.reads))

    def _learnt(self, name: str, said: Described) -> None:
        self._site.described[name] = said
        if said != _NOTHING:
            self._site.told[name] = said

    async def _pause(self, seconds: float) -> None:
        clock = self._site.host.clock
        await clock.sleep_until(clock.monotonic() + seconds)

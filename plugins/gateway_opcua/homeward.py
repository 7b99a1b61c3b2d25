"""The way back: while a backup stands in, the first server is looked at now and then, and taken again when it is well.

A server says how well it is by its ServiceLevel (Part 4 §6.6.2.4.2: 200 to 255 are healthy; a server that starts up, or
knows only a part of its data, says less).
"""

import asyncio
from dataclasses import replace
from typing import Any, Final

import numpy as np

from gateway.sdk import DisconnectedError, Host, Log
from gateway_opcua import nodeid
from gateway_opcua.codec import ReadPlan, ServiceFaultError
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.session import Session
from gateway_opcua.wire import CodecError

_LOOK: Final = 60.0  # s between two looks; each is a session of its own, opened and closed
_LOOKS: Final = 2  # in a row at which it must be well
_HEALTHY: Final = 200
_SERVICE_LEVEL: Final = 2267  # Server_ServiceLevel (Part 6 Annex A)


async def until_well(session: Session, config: OpcuaDevice, host: Host) -> None:
    """Until `session` is with a backup and the first server of `config` is well: never where it is the first's own."""
    if session.url == config.connect:
        await asyncio.Event().wait()
    host, well = replace(host, log=_Fewer(host.log)), 0
    while well < _LOOKS:
        await host.clock.sleep_until(host.clock.monotonic() + _LOOK)
        well = well + 1 if await _is_well(config, host) else 0


class _Fewer:
    """The log without warnings: every look would repeat them, and the session that is gone back to says them anyway."""

    def __init__(self, log: Log) -> None:
        self.debug, self.info = log.debug, log.info

    def warning(self, event: str, **fields: Any) -> None:
        """Said later, if at all."""


async def _is_well(config: OpcuaDevice, host: Host) -> bool:
    """Whether it lets us in and calls itself healthy, or says nothing of how it is."""
    look = Session(config, host)
    try:
        await look.open()
        columns = await look.read(ReadPlan([nodeid.encode(0, _SERVICE_LEVEL)]))
    except (DisconnectedError, TimeoutError, ServiceFaultError, CodecError):
        return False
    finally:
        await look.close()
    level = columns.value[0]
    return bool(np.isnan(level) or level >= _HEALTHY)

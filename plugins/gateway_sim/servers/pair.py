"""Tags shown by two protocols at once: some by OPC UA (device `plc`), the others by Modbus TCP (device `io`).

`describe` tells where each tag is found, in the words of a Fieldgate configuration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway_sim.points import Point
from gateway_sim.servers.modbus import HOST, ModbusServer
from gateway_sim.servers.opcua import OPEN, Access, OpcuaServer

OPCUA_DEVICE: Final = "plc"
MODBUS_DEVICE: Final = "io"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where to listen; 0 takes a free port."""

    opcua: int = 0
    modbus: int = 0


class Pair:
    """Both servers. OPC UA shows the columns `by_opcua`, Modbus shows the rest; an empty side is not opened."""

    def __init__(self, points: Sequence[Point], by_opcua: Sequence[int], access: Access = OPEN) -> None:
        self.points = points
        self.opcua_columns = np.array(sorted(by_opcua), np.intp)
        self.modbus_columns = np.setdiff1d(np.arange(len(points)), self.opcua_columns)
        self.opcua = OpcuaServer(OPCUA_DEVICE, [points[i] for i in self.opcua_columns], access)
        self.modbus = ModbusServer([points[i] for i in self.modbus_columns])
        self._opcua_url: str | None = None
        self._modbus_url: str | None = None

    async def start(self, ports: Ports) -> None:
        """Open both servers."""
        if len(self.opcua_columns):
            self._opcua_url = await self.opcua.start(ports.opcua)
        if len(self.modbus_columns):
            self._modbus_url = f"tcp://{HOST}:{await self.modbus.start(ports.modbus)}?unit=1"

    async def show(self, row: NDArray[np.float64], time_ns: int) -> None:
        """Serve `row`, shape (points,), with this source time, from now on."""
        self.modbus.show(row[self.modbus_columns])
        await self.opcua.show(row[self.opcua_columns], time_ns)

    async def stop(self) -> None:
        """Close both."""
        await self.modbus.stop()
        if self._opcua_url is not None:
            await self.opcua.stop()

    def describe(self) -> list[dict[str, Any]]:
        """The devices, in the form of a configuration but for their period."""
        devices = []
        if self._opcua_url:
            nodes = {p.name: {"node": self.opcua.node_id(i), **_about(p)} for i, p in enumerate(self.opcua.points)}
            devices.append({"device": OPCUA_DEVICE, "adapter": "opcua", "connect": self._opcua_url, "tags": nodes})
        if self._modbus_url:
            words = {
                p.name: {"at": self.modbus.address(i), "type": "float32", **_about(p)}
                for i, p in enumerate(self.modbus.points)
            }
            address = {"connect": self._modbus_url, "order": "ABCD"}
            devices.append({"device": MODBUS_DEVICE, "adapter": "modbus", **address, "tags": words})
        return devices


def _about(point: Point) -> dict[str, Any]:
    """What is known of a tag, whatever its protocol."""
    about: dict[str, Any] = {}
    if point.unit:
        about["unit"] = point.unit
    if point.description:
        about["description"] = point.description
    if point.low is not None and point.high is not None:
        about["range"] = [point.low, point.high]
    return about


def full_names(devices: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """From a tag's own name to the one that an asset uses: `pump_flow` → `plc.pump_flow`."""
    return {tag: f"{device['device']}.{tag}" for device in devices for tag in device["tags"]}

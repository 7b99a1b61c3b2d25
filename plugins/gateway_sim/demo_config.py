"""From what a simulator says when it is ready to the configuration of a gateway that reads it. Pure."""

from collections.abc import Mapping
from typing import Any


def configuration(ready: Mapping[str, Any], every: str) -> dict[str, Any]:
    """Devices and assets for the ready line of `plant` or `player`.

    Args:
        ready: the ready line, as parsed from JSON.
        every: period at which the gateway reads, as a configuration writes it: `50ms`.

    Returns:
        `devices`, a list in the form of `devices.d/*.yaml`, and `assets`, the section of `fieldgate.yaml`.
    """
    how = {"opcua": {"mode": "read", "every": every}, "modbus": {"every": every}}
    devices = [{**device, **how[device["adapter"]]} for device in ready["devices"]]
    return {"devices": devices, "assets": {name: {"tags": list(tags)} for name, tags in ready["assets"].items()}}


def farm_configuration(ready: Mapping[str, Any], every: str | None = None) -> dict[str, Any]:
    """Devices for the ready line of `farm`: one a port, a uint16 tag a register, `r0`, `r1`, …; no assets.

    Args:
        ready: the ready line, as parsed from JSON.
        every: period at which the gateway reads; the farm's own `period` unless given.
    """
    tags = {f"r{i}": {"at": f"holding:{i}", "type": "uint16"} for i in range(ready["registers"])}
    devices = [
        {
            "device": f"farm-{index}",
            "adapter": "modbus",
            "connect": f"tcp://127.0.0.1:{port}?unit=1",
            "every": every or ready["period"],
            "tags": tags,
        }
        for index, port in enumerate(ready["ports"])
    ]
    return {"devices": devices, "assets": {}}

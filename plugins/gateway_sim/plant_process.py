"""`plant`: the simulated plant, live; half of its tags by OPC UA, the others by Modbus TCP."""

import argparse
import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from gateway_sim.faults import FAULTS
from gateway_sim.plant import Plant
from gateway_sim.points import ASSETS, POINTS
from gateway_sim.process import CommandError, Console, switch
from gateway_sim.servers.opcua import Access
from gateway_sim.servers.pair import Pair, Ports, full_names

SETTLE: Final = 600.0  # s of plant time before anybody looks: temperatures and levels have found their place


def description(pair: Pair, plant: Plant) -> dict[str, Any]:
    """What the ready line tells: devices, assets and faults, tags by the names that a gateway gives them."""
    devices = pair.describe()
    full = full_names(devices)
    return {
        "devices": devices,
        "assets": {asset: [full[tag] for tag in tags] for asset, tags in ASSETS.items()},
        "faults": {
            name: {"asset": fault.asset, "culprit": full[fault.culprit], "ramp": fault.ramp, "what": fault.description}
            for name, fault in FAULTS.items()
        },
        "active": plant.faults.active,
    }


def switch_fault(plant: Plant, name: str, state: str) -> Mapping[str, Any]:
    """Obey `fault NAME on|off`."""
    try:
        plant.faults.switch(name, on=switch(state))
    except KeyError as error:
        raise CommandError(error.args[0]) from error
    return {"active": plant.faults.active}


async def step_forever(plant: Plant, pair: Pair, step: float, pace: float) -> None:
    """Advance the plant on a fixed grid of real time; steps that are missed are simulated, not shown."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        behind = max(1, int((loop.time() - due) / step))
        due += behind * step
        plant.advance(behind * step * pace)
        await pair.show(plant.values, time.time_ns())
        await asyncio.sleep(due - loop.time())


async def run(options: argparse.Namespace) -> None:
    """Serve until told to stop."""
    console = Console(keep=options.keep)
    plant = Plant(options.seed)
    plant.advance(SETTLE)
    user, _, password = (options.user or "").partition(":")
    pair = Pair(POINTS, range(0, len(POINTS), 2), Access(options.secure, user or None, password))
    await pair.start(Ports(options.opcua_port, options.modbus_port))
    try:
        await pair.show(plant.values, time.time_ns())
        about = {"step": options.step, "pace": options.pace, "seed": options.seed}
        commands = {"fault": lambda name, state: switch_fault(plant, name, state)}
        console.open({**about, **description(pair, plant)}, commands)
        await console.until_stopped(step_forever(plant, pair, options.step, options.pace))
    finally:
        await pair.stop()

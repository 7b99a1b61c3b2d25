"""Two lives of an edge node, listened in on: what the assertions of the specification are read in."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from tests.deliver.sparkplug.rig import PUMP, Host, Plant
from tests.deliver.sparkplug.tap import Packet, Tap


async def of_a_node(folder: Path, port: int, version: str) -> list[Packet]:
    """Born, tells, loses a device and gets it back, is asked for a rebirth, is cut off, tells what it kept, leaves."""
    tap, host = Tap(port), await asyncio.to_thread(Host, port)
    plant = Plant(folder, tap.port, version=version)
    try:
        async with tap.open():
            plant.scan("pump-7", *PUMP)
            plant.scan("tank-1", 40.0, 1.0)
            async with plant.running():
                await plant.until(lambda: plant.settled() and tap.of("NBIRTH"), "born")
                for number in range(300):  # more than there are sequence numbers
                    plant.scan("pump-7", 100.0 + number, *PUMP[1:])
                    if number % 50 == 0:
                        await asyncio.sleep(0.02)
                await plant.until(plant.settled, "told much")
                plant.scan("tank-1", 41.0, None)
                await plant.until(plant.settled, "told of a failure")
                plant.scan("tank-1", 42.0, "text now")  # its datatype shows only here
                await plant.until(plant.settled, "told")
                await _come_and_go(plant, tap)
                await _ask(plant, tap, host)
                for _ in range(2):
                    tap.cut()
                    await plant.until(lambda: not plant.publisher.connected, "cut off")
                    plant.scan("pump-7", *PUMP)
                    plant.scan("valve-3", 0.0)
                    await tap.resume()
                    await plant.until(plant.settled, "told what was kept")
                plant.scan("pump-7", *PUMP)
                await plant.until(plant.settled, "told what is new")
            await plant.until(lambda: tap.of("DISCONNECT"), "gone")
    finally:
        host.close()
    return tap.packets


async def _come_and_go(plant: Plant, tap: Tap) -> None:
    """A device is heard of for the first time; another is lost, and is back."""
    plant.scan("valve-3", 1.0)  # first heard of now
    await plant.until(lambda: plant.settled() and "valve-3" in [p.device for p in tap.of("DBIRTH")], "came")
    plant.lose("pump-7")
    await plant.until(lambda: plant.settled() and tap.of("DDEATH"), "lost")
    plant.scan("pump-7", *PUMP)
    await plant.until(plant.settled, "back")


async def _ask(plant: Plant, tap: Tap, host: Host) -> None:
    """A host asks for a rebirth, and for what it does not get."""
    births = len(tap.of("NBIRTH"))
    await asyncio.sleep(1.1)  # longer than the debounce
    host.ask_rebirth()
    host.command("spBv1.0/plant/NCMD/line-3", "Node Control/Reboot", value=True)
    host.command("spBv1.0/plant/DCMD/line-3/pump-7", "running", value=False)
    await plant.until(lambda: len(tap.of("NBIRTH")) > births, "reborn")
    plant.scan("pump-7", *PUMP)
    await plant.until(plant.settled, "told again")


@dataclass
class Waiting:
    """What a node with a primary host had sent by then, step by step."""

    steps: dict[str, list[Packet]] = field(default_factory=dict)


async def with_a_primary_host(folder: Path, port: int) -> Waiting:
    """The host is away, another is there, it is old, it comes, an old word of its death comes, it goes, it is back."""
    tap, host, seen = Tap(port), await asyncio.to_thread(Host, port), Waiting()
    plant = Plant(folder, tap.port, sparkplug={"primary_host": "scada"})

    async def note(step: str, wait: float = 0.4) -> None:
        await asyncio.sleep(wait)
        seen.steps[step] = list(tap.packets)
        tap.packets.clear()

    try:
        async with tap.open(), plant.running():
            plant.scan("pump-7", *PUMP)
            await plant.until(lambda: plant.publisher.connected, "connected")
            await note("nobody")
            host.state(online=True, timestamp=9000, name="other")
            await note("another host")
            host.state(online=False, timestamp=1000)
            await note("offline")
            host.state(online=True, timestamp=2000)
            await plant.until(plant.settled, "born")
            await note("online")
            host.state(online=False, timestamp=1500)
            plant.scan("pump-7", *PUMP)
            await note("an old offline")
            connections = tap.connections
            host.state(online=False, timestamp=2000)  # as the will that was given with the birth of that time
            await plant.until(lambda: tap.connections > connections and plant.publisher.connected, "anew")
            plant.scan("pump-7", *PUMP)
            await note("offline again")
            host.state(online=True, timestamp=3000)
            await plant.until(plant.settled, "born again")
            await note("online again")
    finally:
        host.close()
    return seen

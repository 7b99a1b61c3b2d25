"""`fieldgate read`: ask the devices once and show what they say, with quality and time. Changes nothing."""

import argparse
import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from gateway.app import connections
from gateway.cli.common import FAILED, OK, TRY_LATER, add_config, add_json, complain, print_json
from gateway.config.load import Configuration, load
from gateway.ingest.image import Image
from gateway.ingest.registry import Registry
from gateway.ops import logs
from gateway.ops.clock import SystemClock
from gateway.sdk.adapter import Adapter, Host
from gateway.sdk.batch import Batch
from gateway.sdk.errors import DisconnectedError
from gateway.sdk.quality import BAD, name
from gateway.sdk.tags import TagTable
from gateway.stages.condition import Conditioner, Readings


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("read", help="read tags once", description="Read tags once and print them.")
    add_config(parser)
    add_json(parser)
    parser.add_argument("tags", nargs="*", metavar="DEVICE[.TAG]", help="what to read (default: everything)")
    parser.add_argument("--within", type=float, default=10.0, metavar="SECONDS", help="longest wait (default: 10)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Read and print; 75 when something did not answer."""
    clock = SystemClock()
    logs.configure("error", clock)
    registry = Registry()
    configuration = load(args.config, registry.models())
    table = TagTable.build(configuration.devices)
    wanted = [row for row, full in enumerate(table.names) if _chosen(full, args.tags)]
    if not wanted:
        complain(f"no tag is called {', '.join(args.tags)}")
        return FAILED
    image = asyncio.run(_read(configuration, registry, table, wanted, args.within))
    rows = [_reading(table, image, row) for row in wanted]
    if args.json:
        print_json(rows)
    else:
        for row in rows:
            print(f"{row['tag']:32} {_text(row['value']):>14} {row['unit']:8} {row['status']}")
    return OK if all(int(image.status[row]) < BAD for row in wanted) else TRY_LATER


def _chosen(full: str, tags: list[str]) -> bool:
    return not tags or full in tags or full.split(".", 1)[0] in tags


class Reading:
    """One look at the wanted rows: an image that fills, until one scan of every group with a wanted row has come."""

    def __init__(self, table: TagTable, wanted: list[int], broken: set[int]) -> None:
        self.image, self._conditioner, self._table = Image(table), Conditioner(table), table
        self.devices = {int(table.device[row]) for row in wanted} - broken
        self._waiting = {int(table.group[row]) for row in wanted if int(table.device[row]) not in broken}
        self._complete = asyncio.Event()
        self._heard(set())

    def __call__(self, batch: Batch) -> None:
        """The sink of the adapters."""
        rows = np.arange(len(self._table))[batch.rows]
        raw = Readings(rows, batch.value, batch.time, batch.status)
        new = self._conditioner(raw, self.image.time[rows], np.isin(rows, list(batch.other)))
        self.image.update(new, batch.status < BAD, 0)
        self.image.other.update(batch.other)
        self._heard(set(np.unique(self._table.group[rows]).tolist()))

    async def ask(self, adapter: Adapter) -> None:
        """Connect and read until cancelled; a device that is away is not waited for."""
        try:
            await adapter.connect()
            await adapter.run(self)
        except DisconnectedError as error:
            complain(f"{adapter.connection.name}: {error}")
            self._heard({group.id for group in adapter.connection.groups})

    async def complete(self, within: float) -> None:
        """Wait until everything has been heard, `within` seconds at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._complete.wait(), within)

    def _heard(self, groups: set[int]) -> None:
        self._waiting -= groups
        if not self._waiting:
            self._complete.set()


async def _read(
    configuration: Configuration, registry: Registry, table: TagTable, wanted: list[int], within: float
) -> Image:
    """Connect to what has a wanted row, look once, close."""
    broken = {device.id for device in table.devices if device.name in configuration.broken}
    reading = Reading(table, wanted, broken)
    with tempfile.TemporaryDirectory(prefix="fieldgate-read-") as home:
        host = Host(SystemClock(), Path(home), structlog.get_logger())
        adapters = [
            registry.adapter(kind)(connection, host)
            for kind, connection in connections(table, set(configuration.broken))
            if reading.devices & {device.id for device in connection.devices}
        ]
        tasks = [asyncio.create_task(reading.ask(adapter)) for adapter in adapters]
        await reading.complete(within)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for adapter in adapters:
            await adapter.close()
    return reading.image


def _reading(table: TagTable, image: Image, row: int) -> dict[str, Any]:
    value = image.other.get(row, image.value[row])
    return {
        "tag": table.names[row],
        "value": None if isinstance(value, float) and np.isnan(value) else value,
        "unit": table.units[row],
        "status": name(int(image.status[row])),
        "time": image.time[row] / 1e9 or None,
    }


def _text(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)

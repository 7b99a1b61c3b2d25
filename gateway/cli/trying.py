"""Devices that a plan would add or change, read once, so that a wrong address is seen before it is applied."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from gateway.cli.reading import Reading, ask, borrowed, narrowed, opened
from gateway.config.compare import REMOVED, Change
from gateway.config.load import Configuration
from gateway.ingest.registry import Registry
from gateway.ops import logs
from gateway.ops.clock import SystemClock
from gateway.sdk.quality import UNCERTAIN, name
from gateway.sdk.tags import TagTable

_SHOWN: Final = 5  # tags of a device that are named


class Tried(NamedTuple):
    """How one device answered: its tags, those that are good, and what the others are."""

    device: str
    tags: int
    good: int
    others: dict[str, str]

    def __str__(self) -> str:
        """On one line."""
        named = [f"{tag} {status}" for tag, status in list(self.others.items())[:_SHOWN]]
        more = len(self.others) - len(named)
        rest = ", ".join([*named, f"and {more} more"] if more > 0 else named)
        return f"  {self.device}: {self.good} of {self.tags} tags good" + (f"; {rest}" if rest else "")


def touched(changes: Sequence[Change]) -> list[str]:
    """Devices that are added, or of which anything changes but that it goes."""
    found = [change.name.partition(".")[0] for change in changes if change.what in ("device", "tag")]
    gone = {change.name for change in changes if change.what == "device" and change.kind == REMOVED}
    return [name for name in dict.fromkeys(found) if name not in gone]


def tried(found: Configuration, devices: Sequence[str], state: Path, within: float) -> list[Tried]:
    """Read all tags of these devices once; nothing is written. What does not answer is told on stderr, too."""
    if not devices:
        return []
    logs.configure("error", SystemClock())
    registry, table = Registry(), TagTable.build(narrowed(found.devices, devices))
    reading = Reading(table, set(found.broken))

    async def once(homes: Path) -> None:
        async with opened(registry, reading, homes) as adapters:
            await ask(reading, adapters, within)

    with borrowed(state / "adapters") as homes:
        asyncio.run(once(homes))
    return [_of(reading, number) for number in range(len(table.devices))]


def _of(reading: Reading, number: int) -> Tried:
    table, status = reading.table, reading.image.status
    rows = np.flatnonzero(table.device == number).tolist()
    others = {table.names[row].partition(".")[2]: name(int(status[row])) for row in rows if status[row] >= UNCERTAIN}
    return Tried(table.devices[number].name, len(rows), len(rows) - len(others), others)

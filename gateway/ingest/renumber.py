"""The numbers of a device's batches, when others before it have come or gone: a reload numbers all tags anew.

An adapter keeps the numbers that it was made with; a device that stays is not disturbed. What it hands on is moved to
the numbers of the table that holds now, per batch and not per reading.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from gateway.sdk.batch import Batch
from gateway.sdk.tags import Device


class Shift(NamedTuple):
    """What is added to the numbers of a device, its scan groups and its rows."""

    device: int
    group: int
    row: int


UNMOVED: Final = Shift(0, 0, 0)


def shifts(made: Sequence[Device], now: Mapping[str, Device]) -> dict[int, Shift]:
    """By the number that a device was made with: where it is now. Empty when all are where they were.

    Args:
        made: devices as their adapter knows them.
        now: the same devices by name, of the table that holds; as many tags in as many groups.
    """
    found = {device.id: _shift(device, now[device.name]) for device in made}
    return found if any(shift != UNMOVED for shift in found.values()) else {}


def renumber(batch: Batch, by: Shift) -> None:
    """Move a batch. Arrays that an adapter may still hold are not touched."""
    batch.device += by.device
    if batch.group >= 0:
        batch.group += by.group
    rows = batch.rows
    if isinstance(rows, slice):
        batch.rows = slice(rows.start + by.row, rows.stop + by.row)
    else:
        batch.rows = (rows.astype(np.int64) + by.row).astype(np.uint32)
    if batch.other:
        batch.other = {row + by.row: thing for row, thing in batch.other.items()}


def _shift(made: Device, now: Device) -> Shift:
    first, there = made.groups[0], now.groups[0]
    return Shift(now.id - made.id, there.id - first.id, there.rows.start - first.rows.start)

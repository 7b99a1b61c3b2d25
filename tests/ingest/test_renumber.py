"""Devices that stay are renumbered; those that are configured anew are opened anew."""

from typing import cast

import numpy as np

from gateway.ingest.connections import connections, sort
from gateway.ingest.renumber import renumber, shifts
from gateway.ingest.runner import Runner
from gateway.sdk.batch import Batch
from gateway.sdk.config import DeviceConfig, TagConfig
from gateway.sdk.tags import Connection, TagTable


class Networked(DeviceConfig):
    """A device that is reached through a gateway that it may share."""

    line: str = ""

    def connection(self) -> str:
        """What is opened."""
        return self.line or self.device


def device(name: str, *tags: str, line: str = "") -> Networked:
    return Networked(device=name, adapter="x", tags={tag: TagConfig() for tag in tags}, line=line)


def table(*devices: Networked) -> TagTable:
    return TagTable.build(devices)


OLD = table(device("a", "x"), device("b", "x", "y"), device("c", "x", "y", "z"))


def test_what_stands_where_it_stood_is_not_moved() -> None:
    now = {one.name: one for one in table(device("a", "x"), device("b", "x", "y")).devices}
    assert shifts(OLD.devices[:2], now) == {}


def test_batches_are_moved_and_arrays_of_the_adapter_are_not() -> None:
    new = table(device("c", "x", "y", "z"), device("new", "x"), device("b", "x", "y"))
    by = shifts(OLD.devices[1:], {one.name: one for one in new.devices})
    scan = Batch.of(OLD.devices[2].groups[0], np.arange(3.0), 7)
    renumber(scan, by[2])
    assert (scan.device, scan.group, scan.rows) == (0, new.devices[0].groups[0].id, slice(0, 3))
    held = np.array([2, 1], np.uint32)
    some = Batch(1, -1, held, np.zeros(2), np.zeros(2, np.int64), np.zeros(2, np.uint32), 7, {2: "text"})
    renumber(some, by[1])
    assert (some.device, some.group, some.rows.tolist(), some.other) == (2, -1, [5, 4], {5: "text"})  # type: ignore[union-attr]
    assert held.tolist() == [2, 1]


class Present:
    """A runner, as far as sorting looks at it."""

    def __init__(self, connection: object) -> None:
        self.connection = connection


def sorted_out(wanted: list[tuple[str, Connection]], present: list[Present]) -> list[bool]:
    """Which of them stay."""
    return [
        one in present for one in cast("list[object]", sort([one for _, one in wanted], cast("list[Runner]", present)))
    ]


def test_a_connection_stays_when_all_its_devices_do() -> None:
    shared = (device("m", "x", line="tcp"), device("n", "x", line="tcp"))
    before = [Present(one) for _, one in connections(table(device("a", "x"), *shared), ())]
    assert sorted_out(connections(table(device("new", "x"), device("a", "x"), *shared), ()), before) == [
        False,
        True,
        True,
    ]
    turned = table(device("a", "x"), device("b", "y", "x"))
    assert sorted_out(connections(turned, ()), [Present(one) for _, one in connections(OLD, ())]) == [True, False]
    other = table(device("a", "x"), shared[0], device("n", "y", line="tcp"))
    assert sorted_out(connections(other, ()), before) == [True, False]

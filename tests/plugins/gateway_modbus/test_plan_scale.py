"""Random tag maps against a machine that knows exactly what may be asked: 1,000, or 10,000 with FIELDGATE_FULL=1."""

import os
import random
import struct
from collections import Counter
from typing import Any

import numpy as np
import pytest

from gateway.sdk import Group, quality
from gateway.sdk.testing import connection
from gateway_modbus.addresses import DataTable
from gateway_modbus.config import ModbusDevice
from gateway_modbus.faults import GOOD
from gateway_modbus.scan import Scan, batches

MAPS = 10_000 if os.environ.get("FIELDGATE_FULL") else 1_000
PARTS = 10
TYPES = {"uint16": 1, "int32": 2, "float64": 4, "bcd16": 1, "uint8": 1}
FUNCTIONS = {table.function: table for table in DataTable}
EXTRA = 16  # requests beyond the plan that one scan may make


class Machine:
    """A register holds its address, a coil whether that is odd. Refuses holes and what is beyond its limits."""

    def __init__(self, rng: random.Random, most: int, declared: dict[DataTable, set[int]]) -> None:
        self.holes = {table: {rng.randrange(400) for _ in range(rng.choice((0, 0, 1, 3, 8)))} for table in DataTable}
        self.declared = declared
        self.most = most
        self.asked: list[tuple[DataTable, int, int]] = []

    def answer(self, tail: bytes, store: Any) -> int:
        _, _, _, function, start, count = struct.unpack(">HHBBHH", tail)
        table, span = FUNCTIONS[function], set(range(start, start + count))
        self.asked.append((table, start, count))
        assert not span & self.declared[table], "a declared hole is asked for, or read across"
        assert count <= (2000 if table.bits else self.most), "more than is allowed"
        if span & self.holes[table]:
            return 2
        if table.bits:
            store(sum(1 << i for i in range(count) if (start + i) % 2).to_bytes(-(-count // 8), "little"))
        else:
            store(struct.pack(f">{count}H", *range(start, start + count)))
        return GOOD

    def scan(self, scan: Scan, now: float) -> None:
        asked, extra = scan.due(now), EXTRA
        while asked:
            outcomes = [self.answer(part.request.tail, part.request.store) for part in asked]
            asked = scan.settle(asked, outcomes, now)[:extra]
            extra -= len(asked)
        scan.received = 1


def _drawn(rng: random.Random) -> tuple[Group, ModbusDevice, dict[DataTable, set[int]]]:
    """A device with 1 to 60 tags within 400 addresses of each table, and holes that are declared between them."""
    tags: dict[str, dict[str, Any]] = {}
    taken: dict[DataTable, set[int]] = {table: set() for table in DataTable}
    for index in range(rng.randint(1, 60)):
        table, start = rng.choice(list(DataTable)), rng.randrange(396)
        type_ = "bool" if table.bits else rng.choice(list(TYPES))
        tags[f"t{index}"] = {"at": f"{table}:{start}", "type": type_}
        taken[table] |= set(range(start, start + TYPES.get(type_, 1)))
    declared = {table: {n for n in range(400) if rng.random() < 0.02 and n not in taken[table]} for table in DataTable}
    holes = [f"{table}:{n}" for table, numbers in declared.items() for n in sorted(numbers)]
    config = ModbusDevice.model_validate(
        {
            "device": "d", "adapter": "modbus", "connect": "tcp://127.0.0.1", "tags": tags, "holes": holes,
            "max_registers": rng.choice((4, 10, 60, 125)), "gap": rng.choice((0, 4, 16, 124)),
        }
    )  # fmt: skip
    (group,) = connection(config).groups
    return group, config, declared


@pytest.mark.parametrize("part", range(PARTS))
def test_each_tag_is_read_once_within_limits_and_holes_are_not_asked_for_again(part: int) -> None:
    rng = random.Random(part)
    for _ in range(MAPS // PARTS):
        group, config, declared = _drawn(rng)
        machine = Machine(rng, config.max_registers, declared)
        scan = Scan(group, config, Counter())
        _every_tag_once(scan, config, machine)
        for turn in range(60):  # a scan splits so many blocks only; each is found sooner or later
            before = len(machine.asked)
            machine.scan(scan, float(turn))
            if turn and not _refused(machine, before):
                break
        _settled(scan, group, config, machine)


def _every_tag_once(scan: Scan, config: ModbusDevice, machine: Machine) -> None:
    seen = Counter(int(row) for part in scan.due(0.0) for row in part.rows)
    assert seen == dict.fromkeys(range(len(config.tags)), 1)
    assert not machine.asked


def _refused(machine: Machine, since: int) -> bool:
    return any(set(range(start, start + count)) & machine.holes[table] for table, start, count in machine.asked[since:])


def _settled(scan: Scan, group: Group, config: ModbusDevice, machine: Machine) -> None:
    """From now on no hole is asked for, and exactly the tags without one have their values."""
    for now in (100.0, 101.0):
        before = len(machine.asked)
        machine.scan(scan, now)
        assert not _refused(machine, before), "a hole that was found is asked for again"
    (batch,) = batches([scan])
    for place, tag in enumerate(config.tags.values()):
        inside = set(range(tag.at.number, tag.at.number + tag.span)) & machine.holes[tag.at.table]
        status = int(batch.status[place])
        assert (status == quality.BAD_CONFIGURATION_ERROR) == bool(inside)
        assert np.isnan(batch.value[place]) or not inside
        if tag.kind == "uint16" and not inside:
            assert batch.value[place] == tag.at.number
    assert len(batch) == len(group)

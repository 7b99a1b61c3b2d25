"""The scan without a socket: a device is a function from (function, start, count) to an outcome."""

import struct
from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk import Group, quality
from gateway.sdk.testing import connection
from gateway_modbus.config import ModbusDevice
from gateway_modbus.faults import GOOD, SHORT, SILENT, TIMEOUT
from gateway_modbus.scan import REST, Scan, batches
from tests.plugins.gateway_modbus.device import coil


class Machine:
    """Answers at once; a register holds its address. Simulates illegal and mute addresses, and other outcomes."""

    def __init__(self) -> None:
        self.illegal: set[int] = set()
        self.mute: set[int] = set()
        self.outcome = GOOD
        self.requests = 0

    def read(self, scan: Scan, now: float, extra: int = 16) -> None:
        asked = scan.due(now)
        while asked:
            outcomes: list[int] = []
            for part in asked:
                outcomes.append(self._one(part.request.tail, part.request.store))
                if outcomes[-1] in SILENT:
                    break
            asked = scan.settle(asked, outcomes, now)[:extra]
            extra -= len(asked)

    def _one(self, tail: bytes, store: Any) -> int:
        self.requests += 1
        _, _, _, function, start, count = struct.unpack(">HHBBHH", tail)
        span = set(range(start, start + count))
        if self.outcome or span & self.mute:
            return self.outcome or TIMEOUT
        if span & self.illegal:
            return 2
        if function <= 2:
            store(sum(1 << i for i in range(count) if coil(start + i)).to_bytes(-(-count // 8), "little"))
        else:
            store(struct.pack(f">{count}H", *range(start, start + count)))
        return GOOD


def _scan(tags: dict[str, dict[str, Any]], **options: Any) -> tuple[Scan, Group, Counter[str]]:
    config = ModbusDevice.model_validate(
        {"device": "d", "adapter": "modbus", "connect": "tcp://127.0.0.1", "tags": tags} | options
    )
    (group,), counters = connection(config).groups, Counter[str]()
    return Scan(group, config, counters), group, counters


def _registers(*addresses: int) -> dict[str, dict[str, Any]]:
    return {f"r{address}": {"at": f"holding:{address}"} for address in addresses}


def test_before_the_first_answer_everything_waits() -> None:
    scan, _, _ = _scan(_registers(0, 1))
    batch = scan.batch(1)
    assert batch.status.tolist() == [quality.BAD_WAITING_FOR_INITIAL_DATA] * 2
    assert np.isnan(batch.value).all()


def test_all_tables_and_types_come_in_one_batch() -> None:
    tags = {
        "a": {"at": "holding:100"},
        "b": {"at": "input:7"},
        "c": {"at": "coil:3"},
        "d": {"at": "coil:4"},
        "e": {"at": "discrete:9"},
        "f": {"at": "holding:102", "type": "uint32", "order": "CDAB"},
        "g": {"at": "holding:300", "type": "int16"},
    }
    scan, _, _ = _scan(tags)
    machine = Machine()
    machine.read(scan, 0.0)
    batch = scan.batch(1)
    assert batch.value.tolist() == [100, 7, 1, 0, 1, 103 << 16 | 102, 300]
    assert not batch.status.any()
    assert machine.requests == 5


def test_a_refused_tag_is_found_in_one_scan_and_all_others_flow() -> None:
    scan, group, counters = _scan(_registers(*range(1000, 1120)))
    machine = Machine()
    machine.illegal = {1077}
    machine.read(scan, 0.0)
    batch = scan.batch(1)
    bad = [tag.name for tag, status in zip(group.tags, batch.status, strict=True) if status]
    assert bad == ["r1077"]
    assert batch.status[77] == quality.BAD_CONFIGURATION_ERROR
    assert np.isnan(batch.value[77])
    assert [tag.name for tag in scan.refused] == ["r1077"]
    assert counters["tags_refused_total"] == 1
    machine.requests = 0
    machine.read(scan, 1.0)
    assert machine.requests <= 7  # and the refused tag is left in peace
    assert scan.refused == []


def test_a_refused_gap_costs_a_request_and_no_tag() -> None:
    scan, _, _ = _scan(_registers(0, 1, 10, 11))
    machine = Machine()
    machine.illegal = {5}
    for now in (0.0, 1.0):
        machine.requests = 0
        machine.read(scan, now)
    assert machine.requests == 2
    assert scan.batch(1).value.tolist() == [0, 1, 10, 11]


def test_a_tag_that_is_allowed_again_comes_back_and_the_block_is_whole_again() -> None:
    scan, _, _ = _scan(_registers(*range(64)))
    machine = Machine()
    machine.illegal = {5, 40}
    for now in (0.0, 0.0):
        machine.read(scan, now)
    machine.illegal = set()
    machine.read(scan, REST - 1)
    assert scan.batch(1).status.any()
    machine.read(scan, REST + 1)
    assert scan.batch(1).value.tolist() == list(range(64))
    machine.requests = 0
    machine.read(scan, REST + 2)
    assert machine.requests == 1


def test_a_tag_that_stays_refused_is_asked_once_in_five_minutes() -> None:
    scan, _, counters = _scan(_registers(7))
    machine = Machine()
    machine.illegal = {7}
    for now in range(900):
        machine.read(scan, float(now))
    assert machine.requests == 3
    assert counters["tags_refused_total"] == 1


def test_a_silent_register_is_found_and_all_others_flow() -> None:
    scan, _, _ = _scan(_registers(*range(16), *range(100, 108)))
    machine = Machine()
    machine.mute = {3}
    machine.read(scan, 0.0)
    for now in range(1, 40):
        machine.read(scan, float(now))
        assert scan.answered
    batch = scan.batch(1)
    assert np.flatnonzero(batch.status).tolist() == [3]
    assert batch.status[3] == quality.BAD_TIMEOUT


def test_what_was_silent_is_tried_again_after_ten_seconds_and_then_more_rarely() -> None:
    """A bad line silences sound registers, too: they must not rest for long. A dead one must not cost much."""
    scan, _, _ = _scan(_registers(*range(16), *range(100, 108)))
    machine, waits = Machine(), []
    machine.mute = {3}
    tried, rest = 0.0, 0
    for now in range(420):
        asked = scan.due(float(now))
        if rest and any(part.rested for part in asked):
            waits.append(now - tried)
        tried = now if any(part.rested for part in asked) else tried
        machine.read(scan, float(now))
        if not rest and any(part.rested for part in scan._parts):
            rest, tried = 1, now
    assert waits == [10, 20, 40] + [60] * 5
    machine.mute = set()
    machine.read(scan, 2000.0)
    assert not scan.batch(1).status.any()


def test_a_dead_unit_does_not_break_up_its_blocks() -> None:
    scan, _, counters = _scan(_registers(0, 100, 200))
    machine = Machine()
    machine.outcome = TIMEOUT
    for now in range(20):
        machine.read(scan, float(now))
        assert not scan.answered
        assert (scan.batch(1).status == quality.BAD_TIMEOUT).all()
    assert machine.requests == 20  # one timeout a scan, however many blocks
    assert not counters["blocks_split_total"]


def test_other_outcomes_have_their_status_and_are_tried_in_the_next_scan() -> None:
    scan, _, _ = _scan(_registers(0))
    machine, expected = Machine(), {
        1: quality.BAD_CONFIGURATION_ERROR, 4: quality.BAD_DEVICE_FAILURE, 6: quality.BAD_DEVICE_FAILURE,
        10: quality.BAD_DEVICE_FAILURE, 11: quality.BAD_DEVICE_FAILURE, SHORT: quality.BAD_DECODING_ERROR,
        GOOD: quality.GOOD,
    }  # fmt: skip
    for now, (outcome, status) in enumerate(expected.items()):
        machine.outcome = outcome
        machine.read(scan, float(now))
        batch = scan.batch(1)
        assert batch.status.tolist() == [status]
        assert np.isnan(batch.value[0]) == (outcome != GOOD)
    assert machine.requests == len(expected)


def test_no_number_of_an_earlier_scan_outlives_a_failure() -> None:
    scan, _, _ = _scan(_registers(41, 300))
    machine = Machine()
    machine.read(scan, 0.0)
    assert scan.batch(1).value.tolist() == [41, 300]
    machine.mute = {300}
    machine.read(scan, 1.0)
    batch = scan.batch(2)
    assert batch.value[0] == 41
    assert np.isnan(batch.value[1])


def test_a_nan_of_the_device_is_bad_and_no_number() -> None:
    # these two registers hold 0x7F80 and 0x7F81: a NaN
    scan, _, _ = _scan({"x": {"at": "holding:32640", "type": "float32"}, "y": {"at": "holding:5"}})
    Machine().read(scan, 0.0)
    batch = scan.batch(1)
    assert batch.status.tolist() == [quality.BAD_OUT_OF_RANGE, quality.GOOD]
    assert np.isnan(batch.value[0])
    assert batch.value[1] == 5


def test_a_large_integer_is_exact_by_its_row() -> None:
    scan, group, _ = _scan({"small": {"at": "holding:0"}, "large": {"at": "holding:800", "type": "uint64"}})
    Machine().read(scan, 0.0)
    large = 800 << 48 | 801 << 32 | 802 << 16 | 803
    assert scan.batch(1).other == {group.rows.start + 1: large}


def test_devices_of_one_profile_are_decoded_together_and_each_keeps_its_own() -> None:
    """Three of one layout: values, exact integers, faults and times do not wander from one to the other."""
    tags = {"a": {"at": "holding:10"}, "b": {"at": "holding:200", "type": "uint64"}, "c": {"at": "input:0"}}
    scans = [_scan(tags)[0] for _ in range(3)]
    assert len({id(scan.decoder) for scan in scans}) == 1
    for number, scan in enumerate(scans):
        outcomes = []
        for part in (asked := scan.due(0.0)):
            part.request.store(bytes([number]) * part.request.size)
            outcomes.append(6 if number == 1 and part.block.start == 0 else GOOD)
        scan.settle(asked, outcomes, 0.0)
        scan.received = 100 + number
    first = scans[0].group.rows.start
    made = batches(scans)
    assert [batch.time.tolist() for batch in made] == [[100] * 3, [101] * 3, [102] * 3]
    assert [batch.received for batch in made] == [100, 101, 102]
    assert [batch.value[0] for batch in made] == [0, 0x0101, 0x0202]
    assert [batch.other.get(first + 1) for batch in made] == [None, 0x0101010101010101, 0x0202020202020202]
    assert [batch.status.tolist() for batch in made] == [[0] * 3, [0, 0, quality.BAD_DEVICE_FAILURE], [0] * 3]
    assert [bool(np.isnan(batch.value[2])) for batch in made] == [False, True, False]
    batches(scans)[2].value[:] = -1
    assert made[2].value[0] == 0x0202  # what was handed over is nobody else's


@given(
    st.sets(st.integers(0, 200), min_size=1, max_size=80), st.sets(st.integers(0, 200), max_size=12), st.integers(0, 40)
)
def test_whatever_is_refused_exactly_the_other_tags_flow(addresses: set[int], illegal: set[int], gap: int) -> None:
    scan, group, _ = _scan(_registers(*sorted(addresses)), gap=gap)
    machine = Machine()
    machine.illegal = illegal
    for now in range(40):
        machine.read(scan, float(now))
    batch = scan.batch(1)
    for tag, value, status in zip(group.tags, batch.value, batch.status, strict=True):
        address = int(tag.name[1:])
        assert (status == quality.GOOD) == (address not in illegal)
        assert np.isnan(value) if address in illegal else value == address


@given(st.sets(st.integers(0, 300), min_size=1, max_size=60), st.sets(st.integers(0, 300), max_size=6))
def test_coils_are_found_bit_by_bit_even_when_blocks_break_up(addresses: set[int], illegal: set[int]) -> None:
    scan, group, _ = _scan({f"c{address}": {"at": f"coil:{address}"} for address in sorted(addresses)})
    machine = Machine()
    machine.illegal = illegal
    for now in range(20):
        machine.read(scan, float(now))
    batch = scan.batch(1)
    for tag, value in zip(group.tags, batch.value, strict=True):
        address = int(tag.name[1:])
        assert np.isnan(value) if address in illegal else value == coil(address)

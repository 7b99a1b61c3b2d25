import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_modbus.addresses import Address, DataTable, parse

COIL, DISCRETE, INPUT, HOLDING = DataTable


@pytest.mark.parametrize(
    ("text", "table", "number"),
    [
        ("holding:100", HOLDING, 100),
        ("holding:0", HOLDING, 0),
        ("holding:65535", HOLDING, 65535),
        ("holding:0x64", HOLDING, 100),
        (" Holding : 100 ", HOLDING, 100),
        ("input:0", INPUT, 0),
        ("coil:5", COIL, 5),
        ("discrete:7", DISCRETE, 7),
        ("40001", HOLDING, 0),
        ("40101", HOLDING, 100),
        (40103, HOLDING, 102),
        (400101, HOLDING, 100),
        ("465536", HOLDING, 65535),
        (49999, HOLDING, 9998),
        (30001, INPUT, 0),
        (300100, INPUT, 99),
        (10008, DISCRETE, 7),
        (100008, DISCRETE, 7),
        ("00001", COIL, 0),
        ("000006", COIL, 5),
        ("040001", COIL, 40000),
    ],
)
def test_an_address_is_read_as_manuals_write_it(text: str | int, table: DataTable, number: int) -> None:
    assert parse(text) == Address(table, number)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("40000", "count from 1"),
        (40000, "40001 is the first"),
        (400000, "400001 is the first"),
        ("465537", "count from 1 to 65536"),
        ("20001", "first digit"),
        (50001, "first digit"),
        (1, 'write coil:0, or in quotes "00001"'),
        ("1", "write holding:100"),
        ("holding:65536", "beyond 65535"),
        ("holding:", "write holding:100"),
        ("holding:-1", "write holding:100"),
        ("register:4", "no table 'register'"),
        ("4000001", "write holding:100"),
        (4.5, "write holding:100"),
        (True, "write holding:100"),
        (None, "write holding:100"),
        ("", "write holding:100"),
    ],
)
def test_a_wrong_address_is_refused_with_its_remedy(text: object, remedy: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse(text)
    assert remedy in str(refusal.value)


def test_the_wire_address_is_shown_as_a_network_trace_shows_it() -> None:
    assert parse("40101").wire == "holding 100 (0x0064), FC 3"
    assert [parse(f"{table}:1").table.function for table in ("coil", "discrete", "holding", "input")] == [1, 2, 3, 4]


@given(st.sampled_from(DataTable), st.integers(0, 65535))
def test_every_address_is_read_back_from_all_its_forms(table: DataTable, number: int) -> None:
    address = Address(table, number)
    digit = {COIL: 0, DISCRETE: 1, INPUT: 3, HOLDING: 4}[table]
    assert parse(str(address)) == parse(f"{digit}{number + 1:05d}") == address
    if number < 9999:
        assert parse(f"{digit}{number + 1:04d}") == address


@given(st.text(max_size=12) | st.integers() | st.floats() | st.none() | st.binary(max_size=4))
def test_whatever_is_written_either_is_an_address_or_a_value_error(text: object) -> None:
    with contextlib.suppress(ValueError):
        assert parse(text).number in range(65536)

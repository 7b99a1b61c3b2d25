import math
import struct
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_modbus.config import REGISTERS, Order, Type
from gateway_modbus.decode import Decoder, Place, byte_order

CODES = {
    "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q",
    "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip


def _on_the_wire(value: bytes, order: str) -> bytes:
    """Big-endian bytes as a device with `order` sends them, by the words of the README: swap words, swap bytes."""
    words = [value[i : i + 2] for i in range(0, len(value), 2)]
    words = words[::-1] if order in ("CDAB", "DCBA") else words
    return b"".join(word[::-1] if order in ("BADC", "DCBA") else word for word in words)


@st.composite
def tags(draw: st.DrawFn) -> tuple[Type, Order, bytes]:
    type_: Type = draw(st.sampled_from(list(REGISTERS)))
    size = 2 * REGISTERS[type_]
    return type_, draw(st.sampled_from(get_args(Order))), draw(st.binary(min_size=size, max_size=size))


@given(st.lists(tags(), min_size=1, max_size=30), st.integers(1, 3))
def test_every_type_in_every_order_reads_as_struct_does(drawn: list[tuple[Type, Order, bytes]], devices: int) -> None:
    places, raw = [], b""
    for type_, order, value in drawn:
        places.append(Place(len(raw), type_, order))
        raw += _on_the_wire(value, order)
    values, exact = Decoder(places)(np.frombuffer(raw * devices, np.uint8).reshape(devices, -1))
    assert values.shape == (devices, len(drawn))
    for column, (type_, _, value) in enumerate(drawn):
        (expected,) = struct.unpack(">" + CODES[type_], value)
        for row in range(devices):
            _same(values[row, column], exact.get((row, column)), expected)


def _same(value: float, exact: int | None, expected: Any) -> None:
    if isinstance(expected, float) and math.isnan(expected):
        assert math.isnan(value)
    else:
        assert value == float(expected)
    beyond = isinstance(expected, int) and abs(expected) > 2**53
    assert exact == (expected if beyond else None)


@pytest.mark.parametrize(
    ("type_", "order", "letters"),
    [
        ("uint16", "ABCD", "AB"), ("uint16", "CDAB", "AB"), ("uint16", "BADC", "BA"), ("uint16", "DCBA", "BA"),
        ("float32", "ABCD", "ABCD"), ("float32", "CDAB", "CDAB"),
        ("float32", "BADC", "BADC"), ("float32", "DCBA", "DCBA"),
        ("int64", "ABCD", "ABCDEFGH"), ("int64", "CDAB", "GHEFCDAB"), ("int64", "BADC", "BADCFEHG"),
        ("int64", "DCBA", "HGFEDCBA"),
    ],
)  # fmt: skip
def test_the_orders_are_those_of_the_readme(type_: Type, order: Order, letters: str) -> None:
    least_first = "".join(letters[place] for place in byte_order(type_, order))
    assert least_first == "".join(sorted(letters, reverse=True))


@pytest.mark.parametrize("value", [0, 1, 2**53, -(2**53), 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
def test_integers_beyond_the_reach_of_f8_are_kept_exactly(value: int) -> None:
    raw = np.frombuffer(struct.pack(">q", value), np.uint8)
    values, exact = Decoder([Place(0, "int64")])(raw[np.newaxis])
    assert values[0, 0] == float(value)
    assert exact == ({(0, 0): value} if abs(value) > 2**53 else {})


def test_coils_are_nought_or_one() -> None:
    values, _ = Decoder([Place(1, "bool"), Place(0, "bool")])(np.array([[0, 1]], np.uint8))
    assert values.tolist() == [[1.0, 0.0]]


def test_a_signalling_nan_is_read_without_a_warning() -> None:
    raw = np.frombuffer(bytes.fromhex("7f800001 7ff0000000000001 7c01"), np.uint8)
    values, _ = Decoder([Place(0, "float32"), Place(4, "float64"), Place(12, "float16")])(raw[np.newaxis])
    assert np.isnan(values).all()

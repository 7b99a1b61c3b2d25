"""Encoding is the inverse of decoding, and refuses what would not be read back as it was written."""

import math
import struct
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk import Value, WriteRefusedError
from gateway_modbus.coding import REGISTERS, AnyOrder, Coding, LongOrder, Order, Type, part_mask
from gateway_modbus.decode import Decoder, Place
from gateway_modbus.encode import encode

BOUNDS: dict[Type, tuple[int, int]] = {
    "uint8": (0, 2**8 - 1), "int8": (-(2**7), 2**7 - 1), "uint16": (0, 2**16 - 1), "int16": (-(2**15), 2**15 - 1),
    "uint32": (0, 2**32 - 1), "int32": (-(2**31), 2**31 - 1), "uint64": (0, 2**64 - 1), "int64": (-(2**63), 2**63 - 1),
    "bcd16": (0, 9999), "bcd32": (0, 99999999),
}  # fmt: skip
FLOATS: dict[Type, st.SearchStrategy[float]] = {
    "float16": st.floats(width=16, allow_nan=False, allow_infinity=False),
    "float32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "float64": st.floats(width=64, allow_nan=False, allow_infinity=False),
}
TYPES: tuple[Type, ...] = (*BOUNDS, *FLOATS, "string")


@st.composite
def written(draw: st.DrawFn) -> tuple[Coding, Value]:
    type_ = draw(st.sampled_from(TYPES))
    orders: tuple[AnyOrder, ...] = get_args(Order) + (get_args(LongOrder) if REGISTERS.get(type_) == 4 else ())
    order = draw(st.sampled_from(orders))
    if type_ == "string":
        text = draw(st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), max_size=6))
        return Coding("string", order, length=6), text
    if type_ in FLOATS:
        return Coding(type_, order), draw(FLOATS[type_])
    low, high = BOUNDS[type_]
    mask = draw(st.integers(0, high)) if type_ in ("uint16", "uint32", "uint64") else 0
    coding = Coding(type_, order, mask, draw(st.booleans()) if type_.endswith("int8") else False)
    number = draw(st.integers(low, high))
    return coding, (number & mask) >> coding.shift if mask else number


def _read(wire: bytes, coding: Coding) -> Any:
    values, other = Decoder([Place(0, coding)])(np.frombuffer(wire, np.uint8)[np.newaxis])
    return other.get((0, 0), values[0, 0])


@given(written())
def test_what_is_encoded_reads_back_in_every_type_and_order(drawn: tuple[Coding, Value]) -> None:
    coding, value = drawn
    wire = encode(coding, value)
    assert len(wire) == 2 * coding.registers
    assert _read(wire, coding) == value


@given(written())
def test_a_part_stays_within_its_bits(drawn: tuple[Coding, Value]) -> None:
    coding, value = drawn
    wire, mask = int.from_bytes(encode(coding, value), "big"), int.from_bytes(part_mask(coding), "big")
    assert wire & ~mask == 0
    if coding.mask:
        assert mask.bit_count() == coding.mask.bit_count()


@pytest.mark.parametrize(
    ("coding", "value", "why"),
    [
        (Coding("uint16"), -1, "not within 0 to 65535"),
        (Coding("uint16"), 65536, "not within"),
        (Coding("int16"), 32768, "not within -32768 to 32767"),
        (Coding("int8"), 128, "not within -128 to 127"),
        (Coding("bcd16"), 10000, "not within 0 to 9999"),
        (Coding("uint16", mask=0x0FF0), 256, "not within 0 to 255"),
        (Coding("uint16", mask=0x0005), 2, "bits between"),
        (Coding("bool"), 2, "not within 0 to 1"),
        (Coding("uint16"), 3.5, "no whole number"),
        (Coding("uint16"), math.nan, "no number"),
        (Coding("uint16"), "12", "is text"),
        (Coding("float32"), 1e39, "beyond what float32 holds"),
        (Coding("float16"), 1e5, "beyond what float16 holds"),
        (Coding("float64"), 10**400, "beyond what float64 holds"),
        (Coding("float32"), math.inf, "no number"),
        (Coding("string", length=2), "pumps", "takes 5 bytes; there is room for 4"),
        (Coding("string", length=2), 5, "no text"),
        (Coding("string", length=2), "a ", "spaces at the end"),
        (Coding("string", length=2), "a\0b", "NUL"),
        (Coding("string", length=2), "\ud800", "no text"),
        (Coding(texts=((0, "off"), (1, "on"))), "open", "none of off, on"),
        (Coding(texts=((0, "off"), (1, "on"))), 2, "none of off, on"),
    ],
)
def test_what_the_type_cannot_hold_is_refused_with_its_reason(coding: Coding, value: Value, why: str) -> None:
    with pytest.raises(WriteRefusedError, match=why):
        encode(coding, value)


def test_an_enumeration_is_written_by_text_or_number() -> None:
    coding = Coding(texts=((0, "off"), (1, "on")))
    assert encode(coding, "on") == encode(coding, 1) == encode(coding, True) == b"\0\1"


@pytest.mark.parametrize("value", [19.99 / 0.01, (0.3 - 0.1) / 0.1, 123456.78 / 0.01])
def test_a_whole_number_that_came_of_scaling_is_taken(value: float) -> None:
    assert struct.unpack(">I", encode(Coding("uint32"), value)) == (round(value),)

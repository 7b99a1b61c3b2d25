import math
import struct
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_modbus.coding import REGISTERS, AnyOrder, Coding, LongOrder, Order, Type, byte_places, spelt
from gateway_modbus.decode import Decoder, Place

CODES: dict[Type, str] = {
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
    type_: Type = draw(st.sampled_from(list(CODES)))
    size = 2 * REGISTERS[type_]
    return type_, draw(st.sampled_from(get_args(Order))), draw(st.binary(min_size=size, max_size=size))


def _one(raw: bytes, coding: Coding) -> Any:
    """What a single tag reads: the text or whole number beside, else the number."""
    values, other = Decoder([Place(0, coding)])(np.frombuffer(raw, np.uint8)[np.newaxis])
    return other.get((0, 0), values[0, 0])


@given(st.lists(tags(), min_size=1, max_size=30), st.integers(1, 3))
def test_every_type_in_every_order_reads_as_struct_does(drawn: list[tuple[Type, Order, bytes]], devices: int) -> None:
    places, raw = [], b""
    for type_, order, value in drawn:
        places.append(Place(len(raw), Coding(type_, order)))
        raw += _on_the_wire(value, order)
    values, other = Decoder(places)(np.frombuffer(raw * devices, np.uint8).reshape(devices, -1))
    assert values.shape == (devices, len(drawn))
    for column, (type_, _, value) in enumerate(drawn):
        (expected,) = struct.unpack(">" + CODES[type_], value)
        for row in range(devices):
            _same(values[row, column], other.get((row, column)), expected)


def _same(value: float, exact: int | str | None, expected: Any) -> None:
    if isinstance(expected, float) and math.isnan(expected):
        assert math.isnan(value)
    else:
        assert value == float(expected)
    beyond = isinstance(expected, int) and abs(expected) > 2**53
    assert exact == (expected if beyond else None)


@pytest.mark.parametrize(
    ("registers", "order", "letters"),
    [
        (1, "ABCD", "AB"), (1, "CDAB", "AB"), (1, "BADC", "BA"), (1, "DCBA", "BA"), (1, "AB", "AB"), (1, "BA", "BA"),
        (2, "ABCD", "ABCD"), (2, "CDAB", "CDAB"), (2, "BADC", "BADC"), (2, "DCBA", "DCBA"),
        (4, "ABCD", "ABCDEFGH"), (4, "CDAB", "GHEFCDAB"), (4, "BADC", "BADCFEHG"), (4, "DCBA", "HGFEDCBA"),
        *((4, word, word) for word in get_args(LongOrder)),
    ],
)  # fmt: skip
def test_the_orders_are_those_of_the_readme(registers: int, order: AnyOrder, letters: str) -> None:
    assert spelt(order, registers) == letters
    type_: Type = {1: "int16", 2: "int32", 4: "int64"}[registers]  # type: ignore[assignment]
    least_first = "".join(letters[place] for place in byte_places(Coding(type_, order)))
    assert least_first == "".join(sorted(letters, reverse=True))


@pytest.mark.parametrize(("order", "registers"), [("AB", 2), ("ABCDEFGH", 2), ("EFGHABCD", 1), ("BA", 4)])
def test_an_order_of_another_width_is_refused(order: AnyOrder, registers: int) -> None:
    with pytest.raises(ValueError, match="bits"):
        spelt(order, registers)


@given(st.sampled_from(get_args(LongOrder)), st.binary(min_size=8, max_size=8))
def test_a_long_order_puts_each_byte_where_its_letter_stands(order: LongOrder, value: bytes) -> None:
    wire = bytes(value["ABCDEFGH".index(letter)] for letter in order)
    assert int(_one(wire, Coding("uint64", order))) == int.from_bytes(value, "big")


@pytest.mark.parametrize("value", [0, 1, 2**53, -(2**53), 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
def test_integers_beyond_the_reach_of_f8_are_kept_exactly(value: int) -> None:
    raw = np.frombuffer(struct.pack(">q", value), np.uint8)
    values, exact = Decoder([Place(0, Coding("int64"))])(raw[np.newaxis])
    assert values[0, 0] == float(value)
    assert exact == ({(0, 0): value} if abs(value) > 2**53 else {})


def test_coils_are_nought_or_one() -> None:
    values, _ = Decoder([Place(1, Coding("bool")), Place(0, Coding("bool"))])(np.array([[0, 1]], np.uint8))
    assert values.tolist() == [[1.0, 0.0]]


def test_a_signalling_nan_is_read_without_a_warning() -> None:
    raw = np.frombuffer(bytes.fromhex("7f800001 7ff0000000000001 7c01"), np.uint8)
    places = [Place(0, Coding("float32")), Place(4, Coding("float64")), Place(12, Coding("float16"))]
    assert np.isnan(Decoder(places)(raw[np.newaxis])[0]).all()


@pytest.mark.parametrize(
    ("coding", "wire", "value"),
    [
        (Coding("uint8"), "12f0", 0xF0),
        (Coding("uint8", high=True), "12f0", 0x12),
        (Coding("int8"), "12f0", -16),
        (Coding("int8", high=True), "f012", -16),
        (Coding("uint8", "BADC"), "12f0", 0x12),
        (Coding("uint8", "BA", high=True), "12f0", 0xF0),
        (Coding("bcd16"), "1234", 1234),
        (Coding("bcd16", "BADC"), "3412", 1234),
        (Coding("bcd32"), "12345678", 12345678),
        (Coding("bcd32", "CDAB"), "56781234", 12345678),
        (Coding("uint16", mask=1 << 3), "0008", 1),
        (Coding("uint16", mask=1 << 3), "fff7", 0),
        (Coding("uint16", mask=0x0FF0), "1234", 0x23),
        (Coding("uint32", "CDAB", mask=0x00FFFF00), "56781234", 0x3456),
        (Coding("uint64", mask=1 << 63), "8000000000000000", 1),
    ],
)
def test_parts_of_registers_and_decimal_digits(coding: Coding, wire: str, value: float) -> None:
    assert _one(bytes.fromhex(wire), coding) == value


@pytest.mark.parametrize("wire", ["000a", "a000", "0f00", "ffff"])
def test_digits_that_are_none_are_never_a_number(wire: str) -> None:
    assert math.isnan(_one(bytes.fromhex(wire), Coding("bcd16")))


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(1, 0xFFFF)), min_size=1, max_size=20))
def test_masked_values_are_shifted_down_to_their_lowest_bit(words: list[tuple[int, int]]) -> None:
    raw = np.frombuffer(struct.pack(f">{len(words)}H", *(word for word, _ in words)), np.uint8)
    places = [Place(2 * at, Coding(mask=mask)) for at, (_, mask) in enumerate(words)]
    expected = [(word & mask) // (mask & -mask) for word, mask in words]
    assert Decoder(places)(raw[np.newaxis])[0].tolist() == [expected]


@pytest.mark.parametrize(
    ("wire", "order", "text"),
    [
        (b"pump 7\0\0", "ABCD", "pump 7"),
        (b"pump 7  ", "CDAB", "pump 7"),
        (b"uppm7 \0\0", "BADC", "pump 7"),
        (b"uppm7 \0\0", "DCBA", "pump 7"),
        (b"ab\0rest!", "ABCD", "ab"),
        ("°C".encode() + b"\0\0\0\0\0", "ABCD", "°C"),
        ("°C".encode("latin-1") + b"\0\0\0\0\0\0", "ABCD", "°C"),
        (b"\0\0\0\0\0\0\0\0", "ABCD", ""),
    ],
)
def test_strings_are_read_up_to_their_end(wire: bytes, order: Order, text: str) -> None:
    assert _one(wire, Coding("string", order, length=4)) == text


def test_an_enumeration_keeps_its_number_beside_its_text() -> None:
    decode = Decoder([Place(0, Coding(texts=((0, "stopped"), (1, "running")))), Place(2, Coding())])
    for word, text in ((1, "running"), (0, "stopped"), (7, "7")):
        values, other = decode(np.array([[0, word, 0, 9]], np.uint8))
        assert values.tolist() == [[word, 9]]
        assert other == {(0, 0): text}


def test_texts_are_made_again_only_when_they_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []

    def text(raw: bytes) -> str:
        made.append(raw)
        return raw.decode()

    monkeypatch.setattr("gateway_modbus.texts.text", text)
    decode = Decoder([Place(0, Coding("string", length=1)), Place(2, Coding())])
    for wire in (b"ab\0\1", b"ab\0\2", b"ac\0\2", b"ac\0\3"):
        assert decode(np.frombuffer(wire, np.uint8)[np.newaxis])[1] == {(0, 0): wire[:2].decode()}
    assert made == [b"ab", b"ac"]


def test_devices_of_one_layout_keep_their_own_texts() -> None:
    decode = Decoder([Place(0, Coding("string", length=1))])
    assert decode(np.frombuffer(b"abcd", np.uint8).reshape(2, 2))[1] == {(0, 0): "ab", (1, 0): "cd"}
    assert decode(np.frombuffer(b"cd", np.uint8).reshape(1, 2))[1] == {(0, 0): "cd"}

"""Columns as metrics: what is written is read back, for every datatype, quality and number of rows."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.deliver.sparkplug.catalog import Catalog
from gateway.deliver.sparkplug.columns import Encoder
from gateway.deliver.sparkplug.forms import padded
from gateway.deliver.sparkplug.late import chosen, historical
from gateway.deliver.sparkplug.reading import Metric, read
from gateway.deliver.sparkplug.wire import Datatype, payload
from gateway.ingest.image import Image
from gateway.sdk import DeviceConfig, TagTable, quality
from gateway.sdk.described import Described
from gateway.stages.condition import Readings
from tests.deliver.sparkplug.rig import Typed
from tests.stages.said import meanings

TYPES = (
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
    "string",
)
TIME = 1_773_480_413_589
WHOLE = {
    "int8": (-(2**7), 2**7 - 1), "uint8": (0, 2**8 - 1), "int16": (-(2**15), 2**15 - 1), "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1), "int64": (-(2**53), 2**53), "uint64": (0, 2**53),
}  # fmt: skip
STATUS = [quality.GOOD, quality.UNCERTAIN_LAST_USABLE_VALUE, quality.BAD_TIMEOUT]


def catalog(*types: str) -> Catalog:
    tags = {f"t{number}": Typed(holds=one) for number, one in enumerate(types)}
    return Catalog(TagTable.build([DeviceConfig(device="d", adapter="x", tags=tags)]))


def readings(values: list[float], status: list[int] | None = None) -> Readings:
    n = len(values)
    times = np.arange(n) * 10**6 + TIME * 10**6
    return Readings(np.arange(n), np.array(values, float), times, np.array(status or [0] * n, np.uint32))


def by_alias(metrics: bytes) -> dict[int, Metric]:
    return {one.alias or 0: one for one in read(payload(TIME, metrics, 7)).metrics}


def value(kind: str) -> st.SearchStrategy[float | str]:
    if kind == "bool":
        return st.sampled_from([0.0, 1.0])
    if kind == "string":
        return st.text(st.characters(codec="utf-8"), max_size=200)
    if kind.startswith("float"):
        return st.floats(allow_nan=False, allow_infinity=False, width=32 if kind == "float32" else 64)
    return st.integers(*WHOLE[kind]).map(float)


@settings(deadline=None)
@given(st.lists(st.sampled_from(TYPES), min_size=1, max_size=30).flatmap(
    lambda kinds: st.tuples(*(st.tuples(st.just(kind), value(kind), st.sampled_from(STATUS)) for kind in kinds))
))  # fmt: skip
def test_what_is_written_is_read(rows: tuple[tuple[str, float | str, int], ...]) -> None:
    names = catalog(*(kind for kind, _, _ in rows))
    other = {row: v for row, (_, v, status) in enumerate(rows) if isinstance(v, str) and status < quality.BAD}
    plain = [math.nan if isinstance(v, str) or status >= quality.BAD else v for _, v, status in rows]
    metrics = Encoder(names, told=True)(readings(plain, [status for _, _, status in rows]), other)
    found = by_alias(metrics)
    assert len(found) == len(rows)
    for row, (_, v, status) in enumerate(rows):
        one = found[int(names.alias[row])]
        assert (one.timestamp, one.historical, one.datatype) == (TIME + row, False, names.datatype[row])
        assert one.value == (None if status >= quality.BAD else v)
        told = {} if status == 0 else {"Quality": 0 if status >= quality.BAD else 500, "StatusCode": status}
        assert {key: item.value for key, item in one.properties.items()} == told
    assert all(one.historical for one in by_alias(historical(metrics)).values())


@settings(deadline=None)
@given(st.booleans(), st.booleans(), st.lists(st.sampled_from(TYPES[:-1]), min_size=1, max_size=30).flatmap(
    lambda kinds: st.tuples(*(st.tuples(st.just(kind), value(kind)) for kind in kinds))
))  # fmt: skip
def test_good_numbers_go_the_short_way_and_say_the_same(
    told: bool, at_once: bool, rows: tuple[tuple[str, float], ...]
) -> None:
    names = catalog(*(kind for kind, _ in rows))
    encode, part = Encoder(names, told=told), readings([v for _, v in rows])
    part.time[:] = part.time[0] if at_once else part.time
    metrics = encode(part, {})
    assert by_alias(metrics) == by_alias(encode._odd(part, {}))
    assert encode(part, {}) == metrics, "also from blanks that were made before"
    assert [one.timestamp for one in by_alias(metrics).values() if one.alias == names.alias[-1]] == [
        TIME if at_once else TIME + len(rows) - 1
    ]


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=50))
def test_padded_varints_say_the_same_as_short_ones(numbers: list[int]) -> None:
    for number, row in zip(numbers, padded(np.array(numbers), 10), strict=True):
        [one] = read(b"\x12" + bytes([13]) + b"\x10" + row.tobytes() + b"\x18\x01").metrics
        assert one.alias == number


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1])
def test_whole_numbers_beyond_a_double_are_exact(number: int) -> None:
    names = catalog("uint64" if number > 2**63 - 1 else "int64")
    names.learn({0: number})
    [one] = read(payload(TIME, Encoder(names, told=True)(readings([float(number)]), {0: number}), 0)).metrics
    assert one.value == number


@pytest.mark.parametrize(
    ("kind", "items", "datatype"),
    [
        ("float64", [2**60], Datatype.INT64), ("float64", [2**63], Datatype.UINT64),
        ("int64", [2**63], Datatype.STRING), ("int64", [5], Datatype.INT64),
        ("float64", ["x"], Datatype.STRING), ("float64", [2**60, "x"], Datatype.STRING),
        ("float64", [[1, 2]], Datatype.STRING), ("string", [7], Datatype.STRING),
        ("float64", [b"\x01"], Datatype.STRING),
    ],
)  # fmt: skip
def test_a_datatype_widens_to_hold_what_comes(kind: str, items: list[object], datatype: Datatype) -> None:
    names = catalog(kind)
    before = int(names.alias[0]), names.fingerprint
    for item in items:
        names.learn({0: item})
    assert names.datatype[0] == datatype
    changed = catalog(kind).datatype[0] != datatype
    assert ((int(names.alias[0]), names.fingerprint) != before) == changed
    assert names.knows(int(names.alias[0]))
    assert names.knows(before[0]) != changed


@pytest.mark.parametrize(
    ("item", "text"), [("on", "on"), (b"\x01\xff", "01ff"), ([1, "a"], '[1,"a"]'), (2**70, str(2**70)), (True, "True")]
)
def test_what_is_no_number_is_a_text(item: object, text: str) -> None:
    names = catalog("string")
    [one] = read(payload(TIME, Encoder(names)(readings([math.nan]), {0: item}), 0)).metrics
    assert one.value == text


def test_what_is_not_known_is_left_out() -> None:
    names = catalog("float64", "string", "bool")
    metrics = Encoder(names)(readings([1.5, math.nan, 1.0]), {1: "x" * 300})
    kept, left_out = chosen(metrics, lambda alias: alias != int(names.alias[2]))
    assert (set(by_alias(kept)), left_out) == ({int(alias) for alias in names.alias[:2]}, 1)
    assert by_alias(kept)[int(names.alias[1])].value == "x" * 300


def test_an_alias_is_the_same_wherever_the_tag_stands() -> None:
    tags = {name: Typed() for name in ("a", "b", "c")}
    one = Catalog(TagTable.build([DeviceConfig(device="d", adapter="x", tags=tags)]))
    less = Catalog(TagTable.build([DeviceConfig(device="d", adapter="x", tags={"c": tags["c"]})]))
    assert less.alias[0] == one.alias[2]
    assert less.fingerprint != one.fingerprint


def test_ten_thousand_tags_have_ten_thousand_aliases() -> None:
    tags = {f"t{number}": Typed() for number in range(10_000)}
    names = Catalog(TagTable.build([DeviceConfig(device="d", adapter="x", tags=tags)]))
    assert len(set(names.alias.tolist())) == 10_000
    assert names.alias.min() >= 16


def test_a_birth_bears_the_unit_as_it_is_known_by_then() -> None:
    table = TagTable.build([DeviceConfig(device="d", adapter="x", tags={"a": Typed(unit="bar"), "b": Typed()})])
    image, said = Image(table), dict[str, Described]()
    names = Catalog(table, meanings(table, said).unit)

    def units() -> list[object]:
        born = read(payload(TIME, names.birth(0, image, TIME), 0)).metrics
        return [one.properties["engUnit"].value if "engUnit" in one.properties else None for one in born]

    before = names.fingerprint
    assert units() == ["bar", None]
    said |= {"d.a": Described("psi"), "d.b": Described("°C")}
    assert units() == ["bar", "°C"]
    assert names.fingerprint == before, "a unit alone is no reason to be born again"

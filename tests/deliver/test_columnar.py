"""Telemetry on the wire: columns, in the order of the rows, every number as the device gave it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gateway.deliver.payloads import columnar
from gateway.deliver.payloads.columnar import Columnar
from gateway.sdk import DeviceConfig, TagTable

SCHEMA = json.loads((Path(__file__).parents[2] / "config/schema/telemetry-1.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
NOW = 1_700_000_000_123_456_789


def table(tags: int = 4) -> TagTable:
    names: dict[str, dict[str, str]] = {f"t{index}": {} for index in range(tags)}
    devices = [{"device": name, "adapter": "sim", "every": "1s", "tags": names} for name in "ab"]
    return TagTable.build([DeviceConfig.model_validate(device) for device in devices])


def message(
    rows: list[int], value: list[float], *, time: list[int] | None = None, status: list[int] | None = None,
    other: dict[int, Any] | None = None,
) -> Any:  # fmt: skip
    loaded = orjson.loads(
        Columnar("line-3", table()).encode(
            1,
            np.array(rows, np.int64),
            np.array(value, np.float64),
            np.array(time or [NOW] * len(rows), np.int64),
            np.array(status or [0] * len(rows), np.uint32),
            other or {},
            "18bcfe56800",
            9,
            NOW + 5_000_000,
        )
    )
    VALIDATOR.validate(loaded)
    return loaded


def test_a_good_scan_is_names_and_values_and_one_time() -> None:
    assert message([4, 6], [1.5, -2.0]) == {
        "schema": 1,
        "id": "line-3/18bcfe56800/telemetry/9",
        "gateway": "line-3",
        "epoch": "18bcfe56800",
        "device": "b",
        "sequence": 9,
        "time": 1_700_000_000_123,
        "received": 1_700_000_000_128,
        "tags": ["b.t0", "b.t2"],
        "values": [1.5, -2.0],
    }


def test_times_are_there_only_where_they_differ() -> None:
    got = message([4, 5], [1.0, 2.0], time=[NOW, NOW - 1_000_000_000])
    assert got["time"] == 1_700_000_000_123
    assert got["times"] == [1_700_000_000_123, 1_699_999_999_123]


def test_status_is_there_only_where_one_is_not_good() -> None:
    got = message([4, 5], [float("nan"), 2.0], status=[0x800A0000, 0])
    assert got["values"] == [None, 2.0]
    assert got["status"] == [0x800A0000, 0]


def test_what_is_no_number_stands_in_its_place() -> None:
    other = {5: "läuft", 6: b"\x01\xff", 7: 2**63, 99: "of another row"}
    got = message([4, 5, 6, 7], [1.0, np.nan, np.nan, np.nan], other=other)
    assert got["values"] == [1.0, "läuft", "01ff", 2**63]


@given(st.text(st.characters(exclude_categories=[])) | st.integers() | st.lists(st.floats()) | st.datetimes())
def test_no_value_of_a_device_is_too_odd_to_be_sent(odd: Any) -> None:
    assert len(message([4, 5], [1.0, np.nan], other={5: odd})["values"]) == 2


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4))
def test_every_number_comes_back_as_it_was(values: list[float]) -> None:
    assert message([4, 5, 6, 7], values)["values"] == values


def test_names_of_a_set_of_rows_are_encoded_once_and_the_memory_for_them_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(columnar, "_SETS", 2)
    encoder = Columnar("g", table())

    def tags(*rows: int) -> Any:
        chosen: NDArray[np.int64] = np.array(rows, np.int64)
        zeros = np.zeros(len(rows))
        data = encoder.encode(0, chosen, zeros, zeros.astype(np.int64), chosen.astype(np.uint32) * 0, {}, "1", 1, 0)
        return orjson.loads(data)["tags"]

    for rows in [(0,), (1, 2), (0,), (3,), (0,), (1, 2)]:
        assert tags(*rows) == [f"a.t{row}" for row in rows]
    assert len(encoder._encoded) == 2


def test_readings_of_the_past_say_so_and_a_tag_may_repeat() -> None:
    encoded = Columnar("line-3", table()).encode(
        1,
        np.array([4, 5, 4], np.int64),
        np.array([1.0, 2.0, 3.0]),
        np.array([NOW, NOW + 10**9, NOW + 2 * 10**9], np.int64),
        np.zeros(3, np.uint32),
        {},
        "18bcfe56800",
        9,
        NOW,
        historical=True,
    )
    loaded = orjson.loads(encoded)
    VALIDATOR.validate(loaded)
    assert loaded["historical"] is True
    assert loaded["tags"] == ["b.t0", "b.t1", "b.t0"]
    assert [time - loaded["times"][0] for time in loaded["times"]] == [0, 1000, 2000]
    assert "historical" not in message([4], [1.0])


def test_the_servers_time_stands_beside_that_of_the_source() -> None:
    columns = np.array([4, 5], np.int64), np.array([1.0, 2.0]), np.array([NOW, NOW], np.int64), np.zeros(2, np.uint32)
    served = np.array([NOW + 3_000_000, 0], np.int64)
    encoded = Columnar("line-3", table()).encode(1, *columns, {}, "18bcfe56800", 9, NOW, served=served)
    loaded = orjson.loads(encoded)
    VALIDATOR.validate(loaded)
    assert loaded["served"] == [1_700_000_000_126, 0]
    assert loaded["time"] == 1_700_000_000_123
    assert "served" not in message([4], [1.0])

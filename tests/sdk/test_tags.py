"""Rows are numbered by device and scan group, so that a group's rows are one slice."""

import numpy as np
import pytest

from gateway.sdk import Batch, DeviceConfig, TagConfig, TagTable, quality


def table() -> TagTable:
    slow, fast = TagConfig(every=10.0, unit="bar"), TagConfig(range=(0.0, 5.0), scale=0.1)
    first = DeviceConfig(device="a", adapter="x", tags={"p": slow, "q": fast, "r": slow})
    return TagTable.build([first, DeviceConfig(device="b", adapter="x", every=0.5, tags={"q": fast})])


def test_rows_run_by_device_and_group() -> None:
    tags = table()
    assert tags.names == ("a.p", "a.r", "a.q", "b.q")
    assert [(g.rows, g.every) for g in tags.groups] == [(slice(0, 2), 10.0), (slice(2, 3), 1.0), (slice(3, 4), 0.5)]
    assert tags.row("b.q") == 3
    with pytest.raises(KeyError):
        tags.row("b.p")


def test_columns_carry_what_was_configured() -> None:
    tags = table()
    assert tags.units == ("bar", "bar", "", "")
    assert tags.scale.tolist() == [1, 1, 0.1, 0.1]
    assert tags.low.tolist() == [-np.inf, -np.inf, 0, 0]
    assert tags.stale_after.tolist() == [30 * 10**9, 30 * 10**9, 3 * 10**9, 15 * 10**8]


def test_a_failed_batch_never_has_a_number() -> None:
    batch = Batch.failed(table().groups[0], quality.BAD_TIMEOUT, 5)
    assert np.isnan(batch.value).all()
    assert (batch.status == quality.BAD_TIMEOUT).all()


def test_codes_have_names() -> None:
    assert quality.name(0) == "Good"
    assert quality.name(0x800A0000) == "BadTimeout"
    assert quality.name(0x80AB0000) == "Bad(0x80AB0000)"
    assert quality.name(0x408F0000).startswith("Uncertain(")

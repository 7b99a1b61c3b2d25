"""The image holds the last value with its own source time, and knows what has gone stale."""

import numpy as np

from gateway.ingest.image import Image
from gateway.sdk import DeviceConfig, TagConfig, TagTable, quality
from gateway.stages.condition import Readings

TAGS = TagTable.build([DeviceConfig(device="d", adapter="x", every=1.0, tags={"a": TagConfig(), "b": TagConfig()})])
SECOND = 10**9


def read(value: float, time: int = 7, status: int = 0) -> Readings:
    return Readings(np.array([0]), np.array([value]), np.array([time]), np.array([status], np.uint32))


def test_everything_waits_for_its_first_value() -> None:
    assert (Image(TAGS).status == quality.BAD_WAITING_FOR_INITIAL_DATA).all()


def test_a_value_goes_stale_and_keeps_its_source_time() -> None:
    image = Image(TAGS)
    image.update(read(3.0), np.array([True]), now=0)
    assert len(image.sweep(3 * SECOND)) == 0
    gone = image.sweep(3 * SECOND + 1)
    assert gone.rows.tolist() == [0]
    assert (gone.value[0], gone.time[0], gone.status[0]) == (3.0, 7, quality.UNCERTAIN_LAST_USABLE_VALUE)
    assert len(image.sweep(9 * SECOND)) == 0, "told once"


def test_a_confirmation_makes_a_stale_value_good_again() -> None:
    image = Image(TAGS)
    image.update(read(3.0), np.array([True]), now=0)
    image.sweep(10 * SECOND)
    image.confirm(np.array([0], np.uint32), 11 * SECOND)
    assert image.status[0] == quality.GOOD
    assert image.status[1] == quality.BAD_WAITING_FOR_INITIAL_DATA


def test_a_bad_reading_does_not_move_the_source_time() -> None:
    image = Image(TAGS)
    image.update(read(3.0, time=7), np.array([True]), now=0)
    image.update(read(np.nan, time=99, status=quality.BAD_TIMEOUT), np.array([False]), now=1)
    assert image.time[0] == 7

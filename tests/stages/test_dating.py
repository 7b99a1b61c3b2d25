"""When a row is: a source that dates its values by their last change does not stop the delays of alarms."""

import numpy as np

from gateway.stages.dating import Dating

SECOND = 10**9
BOTH = np.array([0, 1])


def carry(dating: Dating, source: list[int], received: int, assets: list[int] | None = None) -> list[int]:
    rows = BOTH if assets is None else np.array(assets)
    return dating.carry(rows, np.array(source, np.int64) * SECOND, received * SECOND).tolist()  # type: ignore[no-any-return]


def seconds(*values: int) -> list[int]:
    return [value * SECOND for value in values]


def test_a_newer_source_time_is_the_rows() -> None:
    dating = Dating(2)
    assert carry(dating, [10, 20], 100) == seconds(10, 20)
    assert carry(dating, [11, 25], 101) == seconds(11, 25)


def test_one_that_stays_is_carried_on_within_its_own_clock() -> None:
    dating = Dating(2)
    carry(dating, [10, 20], 100)
    assert carry(dating, [10, 21], 103) == seconds(13, 21)
    assert carry(dating, [10, 21], 104) == seconds(14, 22)
    assert carry(dating, [12, 21], 105) == seconds(12, 23), (
        "a change is dated by itself, if it was before our guess too"
    )


def test_each_asset_has_its_own() -> None:
    dating = Dating(2)
    assert carry(dating, [10], 100, [0]) == seconds(10)
    assert carry(dating, [10], 101, [1]) == seconds(10)
    assert carry(dating, [10, 10], 102) == seconds(12, 11)


def test_our_clock_set_back_stops_time_for_one_row_and_no_more() -> None:
    dating = Dating(2)
    carry(dating, [10, 20], 100)
    assert carry(dating, [10, 20], 50) == seconds(10, 20)
    assert carry(dating, [10, 20], 51) == seconds(11, 21), "it does not stand still until our clock is at 100 again"

"""What is scaled shows the decimal that a person would compute."""

from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk import DeviceConfig, TagConfig, TagTable
from gateway.stages.condition import Conditioner, Readings, exact_terms

DECIMALS = st.decimals(min_value=-1000, max_value=1000, places=4, allow_nan=False, allow_infinity=False)


def _shown(raws: list[int], scale: float, offset: float) -> list[float]:
    tag = TagConfig(scale=scale, offset=offset)
    table = TagTable.build([DeviceConfig(device="d", adapter="a", tags={"t": tag})])
    n = len(raws)
    readings = Readings(np.zeros(n, np.int64), np.array(raws, float), np.zeros(n, np.int64), np.zeros(n, np.uint32))
    values: list[float] = Conditioner(table)(readings, np.zeros(n, np.int64)).value.tolist()
    return values


def test_every_uint16_times_a_hundredth_is_the_nearest_double_of_its_decimal() -> None:
    raws = list(range(0x10000))
    assert _shown(raws, 0.01, 0.0) == [float(Decimal(raw).scaleb(-2)) for raw in raws]


@given(st.integers(-(2**31), 2**32 - 1), DECIMALS.filter(bool), DECIMALS)
def test_scale_and_offset_round_once(raw: int, scale: Decimal, offset: Decimal) -> None:
    exact = raw * scale + offset
    if abs(exact.scaleb(4)) < 2**53:
        assert _shown([raw], float(scale), float(offset)) == [float(exact)]


def test_scales_beyond_the_reach_of_whole_numbers_are_taken_as_they_are() -> None:
    assert exact_terms(1e-30, 0.0) == (1e-30, 0.0, 1.0)
    assert exact_terms(1 / 3, 0.0) in ((1 / 3, 0.0, 1.0), (3333333333333333.0, 0.0, 1e16))
    assert exact_terms(1.0, 0.0) == (1.0, 0.0, 1.0)

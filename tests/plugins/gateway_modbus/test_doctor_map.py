"""Which addresses can be read, and how many at once, found by asking a machine that has holes and limits."""

from hypothesis import given
from hypothesis import strategies as st

from gateway_modbus.addresses import DataTable, Stretch
from gateway_modbus.doctor_map import REQUESTS, Map, explore, gaps
from gateway_modbus.faults import GOOD
from gateway_modbus.plan import Limits, Span, plan

HOLDING = DataTable.HOLDING


async def _explored(tags: list[tuple[int, int]], holes: set[int], most: int) -> Map:
    spans = [Span(HOLDING, start, length, index) for index, (start, length) in enumerate(tags)]

    async def probe(start: int, count: int) -> int:
        if count > most:
            return 3
        return 2 if holes & set(range(start, start + count)) else GOOD

    return await explore(probe, HOLDING, plan(spans, Limits(gap=124)), 125)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from([1, 2, 4])), min_size=1, max_size=20),
    st.sets(st.integers(0, 300), max_size=8),
    st.integers(4, 125),
)
async def test_what_is_read_and_what_is_refused_is_told_exactly(
    tags: list[tuple[int, int]], holes: set[int], most: int
) -> None:
    found = await _explored(tags, holes, most)
    read = {element for start, end in found.good for element in range(start, end)}
    assert not read & holes
    refused = {element for start, end, _ in found.refused for element in range(start, end)}
    assert not read & refused
    wanted = {element for start, length in tags for element in range(start, start + length)}
    if found.whole:
        assert wanted <= read | refused
    assert found.largest <= most
    assert found.requests <= REQUESTS


@given(st.integers(4, 124))
async def test_the_largest_block_is_found_where_the_tags_are_long_enough(most: int) -> None:
    found = await _explored([(start, 1) for start in range(200)], set(), most)
    assert found.largest == most
    assert found.smallest == most + 1


async def test_a_device_without_limits_is_told_the_standard_s() -> None:
    found = await _explored([(0, 1), (124, 1)], set(), 125)
    assert (found.largest, found.smallest, found.requests) == (125, None, 1)


async def test_holes_between_tags_can_be_declared_and_those_of_tags_cannot() -> None:
    tags = [(0, 2), (10, 2), (20, 1)]
    found = await _explored(tags, {4, 5, 6, 11, 15}, 125)
    assert [str(hole) for hole in found.holes()] == ["holding:4-6", "holding:10-11", "holding:15"]
    taken = [(start, start + length) for start, length in tags]
    assert gaps(found.holes(), taken) == [Stretch(HOLDING, 4, 6), Stretch(HOLDING, 15, 15)]

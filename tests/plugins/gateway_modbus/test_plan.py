from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway_modbus.addresses import DataTable
from gateway_modbus.plan import Block, Limits, Span, plan, split

LENGTHS = {True: st.just(1), False: st.sampled_from([1, 2, 4])}
LIMITS = st.builds(Limits, registers=st.integers(4, 125), coils=st.integers(1, 2000), gap=st.integers(0, 124))


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    base = draw(st.integers(0, 60000))
    result = []
    for index in range(draw(st.integers(1, 60))):
        table = draw(st.sampled_from(DataTable))
        length = draw(LENGTHS[table.bits])
        result.append(Span(table, base + draw(st.integers(0, 3000)), length, index))
    return result


def _covered(block: Block) -> set[int]:
    return {element for span in block.spans for element in range(span.start, span.end)}


@given(spans(), LIMITS)
def test_every_tag_lies_whole_in_exactly_one_block(tags: list[Span], limits: Limits) -> None:
    blocks = plan(tags, limits)
    assert sorted(span.index for block in blocks for span in block.spans) == list(range(len(tags)))
    for block in blocks:
        for span in block.spans:
            assert span.table is block.table
            assert block.start <= span.start
            assert span.end <= block.start + block.count


@given(spans(), LIMITS)
def test_no_block_is_larger_than_allowed_or_begins_or_ends_in_vain(tags: list[Span], limits: Limits) -> None:
    for block in plan(tags, limits):
        assert 1 <= block.count <= limits.of(block.table)[0]
        assert block.start == min(span.start for span in block.spans)
        assert block.start + block.count == max(span.end for span in block.spans)


@given(spans(), LIMITS)
def test_nothing_is_read_needlessly_beyond_the_gap(tags: list[Span], limits: Limits) -> None:
    for block in plan(tags, limits):
        covered, gap = _covered(block), 0
        for element in range(block.start, block.start + block.count):
            gap = 0 if element in covered else gap + 1
            assert gap <= limits.of(block.table)[1]


@given(spans(), LIMITS)
def test_two_neighbours_are_apart_only_for_a_reason(tags: list[Span], limits: Limits) -> None:
    blocks = plan(tags, limits)
    for one, next_ in pairwise(blocks):
        if one.table is next_.table:
            most, gap = limits.of(one.table)
            first = next_.spans[0]
            too_wide = first.start - (one.start + one.count) > gap
            too_long = max(one.start + one.count, first.end) - one.start > most
            assert too_wide or too_long


@given(spans(), LIMITS)
def test_halving_ends_with_single_tags_and_loses_none(tags: list[Span], limits: Limits) -> None:
    heap, single = plan(tags, limits), []
    while heap:
        block = heap.pop()
        halves = split(block)
        assert all(half.count <= block.count and len(half.spans) < len(block.spans) for half in halves)
        heap += halves
        single += [] if halves else [block]
    assert sorted(block.spans[0].index for block in single) == list(range(len(tags)))
    assert all(len(block.spans) == 1 and block.count == block.spans[0].length for block in single)


def test_the_gap_of_coils_counts_sixteen_to_a_register() -> None:
    coils = [Span(DataTable.COIL, 0, 1, 0), Span(DataTable.COIL, 17, 1, 1)]
    assert len(plan(coils, Limits(gap=1))) == 1
    assert len(plan([coils[0], Span(DataTable.COIL, 18, 1, 1)], Limits(gap=1))) == 2


def test_without_a_gap_only_neighbours_share_a_block() -> None:
    tags = [Span(DataTable.HOLDING, start, 1, index) for index, start in enumerate((0, 1, 3))]
    assert [(block.start, block.count) for block in plan(tags, Limits(gap=0))] == [(0, 2), (3, 1)]

"""The order of a walk, its bounds, and that it ends."""

import random
import tracemalloc
from collections.abc import Sequence

import pytest

from gateway_opcua.walk import Node, Walk

Graph = dict[int, list[int]]


def node(number: int, names: tuple[str, ...]) -> Node:
    return Node(number.to_bytes(4, "big"), (*names, str(number)), (), 1)


class Space:
    """An address space whose nodes are numbers; counts how often each is asked, and how many together."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.asked: list[int] = []
        self.calls: list[int] = []

    async def ask(self, nodes: Sequence[Node], most: int) -> None:
        del most
        self.calls.append(len(nodes))
        for one in nodes:
            number = int.from_bytes(one.id, "big")
            self.asked.append(number)
            one.children = [node(child, one.names) for child in self.graph.get(number, [])]


async def walked(space: Space, *, depth: int = 50, nodes: int = 10**6, step: int = 7) -> list[Node]:
    walk = Walk(space.ask, depth=depth, nodes=nodes, step=step)
    return [one async for part in walk.run(node(0, ())) for one in part]


def in_order(graph: Graph, number: int = 0) -> list[int]:
    return [number, *(n for child in graph.get(number, []) for n in in_order(graph, child))]


def tree(size: int, seed: int) -> Graph:
    chance = random.Random(seed)
    graph: Graph = {}
    for number in range(1, size):
        graph.setdefault(chance.randrange(max(0, number - 30), number), []).append(number)
    return graph


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("step", [1, 7, 500])
async def test_nodes_are_told_in_the_order_of_the_tree_though_many_are_asked_at_once(seed: int, step: int) -> None:
    graph = tree(400, seed)
    space = Space(graph)
    told = await walked(space, step=step, depth=400)
    assert [int(one.names[-1]) for one in told] == in_order(graph)
    assert sorted(space.asked) == list(range(400))
    assert len(space.calls) >= 400 / step


async def test_many_siblings_are_asked_together() -> None:
    space = Space({0: list(range(1, 1001))})
    await walked(space, step=500)
    assert space.calls == [1, 500, 500]


async def test_a_cycle_ends_and_is_told() -> None:
    space = Space({0: [1], 1: [2], 2: [0, 1]})
    told = await walked(space)
    assert [(one.names, one.again) for one in told] == [
        (("0",), False),
        (("0", "1"), False),
        (("0", "1", "2"), False),
        (("0", "1", "2", "0"), True),
        (("0", "1", "2", "1"), True),
    ]
    assert sorted(space.asked) == [0, 1, 2]


async def test_beyond_the_depth_is_only_said_that_there_is_more() -> None:
    told = await walked(Space({0: [1, 2], 1: [3]}), depth=1)
    assert [(one.names[-1], one.cut) for one in told] == [("0", False), ("1", True), ("2", False)]


@pytest.mark.parametrize("most", [1, 2, 50, 399, 400])
async def test_no_more_nodes_are_told_than_asked_for(most: int) -> None:
    assert len(await walked(Space(tree(400, 1)), nodes=most, depth=400)) == most


async def test_a_hundred_thousand_nodes_are_told_in_bounded_memory() -> None:
    space = Space({0: list(range(1, 101)), **{i: list(range(1000 * i, 1000 * i + 999)) for i in range(1, 101)}})
    walk, count = Walk(space.ask, depth=9, nodes=100_000, step=500), 0
    tracemalloc.start()
    async for part in walk.run(node(0, ())):
        count += len(part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 100_000
    assert peak < 64 * 2**20

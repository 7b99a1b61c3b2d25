"""Browse against a scripted server: small calls, answers in part, no places left, refusals; and reads that fail."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asyncua import ua

from gateway.sdk import DisconnectedError, quality
from gateway.sdk.testing import host
from gateway_opcua import status as codes
from gateway_opcua.codec import ReadPlan, ServiceFaultError
from gateway_opcua.columns import Columns
from gateway_opcua.inventory import Inventory
from gateway_opcua.nodeid import encode
from gateway_opcua.references import browse
from gateway_opcua.session import Session
from tests.plugins.gateway_opcua.messages import status
from tests.plugins.gateway_opcua.rigs import device

NODES = [encode(2, number) for number in range(5)]


class Server(Session):
    """Each node has ten references below it; given three at a time, with `places` for what is left over."""

    def __init__(self, tmp_path: Path) -> None:
        super().__init__(device(1, ["N0"]), host(tmp_path))
        self.most, self.places, self.each = 100, 100, 10
        self.calls: list[int] = []
        self.released = 0
        self.left: dict[bytes, list[ua.ReferenceDescription]] = {}
        self.read_failures: list[Exception] = []
        self.reads: list[int] = []

    async def ask(self, service: Callable[[Any], Awaitable[Any]]) -> Any:
        return await service(self)

    async def browse(self, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        nodes = parameters.NodesToBrowse
        self.calls.append(len(nodes))
        if len(nodes) > self.most:
            raise ServiceFaultError(codes.BAD_TOO_MANY_OPERATIONS)
        return [self._answer(int(node.NodeId.Identifier)) for node in nodes]

    def _answer(self, number: int) -> ua.BrowseResult:
        if len(self.left) >= self.places:
            return ua.BrowseResult(StatusCode=status(codes.BAD_NO_CONTINUATION_POINTS))
        below = [
            ua.ReferenceDescription(
                ReferenceTypeId=ua.NodeId(ua.Int32(35)),
                NodeId=ua.ExpandedNodeId(ua.Int32(100 * number + i), ua.Int16(2)),
                BrowseName=ua.QualifiedName(f"{number}.{i}", ua.UInt16(2)),
            )
            for i in range(self.each)
        ]
        return self._part(b"%d" % number, below)

    def _part(self, point: bytes, below: list[ua.ReferenceDescription]) -> ua.BrowseResult:
        rest = below[3:]
        if rest:
            self.left[point] = rest
        return ua.BrowseResult(ContinuationPoint=point if rest else None, References=below[:3])

    async def browse_next(self, parameters: ua.BrowseNextParameters) -> list[ua.BrowseResult]:
        [point] = parameters.ContinuationPoints
        below = self.left.pop(point)
        if parameters.ReleaseContinuationPoints:
            self.released += 1
            return [ua.BrowseResult()]
        return [self._part(point, below)]

    async def read(self, plan: ReadPlan) -> Columns:
        self.reads.append(len(plan))
        if self.read_failures:
            raise self.read_failures.pop(0)
        columns = Columns.empty(len(plan))
        columns.value[:] = np.arange(len(plan))
        columns.kind[:] = 11
        return columns


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def names(found: list[Any]) -> list[list[str]]:
    return [[str(one.BrowseName.Name) for one in below.references] for below in found]


WHOLE = [[f"{number}.{i}" for i in range(10)] for number in range(5)]


async def test_answers_in_part_are_completed(server: Server) -> None:
    assert names(await browse(server, NODES, 1000)) == WHOLE
    assert server.calls == [5]
    assert not server.left


async def test_nodes_for_which_there_was_no_place_are_asked_again(server: Server) -> None:
    server.places = 2
    assert names(await browse(server, NODES, 1000)) == WHOLE
    assert not server.left


async def test_calls_become_smaller_until_the_server_takes_them(server: Server) -> None:
    server.nodes_per_browse, server.most = 5, 2
    assert names(await browse(server, NODES, 1000)) == WHOLE
    assert server.calls == [5, 2, 2, 1]


async def test_a_server_without_any_place_is_told_for_its_node_and_ends(server: Server) -> None:
    server.places = 0
    found = await browse(server, NODES, 1000)
    assert [below.status for below in found] == [codes.BAD_NO_CONTINUATION_POINTS] * 5


async def test_what_nobody_has_room_for_is_not_fetched_and_the_server_may_forget_it(server: Server) -> None:
    [found] = await browse(server, NODES[:1], 5)
    assert (len(found.references), found.cut) == (6, True)
    assert server.released == 1
    assert not server.left


async def test_large_reads_become_smaller(server: Server) -> None:
    server.read_failures = [ServiceFaultError(codes.BAD_TOO_MANY_OPERATIONS)]
    columns = await Inventory(server, everything=False).read([(node, 13) for node in NODES])
    assert server.reads == [5, 2, 2, 1]
    assert len(columns) == 5


@pytest.mark.parametrize(
    ("failure", "code"), [(TimeoutError(), quality.BAD_TIMEOUT), (ServiceFaultError(0x80340000), 0x80340000)]
)
async def test_a_read_that_fails_costs_its_own_nodes(server: Server, failure: Exception, code: int) -> None:
    server.nodes_per_read, server.read_failures = 3, [failure]
    columns = await Inventory(server, everything=False).read([(node, 13) for node in NODES])
    assert columns.status.tolist() == [code, code, code, 0, 0]


async def test_reads_that_are_never_answered_end_the_walk(server: Server) -> None:
    server.nodes_per_read, server.read_failures = 1, [TimeoutError()] * 5
    with pytest.raises(DisconnectedError, match="3 reads in a row"):
        await Inventory(server, everything=False).read([(node, 13) for node in NODES])
    assert server.reads == [1, 1, 1]

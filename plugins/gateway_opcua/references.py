"""What lies below nodes: Browse of many nodes at once, BrowseNext until nothing is left (Part 4 §5.8.2, §5.8.3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary

from gateway_opcua import status
from gateway_opcua.codec import ServiceFaultError
from gateway_opcua.nodeid import encode
from gateway_opcua.session import Session

_HIERARCHICAL: Final = ua.NodeId(
    ua.Int32(33)
)  # with its subtypes: components, properties, what is organized (Part 3 §7.3)
_PER_NODE: Final = 1000  # references of one node in one answer; more come by BrowseNext
_ALL_RESULTS: Final = 0x3F


@dataclass(slots=True)
class Below:
    """What is below one node.

    Attributes:
        references: as the server gave them, those to other servers left out.
        status: StatusCode of a refusal; 0 when there was none.
        cut: there are more.
    """

    references: list[ua.ReferenceDescription] = field(default_factory=list)
    status: int = 0
    cut: bool = False


async def browse(session: Session, nodes: Sequence[bytes], most: int) -> list[Below]:
    """What is below each of `nodes`, about `most` references altogether. Raises DisconnectedError."""
    found: list[Below] = []
    while len(found) < len(nodes):
        part = nodes[len(found) : len(found) + session.nodes_per_browse]
        try:
            results = await session.ask(lambda service, part=part: service.browse(_parameters(part)))  # type: ignore[misc]
        except ServiceFaultError as fault:
            if fault.code in status.ASK_FOR_LESS and session.nodes_per_browse > 1:
                session.nodes_per_browse //= 2
                continue
            found += [Below(status=fault.code) for _ in part]
        else:
            session.expect(len(results or []), len(part))
            found += await _complete(session, part, results, most)
        most -= sum(len(below.references) for below in found[-len(part) :])
    return found


async def _complete(
    session: Session, nodes: Sequence[bytes], results: Sequence[ua.BrowseResult], most: int
) -> list[Below]:
    """The rest of each answer that came in part; a node for which the server had no place left is asked by itself."""
    found = [Below(_local(result.References), _bad(result)) for result in results]
    room = most - sum(len(below.references) for below in found)
    for below, result in zip(found, results, strict=True):
        if result.ContinuationPoint:
            room -= await _go_on(session, below, result.ContinuationPoint, room)
    for at, below in enumerate(found):
        if below.status == status.BAD_NO_CONTINUATION_POINTS and len(nodes) > 1:
            [found[at]] = await browse(session, [nodes[at]], max(room, 1))
            room -= len(found[at].references)
    return found


async def _go_on(session: Session, below: Below, point: bytes, room: int) -> int:
    """BrowseNext until there is no more, or no more room: then the server may forget the rest. How many came."""
    came = 0
    while point:
        enough = came >= room
        parameters = ua.BrowseNextParameters(ReleaseContinuationPoints=enough, ContinuationPoints=[point])
        try:
            results = await session.ask(lambda service, parameters=parameters: service.browse_next(parameters))  # type: ignore[misc]
        except ServiceFaultError as fault:
            below.status = 0 if enough else fault.code
            below.cut = True
            break
        if enough:
            below.cut = True
            break
        session.expect(len(results or []), 1)
        more, below.status, point = _local(results[0].References), _bad(results[0]), results[0].ContinuationPoint
        below.references += more
        came += len(more)
    return came


def _parameters(nodes: Sequence[bytes]) -> ua.BrowseParameters:
    wanted = [
        ua.BrowseDescription(
            NodeId=from_binary(node),
            BrowseDirection=ua.BrowseDirection.Forward,
            ReferenceTypeId=_HIERARCHICAL,
            IncludeSubtypes=True,
            ResultMask=_ALL_RESULTS,
        )
        for node in nodes
    ]
    return ua.BrowseParameters(RequestedMaxReferencesPerNode=_PER_NODE, NodesToBrowse=wanted)


def _local(references: Sequence[ua.ReferenceDescription] | None) -> list[ua.ReferenceDescription]:
    return [one for one in references or () if not getattr(one.NodeId, "ServerIndex", 0)]


def _bad(result: ua.BrowseResult) -> int:
    code = int(result.StatusCode.value)
    return code if code >> 31 else 0


def from_binary(node: bytes) -> ua.NodeId:
    """A binary node id as asyncua's object."""
    return nodeid_from_binary(Buffer(node))


def binary(node: ua.NodeId, namespaces: Sequence[str]) -> bytes:
    """The binary id of a node that a server names; its namespace may be given by URI (Part 6 §5.2.2.10)."""
    uri = getattr(node, "NamespaceUri", None)
    index = namespaces.index(uri) if uri and uri in namespaces else int(node.NamespaceIndex)
    return encode(index, identifier(node))


def identifier(node: ua.NodeId) -> int | str | UUID | bytes:
    """The identifier of `node` in one of its four plain types."""
    raw: Any = node.Identifier
    if isinstance(raw, int):
        return int(raw)  # asyncua has types of its own for them
    if isinstance(raw, str):
        return str(raw)
    return bytes(raw) if isinstance(raw, bytes) else UUID(str(raw))

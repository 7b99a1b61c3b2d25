"""Where the nodes of the tags are in one session: by node id, by namespace URI, or by browse path.

What is found lasts as long as the session. What is not found is NULL meanwhile, which every server refuses by itself,
so that one node never holds the others; why it was not found is kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from gateway.sdk import Rows, quality
from gateway_opcua import status
from gateway_opcua.browsepath import BrowsePath
from gateway_opcua.codec import ServiceFaultError
from gateway_opcua.nodeid import NULL, NodeId
from gateway_opcua.references import binary
from gateway_opcua.session import Session

_ROOT: Final = ua.NodeId(ua.Int32(84))
_HIERARCHICAL: Final = ua.NodeId(ua.Int32(33))
_WHOLE: Final = 0xFFFFFFFF  # no element of the path is left over (Part 4 §7.8)

Where = NodeId | BrowsePath


class Places:
    """The nodes of one session."""

    def __init__(self, session: Session, nodes: Mapping[int, Where]) -> None:
        """`nodes`: what names the node of each row."""
        self._session, self._nodes = session, nodes
        self._paths = {row for row, node in nodes.items() if isinstance(node, BrowsePath)}
        self._walked: dict[int, bytes] = {}
        self._reasons: dict[int, int] = {}

    def binary(self, row: int) -> bytes:
        """The binary node id of a row; NULL while it is not known."""
        node = self._nodes[row]
        if isinstance(node, BrowsePath):
            return self._walked.get(row, NULL)
        return node.resolve(self._session.namespaces) or NULL

    def lacks(self, rows: Iterable[int]) -> bool:
        """Whether the node of one of `rows` is not known."""
        return any(self.binary(row) == NULL for row in rows)

    def name_reasons(self, rows: Rows, codes: NDArray[np.uint32]) -> None:
        """Put into `codes` (shape of `rows`) why a path leads nowhere: a server only knows that NULL is no node."""
        if not self._reasons:
            return
        numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        lost = np.array(list(self._reasons), numbers.dtype)
        for at in np.flatnonzero(np.isin(numbers, lost)).tolist():
            codes[at] = self._reasons[int(numbers[at])]

    def forget(self, rows: Iterable[int]) -> bool:
        """The nodes of `rows` are gone: their paths are to be walked anew. Whether there are any."""
        gone = self._paths.intersection(rows)
        for row in gone & self._walked.keys():
            del self._walked[row]
        return bool(gone)

    async def renew(self, rows: Iterable[int]) -> None:
        """Look for the nodes of `rows` that are not known. Raises as `Session.read`, and as `Session.ask`."""
        rows = [row for row in rows if self.binary(row) == NULL]
        if not rows:
            return
        if self._reasons or not self._paths.issuperset(rows):
            await self._session.look_up_namespaces()
        await self._walk([row for row in rows if row in self._paths])

    async def _walk(self, rows: Sequence[int]) -> None:
        at = 0
        while at < len(rows):
            part = rows[at : at + self._session.paths_per_call]
            if await self._walk_once(part):
                at += len(part)

    async def _walk_once(self, rows: Sequence[int]) -> bool:
        """One call; False when it must be smaller."""
        names = {row: self._nodes[row].resolve(self._session.namespaces) for row in rows}
        self._reasons |= dict.fromkeys((row for row, path in names.items() if path is None), status.BAD_NO_MATCH)
        asked = [(row, path) for row, path in names.items() if isinstance(path, list)]
        if not asked:
            return True
        try:
            results = await translate(self._session, [path for _, path in asked])
        except ServiceFaultError as fault:
            if fault.code in status.ASK_FOR_LESS and len(rows) > 1:
                self._session.paths_per_call = max(1, len(rows) // 2)
                return False
            self._reasons |= dict.fromkeys((row for row, _ in asked), fault.code)
            return True
        for (row, _), found in zip(asked, results, strict=True):
            self._settle(row, found)
        return True

    def _settle(self, row: int, found: bytes | int) -> None:
        if isinstance(found, int):
            self._reasons[row] = found
        else:
            self._walked[row] = found
            self._reasons.pop(row, None)


async def translate(session: Session, paths: Sequence[Sequence[tuple[int, str]]]) -> list[bytes | int]:
    """TranslateBrowsePathsToNodeIds (Part 4 §5.8.4), from the root folder: of each path its node, or why there is none.

    Raises:
        ServiceFaultError: the server refused the whole call.
        DisconnectedError: the session is lost.
    """
    results = await session.ask(
        lambda service: service.translate_browsepaths_to_nodeids([_browse_path(path) for path in paths])
    )
    session.expect(len(results or []), len(paths))
    return [_target(result, session.namespaces) for result in results]


def _browse_path(names: Sequence[tuple[int, str]]) -> ua.BrowsePath:
    elements = [
        ua.RelativePathElement(
            ReferenceTypeId=_HIERARCHICAL,
            IsInverse=False,  # type: ignore[arg-type]  # on the wire it is one
            IncludeSubtypes=True,  # type: ignore[arg-type]  # likewise
            TargetName=ua.QualifiedName(name, ua.UInt16(index)),
        )
        for index, name in names
    ]
    return ua.BrowsePath(StartingNode=_ROOT, RelativePath=ua.RelativePath(Elements=elements))


def _target(result: ua.BrowsePathResult, namespaces: Sequence[str]) -> bytes | int:
    code = int(result.StatusCode.value)
    if code >= quality.BAD:
        return code
    targets = {
        binary(target.TargetId, namespaces) for target in result.Targets or () if target.RemainingPathIndex == _WHOLE
    }
    if len(targets) > 1:
        return status.BAD_TOO_MANY_MATCHES
    return targets.pop() if targets else status.BAD_NO_MATCH

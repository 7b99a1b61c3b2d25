"""What single nodes are and hold: one Browse and one Read for many nodes, each as large as the server allows."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from asyncua import ua

from gateway.sdk import DisconnectedError, quality
from gateway_opcua import nodeid, status
from gateway_opcua.codec import ATTRIBUTE_VALUE, ReadPlan, ServiceFaultError
from gateway_opcua.columns import Columns
from gateway_opcua.described import PROPERTIES
from gateway_opcua.references import Below, binary, browse
from gateway_opcua.session import Session
from gateway_opcua.walk import Node
from gateway_opcua.wire import CodecError

VARIANT_ARRAY: Final = 0x80  # bit of a Variant's form byte (Part 6 §5.2.2.16)
VARIABLE: Final = 2  # NodeClass (Part 3 §8.29)
SERVER: Final = b"\x01\x00\xcd\x08"  # i=2253: diagnostics, hundreds of nodes, the same on every server
_HAS_PROPERTY: Final = 46
# Attributes (Part 6 Annex A.1); the first one tells whether the node is there.
BROWSE_NAME, DATA_TYPE, VALUE_RANK, ACCESS = 3, 14, 15, 18
_DECLARED: Final = {"data_type": DATA_TYPE, "rank": VALUE_RANK, "access": ACCESS}
_ATTRIBUTES: Final = {"value": ATTRIBUTE_VALUE} | _DECLARED
_MAX_TIMEOUTS: Final = 3


class Inventory:
    """Looks at nodes of one session."""

    def __init__(self, session: Session, *, everything: bool, values: bool = True) -> None:
        """`everything`: the Server object and properties too; `values`: what variables hold, and not only declare."""
        self._session, self._everything, self._values = session, everything, values
        self._timeouts = 0
        self._type_names: dict[str, str] = {}

    @property
    def step(self) -> int:
        """Nodes to look at together."""
        reads = len(_ATTRIBUTES) + len(PROPERTIES)
        return max(1, min(self._session.nodes_per_browse, self._session.nodes_per_read // reads, 500))

    async def look(self, nodes: Sequence[Node], most: int) -> None:
        """Find out what each of `nodes` has and holds. Raises DisconnectedError."""
        found = await browse(self._session, [node.id for node in nodes], most)
        for node, below in zip(nodes, found, strict=True):
            self._take(node, below)
        await self._read([node for node in nodes if node.kind == VARIABLE])

    def _take(self, node: Node, below: Below) -> None:
        node.refused, node.cut = below.status, below.cut
        node.children = []
        for reference in below.references:
            name = str(reference.BrowseName.Name)
            child = binary(reference.NodeId, self._session.namespaces)
            is_property = reference.ReferenceTypeId.Identifier == _HAS_PROPERTY
            if is_property:
                node.properties[name] = child
            if (not is_property and child != SERVER) or self._everything:
                names, spaces = (*node.names, name), (*node.spaces, int(reference.BrowseName.NamespaceIndex))
                node.children.append(Node(child, names, spaces, int(reference.NodeClass)))

    async def _read(self, nodes: Sequence[Node]) -> None:
        """Value, type, access, unit, range and texts of variables."""
        attributes = _ATTRIBUTES if self._values else _DECLARED
        first = next(iter(attributes))
        wanted = [(node.id, attribute, node, name) for node in nodes for name, attribute in attributes.items()]
        wanted += [
            (node.properties[told], ATTRIBUTE_VALUE, node, name)
            for node in nodes
            for told, name in PROPERTIES.items()
            if told in node.properties
        ]
        columns = await self.read([(node, attribute) for node, attribute, _, _ in wanted])
        for at, (_, _, node, name) in enumerate(wanted):
            node.reads[name] = value_at(columns, at)
            if name == first:
                kind = int(columns.kind[at]) if self._values else 0
                node.reads["status"], node.reads["kind"] = int(columns.status[at]), kind
        await self._name_types(nodes)

    async def _name_types(self, nodes: Sequence[Node]) -> None:
        """The maker's own types by their browse names."""
        new = {str(node.reads["data_type"]) for node in nodes} - self._type_names.keys()
        own = sorted(text for text in new if text.startswith("ns="))
        ids = [nodeid.parse(text).resolve(self._session.namespaces) or nodeid.NULL for text in own]
        names = await self.read([(node, BROWSE_NAME) for node in ids])
        for at, text in enumerate(own):
            self._type_names[text] = str(value_at(names, at) or text).rpartition(":")[2]
        for node in nodes:
            text = str(node.reads["data_type"])
            node.reads["type"] = self._type_names.get(text) or standard_type(text)

    async def read(self, wanted: Sequence[tuple[bytes, int]]) -> Columns:
        """Read (node, attribute), whatever becomes of single ones. Raises DisconnectedError."""
        parts: list[Columns] = [Columns.empty(0)]
        at = 0
        while at < len(wanted):
            step = self._session.nodes_per_read
            part = wanted[at : at + step]
            columns = await self._read_once(part)
            if columns is not None:
                parts.append(columns)
                at += len(part)
        return Columns.join(parts)

    async def _read_once(self, part: Sequence[tuple[bytes, int]]) -> Columns | None:
        """One call; None when it must be smaller."""
        plan = ReadPlan([node for node, _ in part], [attribute for _, attribute in part])
        try:
            columns = await self._session.read(plan)
        except TimeoutError as error:
            self._timeouts += 1
            if self._timeouts == _MAX_TIMEOUTS:
                raise DisconnectedError(f"{self._session.url}: {_MAX_TIMEOUTS} reads in a row not answered") from error
            return _failed(len(part), quality.BAD_TIMEOUT)
        except ServiceFaultError as fault:
            if fault.code in status.ASK_FOR_LESS and len(part) > 1:
                self._session.nodes_per_read = max(1, len(part) // 2)
                return None
            return _failed(len(part), fault.code)
        except CodecError:
            return _failed(len(part), quality.BAD_DECODING_ERROR)
        self._timeouts = 0
        return columns


def _failed(n: int, code: int) -> Columns:
    columns = Columns.empty(n)
    columns.status[:] = code
    return columns


def value_at(columns: Columns, at: int) -> Any:
    """One reading as plain Python: a number of its own kind, what is no number, or None."""
    if columns.status[at] >= quality.BAD:
        return None
    if at in columns.other:
        return columns.other[at]
    number, kind = float(columns.value[at]), int(columns.kind[at])
    if np.isnan(number) and kind not in FLOATS:
        return None
    if kind == BOOLEAN:
        return number != 0
    return int(number) if kind in INTEGERS else number


BOOLEAN: Final = 1
INTEGERS: Final = range(2, 10)
FLOATS: Final = (10, 11)


def standard_type(text: str) -> str:
    """`i=11` → `Double`; what is no standard type as it stands."""
    number = text.removeprefix("i=")
    return ua.object_ids.ObjectIdNames.get(int(number), text) if number.isdigit() else text


def builtin_type(text: str) -> int:
    """`i=11` → 11 where it names a built-in type that values have as it stands (Part 6 Table 1); 0 for all others."""
    number = text.removeprefix("i=")
    return int(number) if number.isdigit() and 1 <= int(number) < _STRUCTURE else _ALIASES.get(number, 0)


_STRUCTURE: Final = 22  # and above: structures and abstract types
_ALIASES: Final = {"290": 11, "294": 13, "29": 6}  # Duration, UtcTime, Enumeration

"""The texts of enumerations: by the variable's own properties, else by those of its type, asked once for each type."""

from collections.abc import Sequence
from typing import Final

from gateway_opcua import nodeid
from gateway_opcua.codec import ATTRIBUTE_VALUE
from gateway_opcua.described import PROPERTIES, texts_of, texts_of_fields
from gateway_opcua.inventory import VARIABLE, Inventory, value_at
from gateway_opcua.references import binary, browse
from gateway_opcua.session import Session
from gateway_opcua.walk import Node

_DEFINITION: Final = 23  # attribute DataTypeDefinition
_INT32: Final = 6  # as what an enumeration travels (Part 6 §5.2.4)
_ENUMERATION: Final = "i=29"
_BELOW: Final = 1000  # references of all types asked together


class Enumerations:
    """Looks at nodes as the inventory does, and sets the texts of their values besides."""

    def __init__(self, session: Session, inventory: Inventory) -> None:
        self._session, self._inventory = session, inventory
        self._texts: dict[str, dict[int, str]] = {}  # by data type

    async def look(self, nodes: Sequence[Node], most: int) -> None:
        """As `Inventory.look`; then `texts` of each variable. Raises DisconnectedError."""
        await self._inventory.look(nodes, most)
        variables = [node for node in nodes if node.kind == VARIABLE]
        await self._learn(sorted({str(node.reads["data_type"]) for node in variables if _may_be_one(node)}))
        for node in variables:
            of_type = self._texts.get(str(node.reads["data_type"]), {}) if _may_be_one(node) else {}
            node.reads["texts"] = texts_of(node.reads) or of_type

    async def _learn(self, types: Sequence[str]) -> None:
        new = [(name, _id(name, self._session.namespaces)) for name in types if name not in self._texts]
        definitions = await self._inventory.read([(node, _DEFINITION) for _, node in new])
        for at, (name, _) in enumerate(new):
            definition = value_at(definitions, at)
            fields = definition.get("Fields") if isinstance(definition, dict) else None
            self._texts[name] = texts_of_fields(fields)
        if lacking := [(name, node) for name, node in new if not self._texts[name]]:
            await self._look_below(lacking)

    async def _look_below(self, types: Sequence[tuple[str, bytes]]) -> None:
        """Servers before version 1.04 give no definition, but a property of the type (Part 3 §5.8.3)."""
        found = await browse(self._session, [node for _, node in types], _BELOW)
        told = [
            (name, PROPERTIES[said], binary(reference.NodeId, self._session.namespaces))
            for (name, _), below in zip(types, found, strict=True)
            for reference in below.references
            if (said := str(reference.BrowseName.Name)) in PROPERTIES
        ]
        columns = await self._inventory.read([(node, ATTRIBUTE_VALUE) for _, _, node in told])
        for at, (name, said, _) in enumerate(told):
            self._texts[name] = texts_of({said: value_at(columns, at)}) or self._texts[name]


def _may_be_one(node: Node) -> bool:
    """Whether its type may be an enumeration: travels as Int32 (or holds nothing now) and is not called so."""
    declared = str(node.reads["data_type"])
    return node.reads["kind"] in (0, _INT32) and declared not in (f"i={_INT32}", _ENUMERATION, "None")


def _id(text: str, namespaces: Sequence[str]) -> bytes:
    return nodeid.parse(text).resolve(namespaces) or nodeid.NULL

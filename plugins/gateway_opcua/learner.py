"""Asks the server how the makers' structures are put together, when a value of one has come (Part 3 §8.48 to §8.51)."""

from typing import Any, Final, Never

from asyncua import ua

from gateway.sdk import quality
from gateway_opcua.codec import ServiceFaultError
from gateway_opcua.session import Session
from gateway_opcua.structures import UNION, Member, Structure

_DEFINITION: Final = 23  # attribute DataTypeDefinition
_HAS_SUBTYPE, _HAS_ENCODING = 45, 38
_BUILT_IN: Final = range(1, 26)
_ABSTRACT: Final = {
    26: 24,
    27: 24,
    28: 24,
    29: 6,
}  # Number, Integer, UInteger travel as Variant, an Enumeration as Int32
_HIGHEST: Final = 10  # steps up to a built-in type
_MOST_TYPES: Final = 1000  # of one session


class UnlearnableError(Exception):
    """The server does not say how a type is put together, or in a way that is not understood here."""


class Learner:
    """Learns the types of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._structures: dict[ua.NodeId, Structure] = {}  # by data type

    async def run(self) -> Never:
        """Learn whatever is wanted, one after the other. Raises DisconnectedError."""
        types = self._session.structures
        while True:
            await types.asked.wait()
            types.asked.clear()
            for encoding in list(types.wanted):
                types.learn(encoding, await self._learn(encoding))

    async def _learn(self, encoding: ua.NodeId) -> Structure | None:
        before = dict(self._structures)
        try:
            return await self._structure(await self._above(encoding, _HAS_ENCODING))
        except (UnlearnableError, ServiceFaultError):
            self._structures = before
            return None

    async def _structure(self, data_type: ua.NodeId) -> Structure:
        if data_type in self._structures:
            return self._structures[data_type]
        definition = await self._definition(data_type)
        if not isinstance(definition, ua.StructureDefinition) or definition.StructureType > UNION:
            raise UnlearnableError
        return await self._put_together(data_type, definition)

    async def _put_together(self, data_type: ua.NodeId, definition: ua.StructureDefinition) -> Structure:
        if len(self._structures) >= _MOST_TYPES:
            raise UnlearnableError
        structure = self._structures[data_type] = Structure(
            int(definition.StructureType)
        )  # first: it may hold its like
        for field in definition.Fields or []:
            structure.members.append(await self._member(field))
        return structure

    async def _member(self, field: ua.StructureField) -> Member:
        name, rank = str(field.Name), max(0, int(field.ValueRank))
        optional, data_type = bool(field.IsOptional), field.DataType
        kind = _built_in(data_type)
        if kind:
            return Member(name, kind, rank=rank, optional=optional)
        if data_type in self._structures:
            return Member(name, nested=self._structures[data_type], rank=rank, optional=optional)
        definition = await self._definition(data_type)
        if isinstance(definition, ua.StructureDefinition):
            return Member(name, nested=await self._structure(data_type), rank=rank, optional=optional)
        if isinstance(definition, ua.EnumDefinition):
            names = {int(one.Value): str(one.Name) for one in definition.Fields or []}
            return Member(name, 6, names=names, rank=rank, optional=optional)
        return Member(name, await self._base(data_type), rank=rank, optional=optional)

    async def _base(self, data_type: ua.NodeId) -> int:
        """The built-in type that a data type stands for."""
        for _ in range(_HIGHEST):
            data_type = await self._above(data_type, _HAS_SUBTYPE)
            if kind := _built_in(data_type):
                return kind
        raise UnlearnableError

    async def _definition(self, data_type: ua.NodeId) -> Any:
        wanted = ua.ReadParameters(NodesToRead=[ua.ReadValueId(NodeId=data_type, AttributeId=ua.UInt32(_DEFINITION))])
        results = await self._session.ask(lambda service: service.read(wanted))
        self._session.expect(len(results or []), 1)
        status = results[0].StatusCode
        bad = status is not None and int(status.value) >= quality.BAD
        return None if bad or results[0].Value is None else results[0].Value.Value

    async def _above(self, node: ua.NodeId, reference: int) -> ua.NodeId:
        """The node from which such a reference leads here."""
        wanted = ua.BrowseDescription(
            NodeId=node,
            BrowseDirection=ua.BrowseDirection.Inverse,
            ReferenceTypeId=ua.NodeId(ua.Int32(reference)),
            IncludeSubtypes=True,
            ResultMask=ua.UInt32(0x3F),
        )
        results = await self._session.ask(lambda service: service.browse(ua.BrowseParameters(NodesToBrowse=[wanted])))
        self._session.expect(len(results or []), 1)
        found = results[0].References or []
        if not found:
            raise UnlearnableError
        above = found[0].NodeId
        return ua.NodeId(above.Identifier, above.NamespaceIndex, above.NodeIdType)


def _built_in(data_type: ua.NodeId) -> int:
    """The number of a built-in type, or of what an abstract type travels as; 0 for all others."""
    number = data_type.Identifier
    if data_type.NamespaceIndex != 0 or not isinstance(number, int):
        return 0
    return int(number) if number in _BUILT_IN else _ABSTRACT.get(int(number), 0)

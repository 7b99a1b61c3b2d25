"""Values of the makers' own structures, decoded by the definitions that the server gives of them. Pure.

Structures, those with optional fields, and unions (Part 6 §5.2.6 to §5.2.8), nested and in arrays. An enumeration
within one is `Name_Value`, as in OPC UA's JSON (Part 6 §5.4.4). What is not known stays as its type and its bytes, and
is asked for.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import Primitives, unpack_uatype

from gateway_opcua.plain import FOREIGN, Unknown, plain
from gateway_opcua.wire import CodecError

WITH_OPTIONAL, UNION = 1, 2  # StructureType (Part 3 §8.49)
_MAX_DEPTH: Final = 20
_MOST: Final = 1_000_000  # elements of one array


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a structure.

    Attributes:
        name: as its maker calls it.
        kind: built-in type of its elements (Part 6 Table 1).
        nested: their structure, where they are one without a head of its own.
        names: texts of an enumeration.
        array: it has any number of elements, in as many dimensions as the value says.
        rank: dimensions of the array.
        optional: it may be missing.
    """

    name: str
    kind: int = 0
    nested: "Structure | None" = None
    names: Mapping[int, str] = field(default_factory=dict)
    rank: int = 0
    optional: bool = False


@dataclass(slots=True)
class Structure:
    """A maker's type: how it is put together, and its fields in their order."""

    form: int
    members: list[Member] = field(default_factory=list)


class Structures:
    """The types of one session, by the id of their binary encoding.

    Attributes:
        wanted: ids that values had and nobody knows yet.
        asked: set when there are any.
        learnt: set when more is known than before.
        untold: rows whose values came before their types were known.
    """

    def __init__(self) -> None:
        self.wanted: set[ua.NodeId] = set()
        self.asked, self.learnt = asyncio.Event(), asyncio.Event()
        self.untold: set[int] = set()
        self._known: dict[ua.NodeId, Structure | None] = {}
        self._met = False  # a type that is not known, in the value at hand

    def learn(self, encoding: ua.NodeId, structure: Structure | None) -> None:
        """From now on values of this type are decoded; None: the server does not say how."""
        self._known[encoding] = structure
        self.wanted.discard(encoding)
        self.learnt.set()

    def settle(self, other: dict[int, Any]) -> dict[int, Any]:
        """The same values, with what is known of their types."""
        for row, value in other.items():
            self._met = False
            other[row] = self._settled(value, 0)
            if self._met:
                self.untold.add(row)
        return other

    def _settled(self, value: Any, depth: int) -> Any:
        if isinstance(value, Unknown):
            return self._decoded(value, depth)
        if isinstance(value, list):
            return [self._settled(item, depth) for item in value]
        if isinstance(value, dict):
            return {name: self._settled(item, depth) for name, item in value.items()}
        return value

    def _decoded(self, value: Unknown, depth: int) -> Any:
        structure = self._known.get(value.type_id)
        if structure is None:
            if value.type_id not in self._known:
                self._met = True
                self.wanted.add(value.type_id)
                self.asked.set()
            return value
        try:
            return self._settled(decode(structure, Buffer(value.body), depth), depth + 1)
        except (CodecError, *FOREIGN):  # its bytes do not match: they are told as they are
            return value


def decode(structure: Structure, data: Buffer, depth: int = 0) -> Any:
    """One value; of a union the member that it holds. Raises CodecError, or what asyncua raises over wrong bytes."""
    if depth > _MAX_DEPTH:
        raise CodecError("structures nested too deep")
    if structure.form == UNION:
        chosen = Primitives.UInt32.unpack(data)
        return {(one := structure.members[chosen - 1]).name: _member(one, data, depth)} if chosen else {}
    mask = Primitives.UInt32.unpack(data) if structure.form == WITH_OPTIONAL else 0
    found, bit = {}, 0
    for one in structure.members:
        there = not one.optional or bool(mask >> bit & 1)
        bit += one.optional
        if there:
            found[one.name] = _member(one, data, depth)
    return found


def _member(one: Member, data: Buffer, depth: int) -> Any:
    if one.rank == 0:
        return _element(one, data, depth)
    count = Primitives.Int32.unpack(data)
    if one.rank == 1:
        return None if count < 0 else [_element(one, data, depth) for _ in range(_bounded(count, data))]
    sizes = [Primitives.Int32.unpack(data) for _ in range(_bounded(count, data))]
    flat = [_element(one, data, depth) for _ in range(_bounded(math.prod(sizes), data))]
    return _shaped(flat, sizes)


def _bounded(count: int, data: Buffer) -> int:
    if not 0 <= count <= min(_MOST, len(data)):
        raise CodecError(f"{count} elements announced, {len(data)} bytes left")
    return count


def _shaped(flat: list[Any], sizes: list[int]) -> list[Any]:
    for size in reversed(sizes[1:]):
        flat = [flat[at : at + size] for at in range(0, len(flat), size or 1)]
    return flat


def _element(one: Member, data: Buffer, depth: int) -> Any:
    if one.nested is not None:
        return decode(one.nested, data, depth + 1)
    value = plain(unpack_uatype(ua.VariantType(one.kind), data))
    return f"{one.names[value]}_{value}" if one.names and value in one.names else value

"""From a node to what is told of it: its type, unit and range in words, and whether it can be a tag. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from asyncua import ua

from gateway.sdk import quality
from gateway.sdk.browse import Found
from gateway.sdk.described import Described
from gateway_opcua import nodeid, status
from gateway_opcua.browsepath import BrowsePath
from gateway_opcua.coding import DATE_TIME
from gateway_opcua.described import described
from gateway_opcua.inventory import BOOLEAN, FLOATS, INTEGERS, VARIABLE, VARIANT_ARRAY
from gateway_opcua.references import from_binary, identifier
from gateway_opcua.walk import Node

_TEXTS: Final = (12, 21)  # String, LocalizedText
_NUMBERS: Final = (*INTEGERS, *FLOATS)
_SCALARS: Final = (BOOLEAN, *_NUMBERS, *_TEXTS)
_CURRENT_READ: Final = 1  # bit of the access level (Part 3 §8.57)
_SCALAR_RANK: Final = -1
_ABSTRACT: Final = ("Number", "Integer", "UInteger", "Enumeration", "Duration")  # numbers, whatever they hold
_MOST_TEXTS: Final = 8  # in one line


def describe(node: Node, namespaces: Sequence[str], way: BrowsePath | None = None) -> Found:
    """What is told of `node` in a server with these `namespaces`; as a tag it goes by its path where `way` is given."""
    address = address_of(node.id, namespaces)
    kind = ua.NodeClass(node.kind).name.lower()
    if node.kind != VARIABLE or node.again:
        return Found(node.names, address, kind, remark=_remark(node))
    said = described(node.reads)
    return Found(
        node.names,
        address,
        kind,
        type=str(node.reads["type"]) + ("[]" if _is_array(node) else ""),
        value=_shown(node),
        status=node.reads["status"],
        unit=said.unit,
        range=said.range,
        remark=_remark(node),
        tag=_tag(node, {"path": _path(node, namespaces, way)} if way else {"node": address}, said),
    )


def address_of(binary: bytes, namespaces: Sequence[str]) -> str:
    """A node id as configuration writes it: with the URI of its namespace, which outlives the index."""
    node = from_binary(binary)
    return nodeid.NodeId(_namespace(int(node.NamespaceIndex), namespaces), identifier(node)).text()


def _namespace(index: int, namespaces: Sequence[str]) -> int | str:
    """Its URI; its index where it is the standard's own, or where the URI does not tell which one is meant."""
    uri = namespaces[index] if 0 < index < len(namespaces) else ""
    return uri if uri and namespaces.index(uri) == index else index


def _path(node: Node, namespaces: Sequence[str], way: BrowsePath) -> str:
    below = [(_namespace(space, namespaces), name) for space, name in zip(node.spaces, node.names, strict=True)]
    return BrowsePath((*way.names, *below[1:])).text()


def _remark(node: Node) -> str:
    if node.again:
        return "told elsewhere"
    remarks = ["more below"] if node.cut else []
    if node.refused:
        remarks.append(f"what is below is refused: {status.name(node.refused)}")
    if code := node.reads.get("status"):
        remarks.append(status.name(code))
    if texts := node.reads.get("texts"):
        told = [f"{number} {text}" for number, text in list(texts.items())[:_MOST_TEXTS]]
        remarks.append(", ".join(told + ["…"] * (len(texts) > _MOST_TEXTS)))
    return "; ".join(remarks)


def _shown(node: Node) -> Any:
    """Its value; a time as people read it."""
    value = node.reads["value"]
    if node.reads["kind"] != DATE_TIME or not isinstance(value, float):
        return value
    return f"{np.datetime64(int(value * 1000), 'ms')}Z"


def _is_array(node: Node) -> bool:
    kind, rank = node.reads["kind"], node.reads["rank"]
    return bool(kind & VARIANT_ARRAY) if kind else rank is not None and rank >= 0


def _tag(node: Node, where: Mapping[str, str], said: Described) -> Mapping[str, Any] | None:
    """What a device file says of it; None unless it can be read and holds one number, truth value or text."""
    access = node.reads["access"]
    if (access is not None and not int(access) & _CURRENT_READ) or _builtin(node) not in _SCALARS:
        return None
    tag: dict[str, Any] = dict(where)
    if _builtin(node) in _NUMBERS:
        tag |= {"unit": said.unit} if said.unit else {}
        tag |= {"range": list(said.range)} if said.range and _within(node.reads["value"], said.range) else {}
    return tag


def _builtin(node: Node) -> int:
    """The built-in type of its value; by the type that it is declared with where it has none now. 0 when unknown."""
    if node.reads["kind"]:
        return int(node.reads["kind"])
    code = node.reads["status"]
    if code < quality.BAD or status.not_for_us(code) or node.reads["rank"] not in (_SCALAR_RANK, None):
        return 0
    declared = node.reads["type"]
    known = [kind for kind in _SCALARS if ua.object_ids.ObjectIdNames[kind] == declared]
    return known[0] if known else FLOATS[-1] if declared in _ABSTRACT else 0


def _within(value: Any, span: tuple[float, float]) -> bool:
    """A range that the value leaves already is none to clamp to."""
    return not isinstance(value, int | float) or span[0] <= value <= span[1]

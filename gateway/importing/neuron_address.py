"""Neuron's addresses: `SLAVE!ADDRESS[.BIT][#ENDIAN][.LEN[H|L|D|E]]` of Modbus, `NS!NODEID` of OPC UA."""

import re
from typing import Any, Final

from gateway.importing import modbus, opcua
from gateway.importing.foreign import Entry
from gateway.importing.report import Report

_CODES: Final = (  # HTTP API: 1 is INT8
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float", "double", "bit", "bool",
    "string", "bytes",
)  # fmt: skip
TYPES: Final = {**{name: name for name in _CODES}, **{str(n): name for n, name in enumerate(_CODES, 1)}}
_HERE: Final = {
    **{name: name for name in ("int16", "uint16", "int32", "uint32", "int64", "uint64")},
    "float": "float32", "double": "float64", "bit": "bool", "bool": "bool", "string": "string",
}  # fmt: skip
_ADDRESS: Final = re.compile(r"(\d{1,3})!([0134])(\d+)(?:\.(\d+)([HLDE]?))?(?:#([LB]{1,2}))?(?:\.(\d+)([HLDE]?))?")
_ENDIANS: Final = {"L": "ABCD", "B": "DCBA", "LL": "ABCD", "LB": "BADC", "BL": "CDAB", "BB": "DCBA"}
_NODE: Final = re.compile(r"(\d+)(\[[\d,]+\])?!(.+)", re.DOTALL)


def modbus_tag(
    tag: Entry, base: int, orders: tuple[str, str], report: Report
) -> tuple[int, dict[str, Any]] | None:  # fmt: skip
    """The unit of a tag and its options; None where there is no such thing here, which is told."""
    text, kind = tag.text("address"), _HERE.get(TYPES[tag.text("type").lower()])
    match = _ADDRESS.fullmatch(text)
    number = int(match[3]) - base if match else -1
    if match is None or number < 0 or kind is None:
        why = f"there is no type {tag.text('type')} here" if match and kind is None else f"{text[:40]} is no address"
        report.lost(tag.place("address"), why)
        return None
    table = modbus.AREAS[match[2]]
    made: dict[str, Any] = {"at": f"{table}:{number}"}
    if table in ("holding", "input"):
        coded = _coded(tag, kind, match, orders, report)
        if coded is None:
            return None
        made |= coded
    return int(match[1]), made


def _coded(
    tag: Entry, kind: str, match: re.Match[str], orders: tuple[str, str], report: Report
) -> dict[str, Any] | None:
    if kind == "string":
        return _string(tag, int(match[4] or match[7] or 0), match[5] or match[8] or "L", report)
    if kind == "bool":
        return {"type": "bool", "bit": int(match[4] or 0), "order": "ABCD"}
    default = "ABCD" if kind.endswith("16") else orders[kind.endswith("64")]
    return {"type": kind, "order": _ENDIANS.get(match[6] or "", default), **scaled(tag)}


def _string(tag: Entry, length: int, form: str, report: Report) -> dict[str, Any] | None:
    if form in "DE" or not length:
        report.lost(tag.place("address"), "a string with one character in each register, or without a length")
        return None
    if length % 2:
        report.changed(
            tag.place("address"), f"{length} characters; here the other half of the last register is read too"
        )
    return {"type": "string", "length": (length + 1) // 2, "order": "ABCD" if form == "H" else "DCBA"}


def opcua_node(tag: Entry, report: Report) -> str:
    """The node id; "" where there is no such thing here, which is told."""
    text = tag.text("address")
    match = _NODE.fullmatch(text)
    if match is None or match[2]:
        why = "an element of an array" if match else f"{text[:40]} is no address"
        report.lost(tag.place("address"), why)
        return ""
    return opcua.node(match[1], match[3])


def scaled(tag: Entry) -> dict[str, Any]:
    """`decimal` multiplies, `bias` is added."""
    decimal, bias = tag.number("decimal"), tag.number("bias")
    return ({"scale": decimal} if decimal not in (0, 1) else {}) | ({"offset": bias} if bias else {})

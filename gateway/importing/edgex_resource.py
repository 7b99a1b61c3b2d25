"""One resource of an EdgeX profile: its place and type, and what becomes of its value."""

from typing import Any, Final

from gateway.importing import modbus
from gateway.importing.asked import digits
from gateway.importing.foreign import Entry
from gateway.importing.report import Report

_TABLES: Final = {
    "COILS": "coil", "DISCRETES_INPUT": "discrete", "DISCRETE_INPUTS": "discrete", "HOLDING_REGISTERS": "holding",
    "INPUT_REGISTERS": "input",
}  # fmt: skip
_TYPES: Final = {
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (16, 32, 64)},
    "float32": "float32", "float64": "float64", "bool": "bool", "string": "string",
}  # fmt: skip


def modbus_tag(attributes: Entry, properties: Entry, report: Report) -> dict[str, Any] | None:
    """Address and type; None where there is no such thing here, which is told."""
    table = _TABLES.get(attributes.text("primaryTable").upper())
    number, bit = _address(attributes.raw("startingAddress"))
    value = properties.text("valueType") or properties.text("type")
    kind = _TYPES.get(attributes.text("rawType", value).lower())
    swaps = attributes.flag("isByteSwap"), attributes.flag("isWordSwap")
    length = attributes.whole("stringRegisterSize")
    if table is None or number < 0 or kind is None:
        why = "no primaryTable or startingAddress" if table is None or number < 0 else f"there is no type {value} here"
        report.lost(attributes.place(), why)
        return None
    made: dict[str, Any] = {"at": f"{table}:{number}"}
    if table in ("coil", "discrete"):
        return made
    if any(swaps) and not kind.endswith("32"):
        report.changed(attributes.place(), "swaps count for 32 bits only there; they are left out")
    order = modbus.order(bytes_swapped=swaps[0], words_swapped=swaps[1]) if kind.endswith("32") else "ABCD"
    parts = {"bool": {"bit": bit}, "string": {"length": length}}.get(kind, {})
    return made | {"type": kind, "order": order} | parts


def _address(said: Any) -> tuple[int, int]:
    """Register and bit; -1 where there is none. A number goes through `%.2f` there: 10.1 is bit 10."""
    text = f"{said:.2f}" if isinstance(said, float) else str(said)
    number, _, bit = text.partition(".")
    return (int(number), int(bit or 0)) if digits(number) and digits(bit or "0") else (-1, 0)


def scaling(properties: Entry, tag: dict[str, Any], report: Report) -> dict[str, Any]:
    """`scale`, `offset` and `mask`. There: mask, shift, base, scale, offset, in this order."""
    scale, offset = properties.number("scale", 1.0), properties.number("offset")
    mask, shift = properties.whole("mask"), properties.whole("shift")
    if properties.number("base"):
        report.lost(properties.place("base"), "a power of a base; the exponent is handed on")
    if mask:
        scale *= 2.0 ** ((mask & -mask).bit_length() - 1 - shift)
    elif shift:
        report.lost(properties.place("shift"), "a shift without a mask; write `mask`")
    properties.skip("assertion")
    found = {"scale": scale} if scale not in (0, 1) and tag.get("type") not in ("bool", "string") else {}
    return found | ({"offset": offset} if offset else {}) | ({"mask": mask} if mask else {})

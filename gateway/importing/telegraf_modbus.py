"""Telegraf's `inputs.modbus`: the styles register, request and metric (configuration_register.go and its neighbours).

Traps: FLOAT32 of the register style is an unsigned integer (UFIXED), that of the others is IEEE; the register style
cuts what is scaled to a whole number unless its type is FIXED or UFIXED; `interval` is 10 s where nothing is said.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.importing import modbus
from gateway.importing.asked import duration, go_seconds
from gateway.importing.foreign import Entry
from gateway.importing.found import Found
from gateway.importing.report import Report

TYPES: Final[dict[str, dict[str, Any]]] = {  # of the styles request and metric, and of benthos-umh
    **{f"{sign}INT{bits}": {"type": f"{sign.lower()}int{bits}"} for sign in ("", "U") for bits in (16, 32, 64)},
    **{f"FLOAT{bits}": {"type": f"float{bits}"} for bits in (16, 32, 64)},
    **{f"{sign}INT8{end[0].upper()}": {"type": f"{sign.lower()}int8", "byte": end} for sign in ("", "U")
       for end in ("low", "high")},
    "BIT": {"type": "bool"},
    "STRING": {"type": "string"},
}  # fmt: skip
ORDERS: Final = {
    "": "ABCD", "AB": "ABCD", "ABCD": "ABCD", "ABCDEFGH": "ABCD", "MSW-BE": "ABCD",
    "BA": "DCBA", "DCBA": "DCBA", "HGFEDCBA": "DCBA", "LSW-LE": "DCBA",
    "BADC": "BADC", "BADCFEHG": "BADC", "MSW-LE": "BADC", "CDAB": "CDAB", "GHEFCDAB": "CDAB", "LSW-BE": "CDAB",
}  # fmt: skip
CUT: Final = "scaled and then cut to a whole number there; here the fraction is kept"
_FIXED: Final = {"FIXED": "int", "UFIXED": "uint", "FLOAT32": "uint"}  # by registers: 1, 2 or 4
_REGISTER_TABLES: Final = {
    "coils": "coil", "discrete_inputs": "discrete", "holding_registers": "holding", "input_registers": "input",
}  # fmt: skip
_CONTROLLER: Final = re.compile(r"(tcp|udp)://(\[[^\]]+\]|[^/:]+):(\d+)/?|file://(/.+)")
_SAME: Final[Mapping[str, str]] = {}
_SCHEMES: Final = {"rtuovertcp": "rtu+tcp", "asciiovertcp": "ascii+tcp"}


class Modbus:
    """One `[[inputs.modbus]]`."""

    def __init__(self, entry: Entry, every: str, report: Report) -> None:
        self._entry, self._every, self._report = entry, every, report
        options = {"every": every, "timeout": go_duration(entry, "timeout"), **workarounds(entry.table("workarounds"))}
        self._units = modbus.Units(entry.text("name", "modbus"), entry.place(), self._where(), options)

    def found(self) -> list[Found]:
        """Its units, a device each."""
        style = self._entry.text("configuration_type", "register")
        if style == "register":
            self._register()
        else:
            for block in self._entry.tables(style if style in ("request", "metric") else "request"):
                self._block(block)
        self._entry.skip("busy_retries", "busy_retries_wait", "debug_connection", "alias", "interval", "log_level")
        self._entry.skip("optimization", "optimization_max_register_fill", "exclude_register_type_tag")
        self._entry.rest()
        return self._units.found()

    def _where(self) -> Callable[[int], str]:
        entry, mode = self._entry, self._entry.text("transmission_mode", "auto").lower()
        text = entry.text("controller")
        parts = _CONTROLLER.fullmatch(text)
        baud, parity, stop = entry.whole("baud_rate", 9600), entry.text("parity", "N"), entry.whole("stop_bits", 1)
        bits = entry.whole("data_bits", 8)
        if parts is None:
            return lambda _: text  # the adapter's table says what is wrong with it
        if parts[4]:
            serial = modbus.Serial(baud, parity, stop, bits if mode == "ascii" else 0)
            return lambda unit: modbus.over_line(parts[4], unit, serial)
        scheme = _SCHEMES.get(mode, parts[1])
        return lambda unit: modbus.over_network(parts[2], int(parts[3]), unit, scheme)

    def _register(self) -> None:
        unit = self._entry.whole("slave_id", 0)
        for key, table in _REGISTER_TABLES.items():
            for field in self._entry.tables(key):
                self._register_field(field, table, unit)
        self._entry.skip("request", "metric")

    def _register_field(self, field: Entry, table: str, unit: int) -> None:
        addresses, name = field.raw("address"), field.text("name")
        if not (isinstance(addresses, list) and addresses and all(type(one) is int for one in addresses)):
            self._report.lost(field.place("address"), "is no list of addresses")
            return
        tag: dict[str, Any] = {"at": f"{table}:{addresses[0]}"}
        said, scale = field.text("data_type"), field.number("scale", 1.0)
        if table in ("holding", "input"):
            tag |= _register_type(said, len(addresses)) | {"order": order_of(field, "byte_order", self._report)}
            tag |= {"scale": scale} if scale not in (0, 1) else {}
            if scale not in (0, 1) and said not in _FIXED and not said.startswith("FLOAT"):
                self._report.changed(field.place("scale"), CUT)
        self._add(field, unit, tag, name, field.text("measurement"))

    def _block(self, block: Entry) -> None:
        """A request or a metric: fields of one unit and one order."""
        unit, table = block.whole("slave_id", 0), block.text("register", "holding")
        order, labels = order_of(block, "byte_order", self._report), self._labels(block)
        measurement = block.text("measurement")
        for field in block.tables("fields"):
            if not field.flag("omit"):
                tag = typed_field(field, field.text("register", table), order, self._report)
                self._add(field, unit, tag | {"description": labels}, field.text("name"),
                          field.text("measurement", measurement))  # fmt: skip
        block.skip("optimization", "optimization_max_register_fill")
        block.rest()

    def _labels(self, block: Entry) -> str:
        labels = block.table("tags")
        text = ", ".join(f"{key}={labels.text(key)}" for key in labels)
        if text:
            self._report.changed(block.place("tags"), "labels stand in the tags' `description` here")
        return text

    def _add(self, field: Entry, unit: int, tag: dict[str, Any], name: str, measurement: str) -> None:
        table = str(tag["at"]).partition(":")[0]
        held = self._units.of(unit).add(field.place(), tag, name, f"{measurement or table}_{name}")
        if measurement not in ("", "modbus"):
            self._report.changed(field.place("measurement"), f"measurement {measurement}: here the tag is {held}")
        field.rest()


def typed_field(field: Entry, table: str, order: str, report: Report) -> dict[str, Any]:
    """The tag of a field of the styles request and metric, and of benthos-umh."""
    said, scale, output = field.text("type"), field.number("scale", 0.0), field.text("output")
    tag: dict[str, Any] = {"at": f"{table}:{field.whole('address')}"}
    bit, length = field.whole("bit"), field.whole("length")
    if table not in ("holding", "input"):
        return tag
    tag |= TYPES.get(said, {"type": said.lower() or "uint16"}) | {"order": order}
    tag |= {"bit": bit} if said == "BIT" else {"length": length} if said == "STRING" else {}
    tag |= {"scale": scale} if scale not in (0, 1) else {}
    if output in ("INT64", "UINT64") and (scale not in (0, 1) or said.startswith("FLOAT")):
        report.changed(field.place("output"), CUT)
    elif output == "UINT64" and said.startswith("INT"):
        report.changed(field.place("output"), "a negative number becomes a huge one there; here it stays negative")
    return tag


def workarounds(entry: Entry, names: Mapping[str, str] = _SAME) -> dict[str, Any]:
    """What some devices need; `names` are those that benthos-umh has for Telegraf's."""

    def called(name: str) -> str:
        return names.get(name, name)

    single, halves = called("one_request_per_field"), called("string_register_location")
    found = {
        "connect_delay": go_duration(entry, called("pause_after_connect")),
        "delay": go_duration(entry, called("pause_between_requests")),
        "connect_each": True if entry.flag(called("close_connection_after_gather")) else None,
        "gap": 0 if entry.flag(single) else None,
    }
    entry.changed(single, "`gap: 0` reads nothing needlessly, but neighbours still share a request")
    entry.lost(called("read_coils_starting_at_zero"), "coils are read from the first that is needed")
    if entry.text(halves) not in ("", "both"):
        entry.lost(halves, "a string has two characters in each register here")
    entry.rest()
    return {key: value for key, value in found.items() if value not in (None, "0s")}


def go_duration(entry: Entry, key: str) -> str | None:
    """An option that is a duration of Go; None where it is not set."""
    seconds = go_seconds(entry.text(key))
    return None if seconds is None else duration(seconds)


def order_of(entry: Entry, key: str, report: Report) -> str:
    """The order that stands there; the most significant byte first unless it does."""
    said = entry.text(key)
    if said not in ORDERS:
        report.lost(entry.place(key), f"order {said} is unknown; ABCD is taken")
    return ORDERS.get(said, "ABCD")


def _register_type(said: str, registers: int) -> dict[str, Any]:
    if said in _FIXED:
        return {"type": f"{_FIXED[said]}{16 * registers}"}
    return TYPES.get(said.removesuffix("-IEEE"), {"type": said.lower()})

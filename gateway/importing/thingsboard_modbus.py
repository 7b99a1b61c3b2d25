"""A slave of ThingsBoard's Modbus connector (bytes_modbus_uplink_converter.py, decoding by pymodbus).

Traps: byteOrder and wordOrder are LITTLE where they are not set; characters of strings and single bytes keep the order
of the wire; `int` and `float` are as wide as objectsCount says; 8int is the first byte of its register.
"""

import re
from typing import Any, Final

from gateway.importing import modbus
from gateway.importing.asked import digits, duration
from gateway.importing.foreign import Entry
from gateway.importing.found import Found
from gateway.importing.report import Report

_LITTLE: Final = "LITTLE"
_READS: Final = (1, 2, 3, 4)
_WIDE: Final = {"int": "int", "long": "int", "integer": "int", "uint": "uint", "float": "float", "double": "float"}
_EXACT: Final = re.compile(r"(16|32|64)(int|uint|float)")
_RANGE: Final = re.compile(r"(\d{1,5})-(\d{1,5})")
_MOST: Final = 1000  # tags that one range may stand for
_BIT: Final = "versions of ThingsBoard count bits of a register differently; here 0 is the least significant"


def slave(entry: Entry, report: Report) -> list[Found]:
    """The device of one slave; none where nothing of it is read."""
    kind, unit = entry.text("type", "tcp").lower(), entry.whole("unitId", 1)
    options = {"connect": _connect(entry, kind, unit), "every": duration(entry.number("pollPeriod", 5000) / 1000)}
    options |= {"timeout": duration(entry.number("timeout", 35)), **_described(entry)}
    found = Found(entry.text("deviceName", f"modbus-{unit}"), "modbus", entry.place(), options)
    orders = entry.text("byteOrder", _LITTLE), entry.text("wordOrder", _LITTLE)
    for section in ("timeseries", "attributes"):
        for point in entry.tables(section):
            _point(point, orders, found, report)
    for section in ("rpc", "attributeUpdates"):
        entry.lost(section, "what may be written is said by `write` of each tag, and nothing is unless it says so")
    _rest(entry)
    return [found]


def _connect(entry: Entry, kind: str, unit: int) -> str:
    method, port, host = entry.text("method"), entry.text("port"), entry.text("host")
    baud, parity = entry.whole("baudrate", 19200), entry.text("parity", "N")
    stop, bits = entry.whole("stopbits", 1), entry.whole("bytesize", 8)
    tls = entry.table("security") or entry.table("tls")
    if kind == "serial":
        line = modbus.Serial(baud, parity, stop, bits if method == "ascii" else 0)
        return modbus.over_line(entry.text("serialPort") or port, unit, line)
    scheme = {"rtu": "rtu+tcp", "ascii": "ascii+tcp"}.get(method, "udp" if kind == "udp" else "tcp")
    if kind == "tls" or tls:
        return modbus.over_network(host, int(port) if digits(port) else 802, unit, "tls") + _certificates(tls)
    return modbus.over_network(host, int(port) if digits(port) else 502, unit, scheme)


def _certificates(tls: Entry) -> str:
    said = {"cert": tls.text("certfile"), "key": tls.text("keyfile"), "name": tls.text("server_hostname")}
    tls.lost("password", "a private key with a password; keep it without, for the gateway alone to read")
    tls.rest()
    return "".join(f"&{key}={value}" for key, value in said.items() if value)


def _described(entry: Entry) -> dict[str, Any]:
    kind = entry.text("deviceType", "default")
    return {} if kind == "default" else {"description": kind}


def _rest(entry: Entry) -> None:
    entry.skip("retries", "retryOnEmpty", "retryOnInvalid", "connectAttemptTimeMs", "connectAttemptCount", "strict")
    entry.skip("waitAfterFailedAttemptsMs", "repack", "serialPort", "handleLocalEcho", "delayBetweenRequestsMs")
    entry.changed("reportStrategy", "what is sent, and when, is said by `telemetry` in fieldgate.yaml")
    entry.changed("sendDataOnlyOnChange", "what is sent, and when, is said by `telemetry` in fieldgate.yaml")
    entry.rest()


def _point(point: Entry, orders: tuple[str, str], found: Found, report: Report) -> None:
    name, function = point.text("tag") or point.text("key"), point.whole("functionCode", 3)
    count = max(1, point.whole("objectsCount") or point.whole("registersCount") or point.whole("registerCount", 1))
    bytes_, words = point.text("byteOrder", orders[0]), point.text("wordOrder", orders[1])
    if function not in _READS:
        report.lost(point.place("functionCode"), f"{name}: function {function} writes")
        return
    order = modbus.order(bytes_swapped=bytes_.upper() != "BIG", words_swapped=words.upper() != "BIG")
    tag = _typed(point, function, count, order, report)
    if tag is not None:
        tag |= _scaled(point, report) | _variants(point)
        for address, called in _places(point, name, count, report):
            found.add(point.place(), {"at": f"{modbus.TABLES[function]}:{address}", **tag}, called)
    point.skip("registersCount", "registerCount", "key", "bitTargetType", "round", "maxRegistersPerRequest")
    point.changed("reportStrategy", "what is sent, and when, is said by `telemetry` in fieldgate.yaml")
    point.rest()


def _places(point: Entry, name: str, count: int, report: Report) -> list[tuple[int, str]]:
    """Address and name of each tag that a point stands for: one, or those of a range."""
    text, overrides = point.text("address"), point.table("tagOverrides")
    if digits(text):
        return [(int(text), name)]
    match = _RANGE.fullmatch(text)
    span = range(int(match[1]), int(match[2]) + 1, count) if match else range(0)
    if not 0 < len(span) <= _MOST:
        report.lost(point.place("address"), f"{text[:20]} is no address, and no range of at most {_MOST}")
        return []
    spelt = name if "${address}" in name else f"{name}_${{address}}"
    known = {"unitId": "", "functionCode": point.text("functionCode"), "type": point.text("type")}
    for key, value in known.items():
        spelt = spelt.replace(f"${{{key}}}", value)
    return [(one, overrides.text(str(one)) or spelt.replace("${address}", str(one))) for one in span]


def _typed(point: Entry, function: int, count: int, order: str, report: Report) -> dict[str, Any] | None:
    """Type and order; None where there is no such thing here, which is told."""
    said, bit = point.text("type", "int").lower(), point.raw("bit")
    if function in (1, 2):
        why = "" if count == 1 and bit is None else "several coils as one value; take a tag for each coil"
        made: dict[str, Any] = {}
    elif said in ("bit", "bits"):
        why = "" if type(bit) is int else "bits of a register without `bit`; take a tag with `bit` for each"
        made = {"type": "bool", "bit": bit, "order": "ABCD"}
        if not why:
            report.changed(point.place("bit"), _BIT)
    else:
        made = _number(said, count, order)
        why = "" if made else f"there is no type {said} here"
    if why:
        report.lost(point.place(), why)
    return None if why else made


def _number(said: str, count: int, order: str) -> dict[str, Any]:
    """A number or a text in `count` registers; empty where there is no such type here."""
    if said in ("8int", "8uint"):
        return {"type": f"{said[1:]}8", "byte": "high", "order": "ABCD"}
    if said == "string":
        return {"type": "string", "length": count, "order": "ABCD"}
    exact = _EXACT.fullmatch(said)
    if exact is None and said not in _WIDE:
        return {}
    return {"type": f"{exact[2]}{exact[1]}" if exact else f"{_WIDE[said]}{16 * count}", "order": order}


def _scaled(point: Entry, report: Report) -> dict[str, Any]:
    divider, multiplier = point.number("divider"), point.number("multiplier")
    if divider and multiplier:
        report.changed(point.place("multiplier"), "beside a divider it counts in some versions only; it is left out")
    scale = 1 / divider if divider else multiplier
    return {"scale": scale} if scale not in (0, 1) else {}


def _variants(point: Entry) -> dict[str, Any]:
    variants = point.table("variants")
    return {"enum": {key: variants.text(key) for key in variants}} if variants else {}

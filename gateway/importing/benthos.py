"""benthos-umh: the inputs `modbus` and `opcua` of a YAML file, also below a broker, and of a UMH bridge.

united-manufacturing-hub/benthos-umh, modbus_plugin and opcua_plugin. Traps: each of slaveIDs has all addresses; types
and orders are those of Telegraf's metric style; a node id may be a folder, which is browsed; security is tried out.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from gateway.importing import modbus, opcua
from gateway.importing.asked import Asked, digits, duration, go_seconds
from gateway.importing.foreign import Entry, Foreign
from gateway.importing.found import Found
from gateway.importing.report import Report
from gateway.importing.telegraf_modbus import order_of, typed_field, workarounds
from gateway.sdk.errors import ConfigError

_SCHEMES: Final = {"TCP": "tcp", "RTUoverTCP": "rtu+tcp", "RTUOverTCP": "rtu+tcp", "ASCIIoverTCP": "ascii+tcp",
                   "ASCIIOverTCP": "ascii+tcp"}  # fmt: skip
_WORK: Final = {
    "pause_after_connect": "pauseAfterConnect", "pause_between_requests": "timeBetweenRequests",
    "one_request_per_field": "oneRequestPerField", "read_coils_starting_at_zero": "readCoilsStartingAtZero",
    "string_register_location": "stringRegisterLocation",
}  # fmt: skip
_SEGMENTS: Final = 4  # name.register.address.TYPE
_BROWSED: Final = "a node id that is a folder is browsed there; here each names a variable: `fieldgate browse`"
_LOGIC: Final = "logic in processors is not carried over; topics are said by `mqtt.topic`, numbers by `scale`"


def read(files: Sequence[Foreign], _asked: Asked, report: Report) -> list[Found]:
    """The devices of all files."""
    found: list[Found] = []
    for file in files:
        top = Entry(file.yaml(), file, report)
        inputs = list(_inputs(top.table("input"), report))
        if not inputs:
            raise ConfigError(f"{file.name}: has neither `input.modbus` nor `input.opcua`")
        for kind, entry in inputs:
            found += _modbus(entry, report) if kind == "modbus" else [_opcua(entry, report)]
        for key in ("pipeline", "buffer"):
            top.lost(key, _LOGIC)
        top.changed("output", "where readings go stands in fieldgate.yaml under `mqtt`")
        top.skip("logger", "metrics", "http", "cache_resources", "shutdown_timeout")
        top.rest()
    return found


def _inputs(entry: Entry, report: Report, depth: int = 0) -> Iterator[tuple[str, Entry]]:
    for kind in ("modbus", "opcua"):
        if kind in entry:
            yield kind, entry.table(kind)
    entry.lost("processors", _LOGIC)
    broker = entry.table("broker")
    for inner in broker.tables("inputs"):
        if depth < 5:  # noqa: PLR2004 - brokers of brokers; nobody nests deeper
            yield from _inputs(inner, report, depth + 1)
    broker.skip("copies", "batching")
    broker.rest()
    entry.skip("label")
    entry.rest()


def _modbus(entry: Entry, report: Report) -> list[Found]:
    host, port = _controller(entry.text("controller", "tcp://localhost:502"))
    mode = entry.text("transmissionMode", "TCP")
    scheme = _SCHEMES.get(mode, mode.lower())
    numbers = [int(one) for one in entry.texts("slaveIDs") if digits(one)] or [entry.whole("slaveID", 1)]
    options = {"every": _duration(entry, "timeBetweenReads", "1s"), "timeout": _duration(entry, "timeout", "1s")}
    units = modbus.Units(
        f"modbus-{host}", entry.place(), lambda unit: modbus.over_network(host, port, unit, scheme),
        options | workarounds(entry.table("workarounds"), _WORK),
    )  # fmt: skip
    order = order_of(entry, "byteOrder", report)
    for field in entry.tables("addresses"):
        tag = typed_field(field, field.text("register", "holding"), order, report)
        _add(units, [field.whole("slaveID")] if "slaveID" in field else numbers, field, tag)
    for number, text in enumerate(entry.texts("unifiedAddresses")):
        _unified(text, entry.place("unifiedAddresses", number), units, (numbers, order), report)
    entry.skip("busyRetries", "busyRetriesWait", "optimization", "optimizationMaxRegisterFill", "slaveID")
    entry.rest()
    return units.found()


def _unified(
    text: str, place: str, units: modbus.Units, meant: tuple[list[int], str], report: Report
) -> None:  # fmt: skip
    """`name.register.address.TYPE:key=value`."""
    head, *pairs = text.split(":")
    parts = head.split(".")
    if len(parts) != _SEGMENTS or not all("=" in pair for pair in pairs if pair):
        report.lost(place, f"{text[:60]} is not written name.register.address.TYPE:key=value")
        return
    said = dict(zip(("name", "register", "address", "type"), parts, strict=True))
    said |= dict(pair.split("=", 1) for pair in pairs if pair)
    field = Entry(said, _Placed(place, b""), report)
    tag = typed_field(field, field.text("register"), meant[1], report)
    _add(units, [field.whole("slaveID")] if "slaveID" in field else meant[0], field, tag)


class _Placed(Foreign):
    """What stands at one place and has no inner structure to point at."""

    def place(self, path: Any = ()) -> str:
        """The place, and the key within."""
        return f"{self.name} {path[-1]}" if path else self.name


def _add(units: modbus.Units, numbers: Sequence[int], field: Entry, tag: dict[str, Any]) -> None:
    for number in numbers:
        units.of(number).add(field.place(), tag, field.text("name"))
    field.rest()


def _controller(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition("//")[2].rstrip("/").rpartition(":")
    return (host, int(port)) if host and digits(port) else (text.rpartition("//")[2], 502)


def _duration(entry: Entry, key: str, default: str) -> str:
    return duration(go_seconds(entry.text(key, default)) or 0.0)


def _opcua(entry: Entry, report: Report) -> Found:
    url = entry.text("endpoint")
    name = opcua.server(url)
    mode, policy = entry.text("securityMode"), entry.text("securityPolicy")
    options: dict[str, Any] = {"connect": url, **opcua.security(mode, policy, entry.place("securityMode"), report)}
    options |= opcua.login(entry.text("username"), name, entry.place("password"), report)
    subscribing = entry.flag("subscribeEnabled")
    every = entry.number("samplingInterval" if subscribing else "pollRate", 1000.0)
    options |= {"every": duration(every / 1000), **({"mode": "subscribe"} if subscribing else {})}
    if subscribing and "queueSize" in entry:
        options["queue"] = entry.whole("queueSize")
    found = Found(name, "opcua", entry.place(), options)
    deadband = max(0.0, entry.number("deadbandValue")) if entry.text("deadbandType") == "absolute" else 0.0
    for number, node in enumerate(entry.texts("nodeIDs")):
        found.add(entry.place("nodeIDs", number), {"node": node, "deadband": deadband or None}, opcua.call(node))
    report.changed(entry.place("nodeIDs"), _BROWSED)
    if entry.text("deadbandType") == "percent":
        entry.lost("deadbandType", "a deadband in percent of the range; write `deadband` in units")
    for key in ("serverCertificateFingerprint", "userCertificate", "userPrivateKey", "clientCertificate"):
        entry.lost(key, "certificates lie in files here: see docs/opcua-security.md")
    entry.changed("useHeartbeat", "the gateway's own metrics tell whether a server is there")
    entry.skip("password", "directConnect", "insecure", "autoReconnect", "reconnectIntervalInSeconds", "sessionTimeout")
    entry.skip("pollRate", "samplingInterval", "queueSize", "profile", "browseHierarchicalReferences", "deadbandValue")
    entry.rest()
    return found

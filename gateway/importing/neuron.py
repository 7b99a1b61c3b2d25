"""EMQX Neuron: the JSON that its API and `Export` give of nodes, groups and tags, and the CSV of a node's tags.

neuron-docs, south-devices/modbus-tcp and opc-ua; emqx/neuron, plugins/modbus. A node is split by the units in its tags.
Traps: addresses count from 1 unless address_base is 0; #L and #LL are the standard order; `decimal` multiplies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.config.problems import Path
from gateway.importing import modbus, opcua
from gateway.importing.asked import Asked, digits, duration
from gateway.importing.foreign import Entry, Foreign
from gateway.importing.found import Found
from gateway.importing.neuron_address import TYPES, modbus_tag, opcua_node, scaled
from gateway.importing.report import Report
from gateway.sdk.errors import ConfigError

_READ, _WRITE, _SUBSCRIBE, _STATIC = 1, 2, 4, 8  # bits of `attribute`
_ORDERS: Final = {1: "ABCD", 2: "BADC", 3: "DCBA", 4: "CDAB"}  # modbus.h, modbus_endianess
_IN_TAG: Final = 6  # steps of a path to a tag: nodes, 0, groups, N, tags, N
_BAUDS: Final = (115200, 57600, 38400, 19200, 9600, 4800, 2400, 1800, 1200, 600, 300, 200, 150)
_PARITIES: Final = ("N", "O", "E")
_MODES: Final = {2: "Sign", 3: "SignAndEncrypt"}  # as OPC UA numbers them
_WORDS: Final = {"read": _READ, "write": _WRITE, "subscribe": _SUBSCRIBE, "static": _STATIC}


def read(files: Sequence[Foreign], asked: Asked, report: Report) -> list[Found]:
    """The devices of all files."""
    found: list[Found] = []
    for file in files:
        source = _sheet(file) if file.name.lower().endswith(".csv") else file
        nodes = source.nodes() if isinstance(source, _Sheet) else source.json()
        top = Entry(nodes if isinstance(nodes, dict) else {"nodes": nodes}, source, report)
        if "nodes" not in top:
            raise ConfigError(f"{file.name}: has no `nodes`: export the nodes as JSON, or a node's tags as CSV")
        found += [device for node in top.tables("nodes") for device in _node(node, asked, report)]
    return found


@dataclass(frozen=True, slots=True)
class _Sheet(Foreign):
    """The CSV of one node's tags; its connection is for the command line."""

    groups: Mapping[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)  # line and row, by group

    def nodes(self) -> dict[str, Any]:
        """As the JSON has it."""
        listed = [{"group": name, "tags": [row for _, row in rows]} for name, rows in self.groups.items()]
        return {"nodes": [{"name": self.name.rpartition("/")[2].rpartition(".")[0], "groups": listed}]}

    def place(self, path: Path = ()) -> str:
        """The line of a tag."""
        if len(path) < _IN_TAG:
            return self.name
        line = list(self.groups.values())[int(path[3])][int(path[5])][0]
        return f"{self.name}:{line}{f': {path[6]}' if path[6:] else ''}"


def _sheet(file: Foreign) -> _Sheet:
    rows = list(file.rows())
    head = [cell.lower() for cell in rows[0][1]] if rows else []
    if not {"name", "address", "type"} <= set(head):
        raise ConfigError(f"{file.name}:1: the first row names the columns, name, address and type among them")
    groups: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for line, cells in rows[1:]:
        row = {key: value for key, value in zip(head, cells, strict=False) if value}
        groups.setdefault(row.pop("group", ""), []).append((line, row))
    return _Sheet(file.name, file.raw, groups)


def _node(node: Entry, asked: Asked, report: Report) -> list[Found]:
    plugin, name = node.text("plugin") or node.text("plugin_name"), node.text("name") or node.text("node")
    params, groups = node.table("params"), node.tables("groups")
    node.skip("type", "state", "running", "tags", "id", "delay")
    node.rest()
    if "opc" in plugin.lower() or (not plugin and (asked.connect or "").startswith("opc.tcp:")):
        return [_opcua(node, name, params, groups, asked, report)]
    if not plugin or "modbus" in plugin.lower():
        return _modbus(node, name, params, groups, asked, report)
    report.lost(node.place(), f"{name}: the plugin {plugin} is not read here")
    return []


def _modbus(
    node: Entry, name: str, params: Entry, groups: Sequence[Entry], asked: Asked, report: Report
) -> list[Found]:
    base, short = params.whole("address_base", 1), _order(params, "endianess", report)
    long = _order(params, "endianess_64", report)
    if long != "ABCD":
        report.changed(params.place("endianess_64"), f"taken as {long} of 64 bits; compare one tag by `fieldgate read`")
    units = modbus.Units(name, node.place(), _where(node, params, asked), _timing(params))
    params.skip("max_retries", "retry_interval", "check_header", "device_degrade", "degrade_cycle", "degrade_time")
    params.skip("transport_mode")
    params.rest()
    for group in groups:
        for tag in group.tables("tags"):
            made = modbus_tag(tag, base, (short, long), report) if _readable(tag, report) else None
            if made is not None:
                _add(tag, units.of(made[0]), made[1], group)
        _close(group)
    return units.found()


def _order(params: Entry, key: str, report: Report) -> str:
    code = params.whole(key, 1)
    if code not in _ORDERS:
        report.lost(params.place(key), f"order {code} is unknown; ABCD is taken")
    return _ORDERS.get(code, "ABCD")


def _where(node: Entry, params: Entry, asked: Asked) -> Callable[[int], str]:
    host, port, device = params.text("host"), params.whole("port", 502), params.text("device")
    serial = params.whole("link", 0 if device and not host else 1) == 0
    baud, parity, stop = params.whole("baud", 4), params.whole("parity"), params.whole("stop") + 1
    listening = params.whole("connection_mode") == 1
    ascii_ = "ascii" in node.text("plugin").lower()
    bits = {2: 7, 3: 8}.get(params.whole("data", 3), 8) if ascii_ else 0
    if serial and device:
        rate = _BAUDS[baud] if 0 <= baud < len(_BAUDS) else baud
        line = modbus.Serial(rate, _PARITIES[parity] if 0 <= parity < len(_PARITIES) else str(parity), stop, bits)
        return lambda unit: modbus.over_line(device, unit, line)
    if not host:
        given = asked.where(node.place())
        return lambda unit: modbus.with_unit(given, unit)
    framed = "ascii+tcp" if ascii_ else "rtu+tcp" if "rtu" in node.text("plugin").lower() else "tcp"
    scheme = "listen" if listening else "udp" if params.whole("transport_mode") == 1 else framed
    return lambda unit: modbus.over_network(host, port, unit, scheme)


def _timing(params: Entry) -> dict[str, Any]:
    delay, backup = params.number("interval"), params.text("backup_host")
    port = params.whole("backup_port", 502)
    return {
        "timeout": duration(params.number("timeout", 3000) / 1000),
        "delay": duration(delay / 1000) if delay else None,
        "backup": f"tcp://{backup}:{port}" if backup else None,
    }


def _opcua(
    node: Entry, name: str, params: Entry, groups: Sequence[Entry], asked: Asked, report: Report
) -> Found:  # fmt: skip
    url = params.text("url") or params.text("endpoint") or asked.where(node.place())
    options: dict[str, Any] = {"connect": url}
    mode = params.whole("security_mode")
    if mode in _MODES:
        options |= opcua.security(_MODES[mode], params.text("security_policy"), params.place("security_mode"), report)
    options |= opcua.login(params.text("username"), name, params.place("password"), report)
    subscribing = params.whole("update_mode") > 0
    options |= {"mode": "subscribe"} if subscribing else {}
    params.changed("cert", opcua.OWN_CERTIFICATE)
    params.changed("certfile", opcua.OWN_CERTIFICATE)
    params.skip("password", "key", "keyfile", "publish_interval", "security_policy", "endpoint")
    params.rest()
    found = Found(name, "opcua", node.place(), options)
    for group in groups:
        for tag in group.tables("tags"):
            where = opcua_node(tag, report) if _readable(tag, report) else ""
            if where:
                _add(tag, found, {"node": where, **scaled(tag)}, group)
        _close(group)
    return found


def _add(tag: Entry, found: Found, made: dict[str, Any], group: Entry) -> None:
    name, groups = tag.text("name"), group.text("group") or group.text("name")
    every = group.number("interval")
    made |= {"description": tag.text("description"), "every": duration(every / 1000) if every else None}
    found.add(tag.place(), made, name, f"{groups}_{name}")
    tag.changed("precision", "rounded there; here the value is handed on as it is")
    tag.skip("id", "value", "unit")
    tag.rest()


def _close(group: Entry) -> None:
    group.skip("name", "group", "interval", "context", "driver", "tag_count")
    group.rest()


def _readable(tag: Entry, report: Report) -> bool:
    text = tag.text("attribute", "1")
    bits = int(text) if digits(text) else sum(_WORDS.get(word, 0) for word in text.lower().replace(",", " ").split())
    if bits & _STATIC:
        report.lost(tag.place(), "a static value, nothing that is read")
    elif not bits & (_READ | _SUBSCRIBE):
        report.lost(tag.place(), "can only be written there; a tag here is read")
    elif bits & _WRITE:
        report.changed(tag.place("attribute"), modbus.WRITES_OFF)
    said = tag.text("type")
    if said.lower() not in TYPES:
        report.lost(tag.place("type"), f"there is no type {said} here")
    return bool(bits & (_READ | _SUBSCRIBE)) and not bits & _STATIC and said.lower() in TYPES

"""Kepware (KEPServerEX): a project saved as JSON, or the CSV of a device's tags.

Modbus TCP/IP Ethernet, Modbus RTU Serial and OPC UA Client; the manuals of these drivers, Device Properties. Traps:
with zero-based addressing, the default, 40001 is 0 on the wire, without it 1; first word low is the default too (CDAB);
bits may count from 1, or from the most significant (Modicon); passwords and certificates are never exported.
A project spells out hundreds of settings with their defaults: only those that bear on what is read are looked at.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.importing import modbus, opcua
from gateway.importing.asked import Asked, digits, duration
from gateway.importing.foreign import Entry, Foreign
from gateway.importing.found import Found
from gateway.importing.kepware_tag import CODES, Flags, Row, modbus_tag, scaling
from gateway.importing.report import Report
from gateway.sdk.errors import ConfigError

_NAME, _SERVER, _UA = "common.ALLTYPES_NAME", "servermain.", "opcuaclient.CHANNEL_"
_TCP, _RTU, _OPCUA = "Modbus TCP/IP Ethernet", "Modbus RTU Serial", "OPC UA Client"
_ID: Final = re.compile(r"<?([^<>]+?)>?\.(\d{1,3})")
_POLICIES: Final = {0: "None", 1: "Basic128Rsa15", 2: "Basic256", 3: "Basic256Sha256"}
_MODES: Final = {0: "None", 1: "None", 2: "Sign", 3: "SignAndEncrypt"}
_FLAGS_UNKNOWN: Final = (
    "the CSV has none of the device's flags: Kepware's defaults are taken (zero-based, first word low); "
    "a project saved as JSON has them"
)
_AS_WRITTEN: Final = "without zero-based addressing 40001 is 1 on the wire; compare one register by `fieldgate read`"
_HEAD: Final = {
    "tag name": "name", "address": "address", "data type": "type", "client access": "access", "scan rate": "rate",
    "scaling": "scaling", "raw low": "raw_low", "raw high": "raw_high", "scaled low": "low", "scaled high": "high",
    "clamp low": "clamp_low", "clamp high": "clamp_high", "eng units": "unit", "description": "description",
    "negate value": "negate",
}  # fmt: skip
_TAG: Final = {
    _NAME: "name", "common.ALLTYPES_DESCRIPTION": "description", "servermain.TAG_ADDRESS": "address",
    "servermain.TAG_DATA_TYPE": "type", "servermain.TAG_READ_WRITE_ACCESS": "access",
    "servermain.TAG_SCAN_RATE_MILLISECONDS": "rate", "servermain.TAG_SCALING_TYPE": "scaling",
    "servermain.TAG_SCALING_RAW_LOW": "raw_low", "servermain.TAG_SCALING_RAW_HIGH": "raw_high",
    "servermain.TAG_SCALING_SCALED_LOW": "low", "servermain.TAG_SCALING_SCALED_HIGH": "high",
    "servermain.TAG_SCALING_CLAMP_LOW": "clamp_low", "servermain.TAG_SCALING_CLAMP_HIGH": "clamp_high",
    "servermain.TAG_SCALING_UNITS": "unit", "servermain.TAG_SCALING_NEGATE_VALUE": "negate",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Device:
    """A device and how the addresses of its tags are meant."""

    found: Found
    flags: Flags


def read(files: Sequence[Foreign], asked: Asked, report: Report) -> list[Found]:
    """The devices of all files."""
    found: list[Found] = []
    for file in files:
        found += [_sheet(file, asked, report)] if file.name.lower().endswith(".csv") else _project(file, asked, report)
    return found


def _sheet(file: Foreign, asked: Asked, report: Report) -> Found:
    rows = list(file.rows())
    head = [_HEAD.get(cell.lower(), "") for cell in rows[0][1]] if rows else []
    if "name" not in head or "address" not in head:
        raise ConfigError(f"{file.name}:1: the first row names the columns: Tag Name, Address, Data Type and others")
    connect, name = asked.where(file.name), file.name.rpartition("/")[2].rpartition(".")[0]
    adapter = "opcua" if connect.startswith("opc.tcp:") else "modbus"
    found = Found(name, adapter, file.name, {"connect": connect})
    if adapter == "modbus":
        report.changed(file.name, _FLAGS_UNKNOWN)
    for line, cells in rows[1:]:
        said = {key: cell for key, cell in zip(head, cells, strict=False) if key and cell}
        _tag(Row(Entry(said, file, report), file.place((line,))), (), _Device(found, Flags()), report)
    return found


def _project(file: Foreign, asked: Asked, report: Report) -> list[Found]:
    top = Entry(file.json(), file, report)
    project = top.table("project")
    if "channels" not in project:
        raise ConfigError(f"{file.name}: has no `project` with `channels`: save the project as JSON, not encrypted")
    return [device for channel in project.tables("channels") for device in _channel(channel, asked, report)]


def _channel(channel: Entry, asked: Asked, report: Report) -> Iterator[Found]:
    driver, name = channel.text(f"{_SERVER}MULTIPLE_TYPES_DEVICE_DRIVER"), channel.text(_NAME)
    makers = {_TCP: _network, _RTU: _serial, _OPCUA: _server}
    if driver not in makers:
        report.lost(channel.place(), f"{name}: the driver {driver or '(none)'} is not read here")
        return
    for device in channel.tables("devices"):
        made = makers[driver](channel, device, asked, report)
        if not device.flag(f"{_SERVER}DEVICE_DATA_COLLECTION", default=True):
            report.changed(device.place(), "data collection is off there; here it is read: leave its file out")
        for path, tag in _tags(device):
            _tag(Row(tag, tag.place(), _TAG), path, made, report)
        yield made.found


def _tags(holder: Entry, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Entry]]:
    for tag in holder.tables("tags"):
        yield path, tag
    for group in holder.tables("tag_groups"):
        yield from _tags(group, (*path, group.text(_NAME)))


def _network(_channel: Entry, device: Entry, asked: Asked, report: Report) -> _Device:
    said, flags = device.text(f"{_SERVER}DEVICE_ID_STRING"), _flags(device, "modbus_ethernet.", report)
    match = _ID.fullmatch(said)
    port = device.whole("modbus_ethernet.DEVICE_ETHERNET_PORT_NUMBER", 502)
    scheme = "udp" if device.whole("modbus_ethernet.DEVICE_ETHERNET_IP_PROTOCOL", 1) == 0 else "tcp"
    connect = modbus.over_network(match[1], port, int(match[2]), scheme) if match else asked.where(device.place())
    return _Device(Found(device.text(_NAME), "modbus", device.place(), {"connect": connect, **_timing(device)}), flags)


def _serial(channel: Entry, device: Entry, asked: Asked, report: Report) -> _Device:
    unit = device.whole(f"{_SERVER}DEVICE_ID_DECIMAL") or device.whole(f"{_SERVER}DEVICE_ID_STRING", 1)
    com = channel.text(f"{_SERVER}CHANNEL_SERIAL_COMMUNICATIONS_COM_ID", "?")
    where = asked.where(f"{channel.place()}: COM{com} is a name of Windows, and")
    flags = _flags(device, "modbus.", report)
    options = {"connect": modbus.with_unit(where, unit), **_timing(device)}
    return _Device(Found(device.text(_NAME), "modbus", device.place(), options), flags)


def _server(channel: Entry, device: Entry, _asked: Asked, report: Report) -> _Device:
    url, name = channel.text(f"{_UA}UA_SERVER_ENDPOINT_URL"), device.text(_NAME)
    policy = _POLICIES.get(channel.whole(f"{_UA}UA_SERVER_SECURITY_POLICY"), "")
    mode = _MODES.get(channel.whole(f"{_UA}UA_SERVER_MESSAGE_MODE", 3), "")
    options: dict[str, Any] = {"connect": url, **opcua.security(mode, policy, channel.place(), report)}
    user = channel.text(f"{_UA}AUTHENTICATION_USERNAME")
    options |= opcua.login(user, name, channel.place(f"{_UA}AUTHENTICATION_PASSWORD"), report)
    if "security" in options:
        report.changed(channel.place(), opcua.OWN_CERTIFICATE)
    return _Device(Found(name, "opcua", device.place(), options | {"mode": "subscribe"}), Flags())


def _flags(device: Entry, prefix: str, report: Report) -> Flags:
    def flag(name: str, *, default: bool) -> bool:
        return device.flag(f"{prefix}DEVICE_{name}", default=default)

    if flag("TREAT_LONGS_AS_DOUBLE_PRECISION_UNSIGNED_DECIMAL", default=False):
        report.lost(device.place(), "32 bits as two registers of four decimal digits each: their tags come out wrong")
    zero_based = flag("ZERO_BASED_ADDRESSING", default=True)
    if not zero_based:
        report.changed(device.place(f"{prefix}DEVICE_ZERO_BASED_ADDRESSING"), _AS_WRITTEN)
    return Flags(
        zero_based=zero_based,
        zero_based_bits=flag("ZERO_BASED_BIT_ADDRESSING", default=True),
        word_low=flag("FIRST_WORD_LOW", default=True),
        dword_low=flag("FIRST_DWORD_LOW", default=True),
        byte_high=flag("MODBUS_BYTE_ORDER", default=True),
        modicon_bits=flag("MODICON_BIT_ORDER", default=False),
    )


def _timing(device: Entry) -> dict[str, Any]:
    timeout = device.number(f"{_SERVER}DEVICE_REQUEST_TIMEOUT_MILLISECONDS")
    delay = device.number(f"{_SERVER}DEVICE_INTER_REQUEST_DELAY_MILLISECONDS")
    found = {"timeout": duration(timeout / 1000)} if timeout else {}
    return found | ({"delay": duration(delay / 1000)} if delay else {})


def _tag(row: Row, path: tuple[str, ...], device: _Device, report: Report) -> None:
    kind = row.text("type")
    kind = CODES.get(int(kind), kind) if digits(kind.removeprefix("-")) else kind
    if device.found.adapter == "modbus":
        made = modbus_tag(row, kind.lower(), device.flags, report)
    else:
        made = {"node": row.text("address")}
    if made is None:
        return
    if row.text("access").replace("/", "").upper() in ("RW", "WO", "1", "2"):
        report.changed(row.place, modbus.WRITES_OFF)
    rate = row.number("rate")
    made |= scaling(row, report) | {"unit": row.text("unit"), "description": row.text("description")}
    made |= {"every": duration(rate / 1000) if rate else None}
    device.found.add(row.place, made, "_".join((*path, row.text("name"))))

"""EdgeX Foundry: device profiles and device lists of device-modbus and device-opc-ua, YAML or JSON.

edgexfoundry/device-modbus-go, internal/driver. Traps: swaps count for 32 bits only; startingAddress 10.1 as a number
is bit 10, in quotes bit 1; minimum and maximum bound what is written; what no autoEvent names is read on demand.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.importing import modbus, opcua
from gateway.importing.asked import Asked, digits, duration, go_seconds
from gateway.importing.edgex_resource import modbus_tag, scaling
from gateway.importing.foreign import Entry, Foreign
from gateway.importing.found import Found
from gateway.importing.report import Report
from gateway.sdk.errors import ConfigError

_BOUNDS: Final = "minimum and maximum bound what is written there; here `range` would clamp what is read"
_ON_DEMAND: Final = "read on demand there, for no autoEvent names it; here with its device's period"
_COMMANDS: Final = "resources are read together by their period; commands are not needed"
_EVERY: Final = 10.0  # s, where no autoEvent says a period


def read(files: Sequence[Foreign], asked: Asked, report: Report) -> list[Found]:
    """The devices of all files; profiles may stand in other files than the devices that use them."""
    tops = [Entry(file.data(), file, report) for file in files]
    profiles = {top.text("name"): top for top in tops if "deviceResources" in top}
    devices = [device for top in tops for device in top.tables("deviceList")]
    if not profiles:
        raise ConfigError(f"{files[0].name}: no file has `deviceResources`: name the profile, and the device list too")
    if not devices:
        return [_alone(name, profile, asked, report) for name, profile in profiles.items()]
    found = [_device(device, profiles, report) for device in devices]
    for profile in profiles.values():
        _close(profile)
    return [device for device in found if device is not None]


def _alone(name: str, profile: Entry, asked: Asked, report: Report) -> Found:
    """A profile without devices: where the device is, the command line says."""
    connect = asked.where(profile.place())
    found = Found(name, "opcua" if connect.startswith("opc.tcp:") else "modbus", profile.place(), {"connect": connect})
    _resources(profile, found, {}, report)
    _close(profile)
    return found


def _device(device: Entry, profiles: Mapping[str, Entry], report: Report) -> Found | None:
    name, profile = device.text("name"), profiles.get(device.text("profileName"))
    where = _where(device.table("protocols"))
    events = {event.text("sourceName"): _interval(event) for event in device.tables("autoEvents")}
    device.skip("labels", "serviceName", "adminState", "operatingState", "location", "tags", "properties")
    if profile is None:
        report.lost(device.place(), f"{name}: the profile {device.text('profileName')} is in none of the files")
        return None
    if where is None:
        report.lost(device.place("protocols"), f"{name}: its protocol is not read here")
        return None
    adapter, options = where
    found = Found(name, adapter, device.place(), options | {"description": device.text("description")})
    _resources(profile, found, events, report)
    device.rest()
    return found


def _interval(event: Entry) -> float:
    event.changed("onChange", "what is sent, and when, is said by `telemetry` in fieldgate.yaml")
    event.skip("onChangeThreshold", "retention")
    event.rest()
    return go_seconds(event.text("interval")) or _EVERY


def _where(protocols: Entry) -> tuple[str, dict[str, Any]] | None:
    """Adapter, and the options that say where the device is."""
    tcp, rtu, server = protocols.table("modbus-tcp"), protocols.table("modbus-rtu"), protocols.table("opcua")
    if server:
        return "opcua", {"connect": server.text("Endpoint")}
    entry = tcp or rtu
    if not entry:
        return None
    unit, address = entry.whole("UnitID", 1), entry.text("Address")
    if tcp:
        connect = modbus.over_network(address, tcp.whole("Port", 502), unit)
    else:
        line = modbus.Serial(rtu.whole("BaudRate", 9600), rtu.text("Parity", "N"), rtu.whole("StopBits", 1))
        connect = modbus.over_line(address, unit, line)
    timeout = entry.number("Timeout", 5)
    entry.skip("IdleTimeout", "DataBits")
    entry.rest()
    return "modbus", {"connect": connect, "timeout": duration(timeout)}


def _resources(profile: Entry, found: Found, events: Mapping[str, float], report: Report) -> None:
    commands = {one.text("name"): one for one in profile.tables("deviceCommands")}
    periods, texts = dict(events), _mappings(commands.values())
    for name, command in commands.items():
        if name in events:
            periods |= {one.text("deviceResource"): events[name] for one in command.tables("resourceOperations")}
    default = min(events.values(), default=_EVERY)
    for resource in profile.tables("deviceResources"):
        _resource(resource, found, periods, texts, report)
        if resource.text("name") not in periods:
            report.changed(resource.place(), _ON_DEMAND)
    found.options["every"] = duration(default)


def _mappings(commands: Any) -> dict[str, dict[str, str]]:
    """The texts of numbers, by resource; those of true and false are none."""
    found: dict[str, dict[str, str]] = {}
    for command in commands:
        for one in command.tables("resourceOperations"):
            table = one.table("mappings")
            pairs = {key: table.text(key) for key in table}
            if pairs and all(digits(key.removeprefix("-")) for key in pairs):
                found.setdefault(one.text("deviceResource"), pairs)
    return found


def _resource(
    resource: Entry, found: Found, periods: Mapping[str, float], texts: Mapping[str, dict[str, str]], report: Report
) -> None:
    name, attributes = resource.text("name"), resource.table("attributes")
    properties = resource.table("properties")
    access = properties.text("readWrite", "R").upper()
    if "R" not in access:
        report.lost(resource.place(), f"{name}: can only be written there; a tag here is read")
        return
    made = _node(attributes, report) if found.adapter == "opcua" else modbus_tag(attributes, properties, report)
    if made is None:
        return
    if "W" in access:
        report.changed(properties.place("readWrite"), modbus.WRITES_OFF)
    if "minimum" in properties or "maximum" in properties:
        report.changed(properties.place("minimum"), _BOUNDS)
    every = periods.get(name)
    made |= scaling(properties, made, report) | {"unit": properties.text("units")}
    made |= {"description": resource.text("description"), "every": duration(every) if every else None}
    if name in texts:
        made["enum"] = texts[name]
        report.changed(resource.place(), "mappings of a command become the texts of the tag's numbers")
    found.add(resource.place(), made, name)
    properties.skip("minimum", "maximum", "defaultValue", "mediaType", "optional")
    resource.skip("isHidden", "tag", "tags")
    for entry in (attributes, properties, resource):
        entry.rest()


def _node(attributes: Entry, report: Report) -> dict[str, Any] | None:
    node = attributes.text("nodeId")
    if not node:
        report.lost(attributes.place(), "no nodeId: methods are not called")
        return None
    return {"node": node if "=" in node else opcua.node("", node)}


def _close(profile: Entry) -> None:
    profile.skip("manufacturer", "model", "labels", "description", "apiVersion", "id", "name", "deviceCommands")
    profile.changed("deviceCommands", _COMMANDS)
    profile.skip("deviceResources")
    profile.rest()

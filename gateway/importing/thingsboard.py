"""ThingsBoard Gateway: modbus.json and opcua.json of its connectors, in the present form and the one before 3.0.

thingsboard/thingsboard-gateway, connectors/modbus and connectors/opcua.
"""

from collections.abc import Sequence

from gateway.importing.asked import Asked
from gateway.importing.foreign import Entry, Foreign
from gateway.importing.found import Found
from gateway.importing.report import Report
from gateway.importing.thingsboard_modbus import slave
from gateway.importing.thingsboard_opcua import server
from gateway.sdk.errors import ConfigError

_SHARED = ("host", "port", "type", "method", "timeout", "byteOrder", "wordOrder", "baudrate")


def read(files: Sequence[Foreign], asked: Asked, report: Report) -> list[Found]:
    """The devices of all files."""
    return [device for file in files for device in _file(file, asked, report)]


def _file(file: Foreign, asked: Asked, report: Report) -> list[Found]:
    data = file.json()
    top = Entry(data, file, report)
    if "master" in top:
        return _modbus(top, report)
    if "mapping" in top or "url" in top.table("server") or "mapping" in top.table("server"):
        return server(top, asked, report)
    if "devices" in top.table("server"):
        return _modbus(Entry(_modern(data), file, report), report)
    raise ConfigError(f"{file.name}: neither `master` nor `server` is in it: it is no modbus.json and no opcua.json")


def _modbus(top: Entry, report: Report) -> list[Found]:
    slaves = top.table("master").tables("slaves")
    top.lost("slave", "the gateway as a Modbus device of others")
    top.skip("name", "id", "logLevel", "enableRemoteLogging", "type")
    top.rest()
    return [device for one in slaves for device in slave(one, report)]


def _modern(data: dict[str, object]) -> dict[str, object]:
    """The older form, `server` with `devices`, as its own adapter turns it into the present one."""
    server_ = data["server"]
    assert isinstance(server_, dict)  # noqa: S101 - the caller has looked
    shared = {key: server_[key] for key in _SHARED if key in server_}
    devices = [one for one in server_["devices"] if isinstance(one, dict)]
    slaves = [{**shared, **_paced(one)} for one in devices]
    return {"master": {"slaves": slaves}, **{key: value for key, value in data.items() if key != "server"}}


def _paced(device: dict[str, object]) -> dict[str, object]:
    """The older form has a period for each section; that of timeseries counts."""
    period = device.get("timeseriesPollPeriod", device.get("pollPeriod"))
    return {key: value for key, value in device.items() if not key.endswith("PollPeriod")} | {"pollPeriod": period}

"""Telegraf: `inputs.modbus` in its three styles, `inputs.opcua` and `inputs.opcua_listener`.

influxdata/telegraf, plugins/inputs/modbus, opcua, opcua_listener. What else a Telegraf does is not a gateway's work.
"""

from collections.abc import Sequence
from typing import Final

from gateway.importing.asked import Asked, duration, go_seconds
from gateway.importing.foreign import Entry, Foreign
from gateway.importing.found import Found
from gateway.importing.report import Report
from gateway.importing.telegraf_modbus import Modbus
from gateway.importing.telegraf_opcua import server

EVERY: Final = 10.0  # s; `interval` of the agent where it is not set
_ELSEWHERE: Final = "where readings go, and in what form, stands in fieldgate.yaml under `mqtt`"


def read(files: Sequence[Foreign], _asked: Asked, report: Report) -> list[Found]:
    """The devices of all files."""
    return [device for file in files for device in _file(file, report)]


def _file(file: Foreign, report: Report) -> list[Found]:
    top = Entry(file.toml(), file, report)
    agent, inputs = top.table("agent"), top.table("inputs")
    every = _interval(agent, EVERY)
    found: list[Found] = []
    for one in inputs.tables("modbus"):
        found += Modbus(one, duration(_interval(one, every)), report).found()
    for one in inputs.tables("opcua"):
        found.append(server(one, {"every": duration(_interval(one, every))}, report))
    for one in inputs.tables("opcua_listener"):
        pace = go_seconds(one.text("subscription_interval", "100ms")) or every
        found.append(server(one, {"every": duration(pace), "mode": "subscribe"}, report))
    _others(top, inputs)
    return found


def _interval(entry: Entry, default: float) -> float:
    return go_seconds(entry.text("interval", "")) or default


def _others(top: Entry, inputs: Entry) -> None:
    for key in inputs:
        if key not in ("modbus", "opcua", "opcua_listener"):
            inputs.lost(key, f"inputs.{key} is not read here")
    top.skip("agent")
    top.lost("outputs", _ELSEWHERE)
    top.lost("global_tags", "labels have no place here; the names of gateway and device tell where a reading is from")
    top.rest()

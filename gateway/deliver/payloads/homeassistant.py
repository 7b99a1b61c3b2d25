"""Home Assistant's MQTT discovery: each tag a sensor, each asset a binary sensor that says whether it has a problem.

Said on each connection, retained, with QoS 0: whatever its number, it takes no room in the window.
https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import orjson

from gateway.deliver.event import Class
from gateway.deliver.payloads.flat import topic_name
from gateway.deliver.topics import Topics
from gateway.deliver.voice import Frame
from gateway.sdk.tags import TagTable

# Only units that mean one thing: °C is a temperature, but % may be anything.
DEVICE_CLASSES: Final = {
    "°C": "temperature", "°F": "temperature", "K": "temperature", "bar": "pressure", "mbar": "pressure",
    "Pa": "pressure", "kPa": "pressure", "hPa": "pressure", "psi": "pressure", "V": "voltage", "mV": "voltage",
    "A": "current", "mA": "current", "W": "power", "kW": "power", "MW": "power", "kWh": "energy", "MWh": "energy",
    "Hz": "frequency", "m³/h": "volume_flow_rate", "L/min": "volume_flow_rate", "kg": "weight", "var": "reactive_power",
    "VA": "apparent_power", "m/s": "speed", "km/h": "speed", "lx": "illuminance", "dB": "sound_pressure",
}  # fmt: skip
_ACTIVE: Final = "{{ 'ON' if value_json.state.startswith('active') else 'OFF' }}"
_ONLINE: Final = "{{ value_json.state }}"
_VALUE: Final = "{{ value_json.value if value_json.quality != 'bad' else None }}"


def discovery(
    prefix: str, gateway: str, topics: Topics, table: TagTable, assets: Sequence[str], unit: Callable[[int], str]
) -> list[Frame]:
    """What is said of every tag and asset; `unit` gives that of a row."""
    of: Callable[[Class, str], str] = topics.of
    status = {
        "availability_topic": topics.status,
        "availability_template": _ONLINE,
        "device": {"identifiers": [f"fieldgate-{gateway}"], "name": gateway, "manufacturer": "Fieldgate"},
    }
    return [
        Frame(f"{prefix}/{kind}/fieldgate-{gateway}/{place}/config", orjson.dumps(status | content), qos=0, retain=True)
        for kind, place, content in (*_sensors(gateway, of, table, unit), *_problems(gateway, of, assets))
    ]


def _sensors(
    gateway: str, of: Callable[[Class, str], str], table: TagTable, unit_of: Callable[[int], str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for row, name in enumerate(table.names):
        unit = unit_of(row)
        place = name.replace(".", "_", 1)
        content: dict[str, Any] = {
            "name": name,
            "unique_id": f"fieldgate-{gateway}-{place}",
            "state_topic": of(Class.TELEMETRY, topic_name(name)),
            "value_template": _VALUE,
        }
        if unit:
            content |= {"unit_of_measurement": unit, "state_class": "measurement"}
        if unit in DEVICE_CLASSES:
            content["device_class"] = DEVICE_CLASSES[unit]
        if content.get("device_class") == "energy":
            content["state_class"] = "total"  # Home Assistant takes no other of an energy
        yield "sensor", place, content


def _problems(
    gateway: str, of: Callable[[Class, str], str], assets: Sequence[str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for asset in assets:
        yield "binary_sensor", f"asset_{asset}", {
            "name": asset,
            "unique_id": f"fieldgate-{gateway}-asset-{asset}",
            "state_topic": of(Class.ALARM, asset),
            "value_template": _ACTIVE,
            "device_class": "problem",
        }  # fmt: skip

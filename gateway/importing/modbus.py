"""What the Modbus peers share: where a unit answers, the order of bytes, and units that stand behind one address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.importing.found import Found

PARITIES: Final = {"N": "N", "NONE": "N", "0": "N", "O": "O", "ODD": "O", "1": "O", "E": "E", "EVEN": "E", "2": "E"}
TABLES: Final = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}  # by function code (V1.1b3 §6)
AREAS: Final = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}  # by first digit (Modicon notation)
_ORDERS: Final = {(False, False): "ABCD", (False, True): "CDAB", (True, False): "BADC", (True, True): "DCBA"}
WRITES_OFF: Final = "could be written there; here nothing is written until `write` of the tag says what, and by whom"


def order(*, bytes_swapped: bool, words_swapped: bool) -> str:
    """The word for two facts: low byte first in each register, low register first."""
    return _ORDERS[bytes_swapped, words_swapped]


def over_network(host: str, port: int, unit: int, scheme: str = "tcp") -> str:
    """`connect` of a unit that answers on the network."""
    where = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{scheme}://{where}:{port}?unit={unit}"


@dataclass(frozen=True, slots=True)
class Serial:
    """How a serial line is set; `ascii_bits` are the data bits of ASCII, 0 is RTU."""

    baud: int = 9600
    parity: str = "N"
    stop: int = 1
    ascii_bits: int = 0


def over_line(device: str, unit: int, line: Serial) -> str:
    """`connect` of a unit on a serial line."""
    said = f"baud={line.baud}&parity={PARITIES.get(line.parity.upper(), line.parity)}&stop={line.stop}&unit={unit}"
    return f"ascii://{device}?bits={line.ascii_bits}&{said}" if line.ascii_bits else f"rtu://{device}?{said}"


def with_unit(connect: str, unit: int) -> str:
    """`connect` as a person gave it, for one of the units behind it."""
    if "unit=" in connect:
        return connect
    return f"{connect}{'&' if '?' in connect else '?'}unit={unit}"


class Units:
    """The units of one foreign connection: a device each, called after the connection and its unit."""

    def __init__(self, name: str, place: str, connect: Callable[[int], str], options: Mapping[str, Any]) -> None:
        self._name, self._place, self._connect = name, place, connect
        self._options = {key: value for key, value in options.items() if value is not None}
        self._units: dict[int, Found] = {}

    def of(self, unit: int) -> Found:
        """The device of a unit."""
        if unit not in self._units:
            options = {"connect": self._connect(unit), **self._options}
            self._units[unit] = Found(self._name, "modbus", self._place, options)
        return self._units[unit]

    def found(self) -> list[Found]:
        """All devices that have a tag."""
        devices = {unit: device for unit, device in self._units.items() if device.tags}
        if len(devices) > 1:
            for unit, device in devices.items():
                device.name = f"{self._name}-{unit}"
        return list(devices.values())

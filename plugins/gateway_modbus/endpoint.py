"""Where a device answers, as people write it: `tcp://host:port?unit=N`, `rtu:///dev/ttyUSB0?baud=9600` and others."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, Self, get_args
from urllib.parse import parse_qsl

from gateway_modbus.addresses import LAST

PORT: Final = 502
SECURE_PORT: Final = 802  # MODBUS/TCP Security Protocol Specification v2.1 §5
LAST_UNIT: Final = 255  # one byte on the wire
LAST_SERIAL_UNIT: Final = 247  # MODBUS over Serial Line V1.02 §2.2; 0 is a broadcast, which nobody answers

Scheme = Literal["tcp", "tls", "udp", "rtu+tcp", "ascii+tcp", "listen", "rtu", "ascii"]
Parity = Literal["N", "E", "O"]

_SCHEMES: Final = "|".join(re.escape(scheme) for scheme in get_args(Scheme))
_CONNECT: Final = re.compile(rf"(?P<scheme>{_SCHEMES})://(?P<place>[^?#\s]+)(\?(?P<query>.*))?")
_HOST: Final = re.compile(r"(?P<host>\[[^\]\s]+\]|[^/:@\[\]\s]+)(:(?P<port>\d{1,9}))?/?")
_DEVICE: Final = re.compile(r"/[^\s]*[^/\s]")
_REMEDY: Final = "write tcp://host, tcp://host:502 or tcp://host:502?unit=1"
_SERIAL_REMEDY: Final = "write rtu:///dev/serial/by-id/NAME?baud=9600&parity=N&stop=1&unit=1"
_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "rtu": ("baud", "parity", "stop"),
        "ascii": ("baud", "parity", "stop", "bits"),
        "tls": ("ca", "cert", "key", "name"),
        "listen": ("peer",),
    }
)
_ONE_OF: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"parity": get_args(Parity), "stop": ("1", "2"), "bits": ("7", "8")}
)


@dataclass(frozen=True, slots=True)
class Serial:
    """How a serial line is set. Data bits: 8 for RTU, 7 for ASCII unless told (MODBUS over Serial Line V1.02 §2.5)."""

    baud: int = 9600
    parity: Parity = "N"
    stop: int = 1
    bits: int = 8

    @property
    def byte_time(self) -> float:
        """Seconds that one byte takes: start bit, data, parity, stop."""
        return (1 + self.bits + (self.parity != "N") + self.stop) / self.baud


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a device answers.

    Attributes:
        host: name or address; of a serial line the path of its device; for `listen` where to listen.
        port: TCP or UDP port; 0 for a serial line.
        unit: the unit behind it.
        scheme: how it is spoken to.
        serial: how a serial line is set.
        options: ca, cert, key, name of `tls`; peer of `listen`.
    """

    host: str
    port: int
    unit: int
    scheme: Scheme = "tcp"
    serial: Serial = Serial()
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take `connect` apart. Raises ValueError with the remedy."""
        match = _CONNECT.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r}: {_SERIAL_REMEDY if text.startswith(('rtu:', 'ascii:')) else _REMEDY}")
        scheme: Scheme = match["scheme"]  # type: ignore[assignment] # the expression lets nothing else through
        query = _query(text, scheme, match["query"] or "")
        host, port = _place(text, scheme, match["place"])
        serial = _serial(text, scheme, query) if port == 0 else Serial()
        unit = _unit(text, scheme, query.pop("unit", "1"))
        return cls(host, port, unit, scheme, serial, MappingProxyType(query))

    @property
    def line(self) -> str:
        """What is opened for it: units with the same line share one connection."""
        if self.port == 0:
            return self.host
        where = f"{self.host}:{self.port}"
        peer = self.options.get("peer")
        plain = where if self.scheme == "tcp" else f"{self.scheme}://{where}"
        return f"{plain}?peer={peer}" if peer else plain


def _query(text: str, scheme: Scheme, query: str) -> dict[str, str]:
    known = ("unit", *_OPTIONS.get(scheme, ()))
    given = dict(parse_qsl(query, keep_blank_values=True))
    strange = [name for name in given if name not in known]
    if strange:
        may = "only unit=N" if len(known) == 1 else ", ".join(known)
        raise ValueError(f"{text!r}: {', '.join(strange)} is not known here; {may} may follow the question mark")
    for name, values in _ONE_OF.items():
        if given.get(name, values[0]) not in values:
            raise ValueError(f"{text!r}: {name} is one of {', '.join(values)}")
    return given


def _place(text: str, scheme: Scheme, place: str) -> tuple[str, int]:
    """(host, port), or (path of the device, 0)."""
    if scheme in ("rtu", "ascii"):
        if not _DEVICE.fullmatch(place):
            raise ValueError(f"{text!r}: {_SERIAL_REMEDY}")
        return place, 0
    match = _HOST.fullmatch(place)
    if match is None:
        raise ValueError(f"{text!r}: {_REMEDY.replace('tcp:', scheme + ':')}")
    port = int(match["port"] or (SECURE_PORT if scheme == "tls" else PORT))
    if not 1 <= port <= LAST:
        raise ValueError(f"{text!r}: the port is a number from 1 to {LAST}")
    return match["host"].strip("[]"), port


def _serial(text: str, scheme: Scheme, query: dict[str, str]) -> Serial:
    baud = query.pop("baud", "9600")
    if not baud.isdecimal() or int(baud) == 0:
        raise ValueError(f"{text!r}: baud is a number as in 9600 or 115200")
    bits = "7" if scheme == "ascii" else "8"
    parity: Parity = query.pop("parity", "N")  # type: ignore[assignment] # `_query` has looked at it
    return Serial(int(baud), parity, int(query.pop("stop", "1")), int(query.pop("bits", bits)))


def _unit(text: str, scheme: Scheme, unit: str) -> int:
    first, last = (1, LAST_SERIAL_UNIT) if scheme in ("rtu", "ascii", "rtu+tcp", "ascii+tcp") else (0, LAST_UNIT)
    if not unit.isdecimal() or not first <= int(unit) <= last:
        raise ValueError(f"{text!r}: the unit is a number from {first} to {last}")
    return int(unit)

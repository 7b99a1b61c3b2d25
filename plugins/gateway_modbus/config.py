"""What a person may write for a Modbus device and its tags."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Self
from urllib.parse import parse_qsl

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, field_validator, model_validator

from gateway.sdk import Delay, DeviceConfig, Duration, Name
from gateway_modbus.addresses import LAST, Stretch
from gateway_modbus.coding import Order
from gateway_modbus.tag import ModbusTag

PORT: Final = 502
LAST_UNIT: Final = 255  # one byte on the wire
Hole = Annotated[
    Stretch,
    BeforeValidator(Stretch.parse),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["holding:120-129", "input:7"]}),
]
_CONNECT: Final = re.compile(r"tcp://(?P<host>\[[^\]\s]+\]|[^/:@?#\[\]\s]+)(:(?P<port>\d{1,9}))?/?(\?(?P<query>.*))?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a device answers: host, port, and the unit behind them."""

    host: str
    port: int
    unit: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `tcp://host[:port][?unit=N]`. Raises ValueError with the remedy."""
        match = _CONNECT.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r}: write tcp://host, tcp://host:502 or tcp://host:502?unit=1")
        query = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
        unit, port = query.pop("unit", "1"), int(match["port"] or PORT)
        if query:
            raise ValueError(
                f"{text!r}: {', '.join(query)} is not known here; only unit=N may follow the question mark"
            )
        if not unit.isdecimal() or int(unit) > LAST_UNIT:
            raise ValueError(f"{text!r}: the unit is a number from 0 to {LAST_UNIT}")
        if not 1 <= port <= LAST:
            raise ValueError(f"{text!r}: the port is a number from 1 to {LAST}")
        return cls(match["host"].strip("[]"), port, int(unit))


class ModbusDevice(DeviceConfig):
    """A Modbus device: one unit, alone or behind a gateway that it shares with others."""

    connect: str
    """Where it answers: tcp://host:port?unit=N; port 502 and unit 1 unless given."""
    order: Order = "ABCD"
    """Order of the bytes of values on the wire, A the most significant: ABCD, CDAB, BADC or DCBA."""
    timeout: Duration = 1.0
    """How long an answer may take, and the opening of the connection."""
    max_registers: int = Field(default=125, ge=1, le=125)
    """Registers that one request may ask for; some devices allow fewer than the standard's 125."""
    max_coils: int = Field(default=2000, ge=1, le=2000)
    """Coils or discrete inputs that one request may ask for."""
    gap: int = Field(default=16, ge=0, le=124)
    """Registers, or groups of 16 coils, between two tags that may be read needlessly to save a request; 0 is none."""
    holes: Sequence[Hole] = Field(default=[])
    """Addresses that are never asked for, as in ["holding:120-129"]; no request reads across one."""
    delay: Delay = 0.0
    """Pause on the line before each request to this unit, after the last answer of any unit."""
    tags: Mapping[Name, ModbusTag] = Field(min_length=1)
    """The tags, by name."""

    @field_validator("connect")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        Endpoint.parse(value)
        return value

    @model_validator(mode="after")
    def _outside_holes(self) -> Self:
        for name, tag in self.tags.items():
            for hole in self.holes:
                if hole.meets(tag.at.table, tag.at.number, tag.at.number + tag.span):
                    raise ValueError(f"holes: {hole} takes {name} at {tag.at} away; take one of them out")
        return self

    @model_validator(mode="after")
    def _within_limits(self) -> Self:
        long = [name for name, tag in self.tags.items() if tag.span > self.max_registers]
        if long:
            raise ValueError(f"max_registers: {self.max_registers} is less than {', '.join(long)} needs; raise it")
        return self

    @property
    def endpoint(self) -> Endpoint:
        """`connect`, taken apart."""
        return Endpoint.parse(self.connect)

    def connection(self) -> str:
        """Units on one host and port share one connection: `host:port`."""
        return f"{self.endpoint.host}:{self.endpoint.port}"

    def wire_addresses(self) -> dict[str, str]:
        """What `check` shows of each tag: its address on the wire, by name."""
        return {name: tag.at.wire for name, tag in self.tags.items()}

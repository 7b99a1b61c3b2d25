"""What a person may write for a Modbus device and its tags."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, field_validator, model_validator

from gateway.sdk import Delay, DeviceConfig, Duration, Name
from gateway_modbus.addresses import Stretch
from gateway_modbus.coding import Order
from gateway_modbus.endpoint import Endpoint
from gateway_modbus.tag import ModbusTag

Hole = Annotated[
    Stretch,
    BeforeValidator(Stretch.parse),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["holding:120-129", "input:7"]}),
]


class ModbusDevice(DeviceConfig):
    """A Modbus device: one unit, alone or behind a gateway that it shares with others."""

    connect: str
    """Where it answers: tcp://host:port?unit=N, or tls, udp, rtu+tcp, ascii+tcp, rtu, ascii, listen; see the README."""
    backup: str | None = None
    """Where it answers as well, tried when `connect` does not answer; its unit is that of `connect`."""
    connect_each: bool = False
    """Open the connection for each poll and close it behind: for devices that have only one, and others need it too."""
    connect_delay: Delay = 0.0
    """Pause between the opening of the connection and the first request."""
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

    @field_validator("backup")
    @classmethod
    def _reserve(cls, value: str | None) -> str | None:
        if value is not None and Endpoint.parse(value).scheme == "listen":
            raise ValueError(f"{value!r}: a backup is somewhere to connect to, it cannot listen")
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
        """Units on one host and port, or on one serial line, share one connection."""
        return self.endpoint.line

    def wire_addresses(self) -> dict[str, str]:
        """What `check` shows of each tag: its address on the wire, by name."""
        return {name: tag.at.wire for name, tag in self.tags.items()}

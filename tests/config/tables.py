"""Two adapters' tables as plugins have them, and one plugin that cannot be used."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from gateway.config.broker import AsPath
from gateway.config.problems import PluginError
from gateway.sdk.config import DeviceConfig, Duration, Name, Table, TagConfig


class PumpTag(TagConfig):
    """A register."""

    at: int = Field(ge=0, le=65535)
    """Address."""
    type: Literal["int16", "float32", "uint16"] = "int16"
    """Type of the value."""

    def describe(self) -> str:
        """The address on the wire."""
        return f"register 0x{self.at:04X}"


class PumpConfig(DeviceConfig):
    """A line of registers."""

    connect: str
    """tcp://host:port"""
    order: Literal["ABCD", "CDAB"] = "ABCD"
    """Order of the bytes."""
    timeout: Duration = 1.0
    """Time for one answer."""
    tags: Annotated[Mapping[Name, PumpTag], Field(min_length=1)]
    """The tags, by name."""

    @field_validator("connect")
    @classmethod
    def _address(cls, value: str) -> str:
        if not value.startswith("tcp://"):
            raise ValueError(f"'{value}' is no address; write tcp://host:port")
        if value == "tcp://bug":
            raise ZeroDivisionError("a bug of the plugin")
        return value

    def connection(self) -> str:
        """One per address."""
        return self.connect


class NodeTag(TagConfig):
    """A node."""

    node: str
    """Standard text of the node id."""


class Login(Table):
    """Who we are to the server."""

    user: str
    """Name."""
    phrase: SecretStr
    """Password; a reference."""


class ServerConfig(DeviceConfig):
    """A server with a log-in, and keys of its own."""

    url: str
    """opc.tcp://host:port"""
    login: Login | None = None
    """Log-in; nobody unless set."""
    keys: dict[str, SecretStr] = Field(default_factory=dict)
    """More secrets, by name."""
    trust: list[AsPath] = Field(default_factory=list)
    """Certificates that are trusted."""
    tags: Annotated[Mapping[Name, NodeTag], Field(min_length=1)]
    """The tags, by name."""


class Models(Mapping[str, type[DeviceConfig]]):
    """What a registry hands to `load`."""

    def __init__(self) -> None:
        self.tables: dict[str, type[DeviceConfig]] = {"pump": PumpConfig, "server": ServerConfig}
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> type[DeviceConfig]:
        self.asked.append(name)
        if name == "broken":
            raise PluginError("broken", "fieldgate-broken", "ImportError: no module named 'vendor'")
        return self.tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self.tables, "broken"])

    def __len__(self) -> int:
        return len(self.tables) + 1

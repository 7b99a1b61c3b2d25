"""What a person may write for an OPC UA device."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway.sdk import Delay, Duration, Name, TagConfig
from gateway_opcua import browsepath, nodeid
from gateway_opcua.eventful import EventfulDevice, node_id
from gateway_opcua.secured import several

DEFAULT_PORT = 4840  # registered with IANA for opc.tcp


def _endpoint(url: str) -> str:
    """`opc.tcp://host[:port][/path]`, with the port spelt out."""
    if url != url.strip() or any(c.isspace() for c in url):
        raise ValueError("a URL has no spaces in it")
    parts = urlsplit(url)
    if parts.scheme != "opc.tcp" or not parts.hostname:
        raise ValueError("an OPC UA server is written opc.tcp://host:port or opc.tcp://host:port/path")
    if "@" in parts.netloc:
        raise ValueError("user and password do not belong in the URL: use user: and password: !secret name")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"opc.tcp://{host}:{parts.port or DEFAULT_PORT}{parts.path}"


Uncertain = Literal["keep", "good", "bad"]
Mode = Literal["read", "subscribe"]
Endpoint = Annotated[str, AfterValidator(_endpoint)]


def _path(text: str) -> str:
    browsepath.parse(text)
    return text


class OpcuaTag(TagConfig):
    """One variable of an OPC UA server."""

    node: Annotated[str, AfterValidator(node_id)] | None = None
    """Node id in the standard form: ns=2;s=Heater.Temp, ns=2;i=1001, nsu=http://maker/line;s=Heater.Temp, i=2258."""
    path: Annotated[str, AfterValidator(_path)] | None = None
    """In place of node: the way from the root folder, /Objects/2:Boiler/Temp or /Objects/nsu=http://maker/line;Boiler/Temp."""
    mode: Mode | None = None
    """read or subscribe; as the device unless set."""
    sample: Delay | None = None
    """subscribe: how often the server looks at it; 0s: at every change; the period unless set."""
    queue: int | None = Field(default=None, ge=1, le=10_000)
    """subscribe: values that the server keeps between two messages; those of the device unless set."""
    keep: Literal["newest", "oldest"] = "newest"
    """subscribe: which values stay when the queue runs over."""
    trigger: Literal["status", "value", "timestamp"] = "value"
    """subscribe: what makes a change: status only, status or value, or the source time too."""
    deadband_percent: float = Field(default=0.0, ge=0, le=100)
    """subscribe: a change of this share of the server's EURange or less is not sent by the server."""
    deadband_absolute: float = Field(default=0.0, ge=0)
    """subscribe: a change of this much or less, in the server's own unit before scale, is not sent by the server."""

    uncertain: Uncertain | None = None
    """What becomes of values that the server calls uncertain; as of the device unless set."""

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        if (self.node is None) == (self.path is None):
            raise ValueError("a tag has either a node or a path")
        if self.deadband_percent and self.deadband_absolute:
            raise ValueError("deadband_percent and deadband_absolute are two ways to say it: one is enough")
        return self

    def describe(self) -> str:
        """What is read, for `fieldgate check --verbose`."""
        return self.path or self.node or ""

    @property
    def where(self) -> nodeid.NodeId | browsepath.BrowsePath:
        """What names its node."""
        return browsepath.parse(self.path) if self.path is not None else nodeid.parse(self.node or "")


class OpcuaDevice(EventfulDevice):
    """A device behind an OPC UA server. Devices with the same server, security and user share one session."""

    connect: Endpoint
    """The server: opc.tcp://host:port or opc.tcp://host:port/path; port 4840 unless given."""
    backup: Annotated[list[Endpoint], BeforeValidator(several)] = Field(default=[])
    """Another server that knows the same nodes, or several: each in its turn, and back to the first when it is well."""
    mode: Mode = "read"
    """read: asked for every value in every period; subscribe: the server tells what has changed."""
    timeout: Duration = 4.0
    """Longest wait for the answer to one request."""
    queue: int = Field(default=1, ge=1, le=1000)
    """subscribe: values that the server keeps per tag between two messages; with 1 the newest wins."""
    retry: Duration = 30.0
    """subscribe: wait before a tag that the server refused is tried again; doubled each time, up to ten minutes."""
    uncertain: Uncertain = "keep"
    """Values that the server calls uncertain: kept as they are, taken for good, or for bad and without a number."""
    server_time: bool = False
    """Telemetry bears the server's time of each value too, beside that of its source; 8 bytes more to read a value."""
    history: Delay = 86400.0
    """Longest outage that is filled in from what the server remembers, where it does; 0s: none is."""
    history_rate: int = Field(default=1000, ge=1)
    """Values per second at which an outage is filled in, at most."""
    tags: Mapping[Name, OpcuaTag] = Field(min_length=1)
    """The tags, by name."""

    def scans(self, tag: TagConfig) -> bool:
        """As `DeviceConfig.scans`."""
        return (cast("OpcuaTag", tag).mode or self.mode) == "read"

    @property
    def servers(self) -> list[str]:
        """All that know the nodes, the first one to be tried first."""
        return list(dict.fromkeys([self.connect, *self.backup]))

    def connection(self) -> str:
        """Server, security and user: what one session is made of."""
        security = self.security if self.security == "none" else f"{self.security} {self.policy}"
        return f"{self.connect} {security} {self.login}"

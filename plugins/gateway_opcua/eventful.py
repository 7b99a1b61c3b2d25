"""What a person may write on events, conditions and methods of an OPC UA server."""

from collections.abc import Collection, Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from gateway.sdk import CallConfig, Name, Table
from gateway_opcua import browsepath, nodeid
from gateway_opcua.secured import SecuredDevice, several

SERVER: Final = "i=2253"  # the Server object, at which every event of a server can be heard (Part 5 §8.3.2)


def node_id(text: str) -> str:
    """`text`, where it is a node id. Raises ValueError."""
    nodeid.parse(text)
    return text.strip()


def _nodes(texts: list[str]) -> list[str]:
    return [node_id(text) for text in texts]


def _fields(texts: list[str]) -> list[str]:
    for text in texts:
        browsepath.parse(f"/{text}")
    return texts


class OpcuaEvents(Table):
    """Events that are listened to at one node, and what is passed on of them."""

    node: Annotated[str, AfterValidator(node_id)] = SERVER
    """Where to listen: the Server object, which tells everything, or an object that tells what happens below it."""
    types: Annotated[list[str], BeforeValidator(several), AfterValidator(_nodes)] = Field(default=[], max_length=100)
    """Node ids of event types, subtypes included: i=2915 are alarms, i=2782 all conditions; all types unless given."""
    severity: int = Field(default=0, ge=0, le=1000)
    """Least severity, 1 to 1000; what is less urgent is not passed on."""
    fields: Annotated[list[str], BeforeValidator(several), AfterValidator(_fields)] = Field(default=[], max_length=50)
    """Fields beside the usual ones, by browse path: 2:BatchId, 2:Batch/Id; they are those of the first of `types`."""


class OpcuaMethod(CallConfig):
    """A method of the server that may be called."""

    object: Annotated[str, AfterValidator(node_id)]
    """Node id of the object whose method it is."""
    method: Annotated[str, AfterValidator(node_id)]
    """Node id of the method."""


class EventfulDevice(SecuredDevice):
    """A device whose server tells events and has methods."""

    events: list[OpcuaEvents] = Field(default=[], max_length=50)
    """Where events and conditions (alarms) of the server are listened to; nowhere unless given."""
    event_rate: int = Field(default=50, ge=1, le=1000)
    """Events per second that are passed on, at most; beyond it conditions come later, other events are counted."""
    acknowledge: list[Literal["cli", "mqtt"]] = Field(default=[])
    """Who may acknowledge, confirm and comment on conditions of the server: cli, mqtt; nobody unless given."""
    methods: Mapping[Name, OpcuaMethod] = Field(default={})
    """Methods that may be called, by a name of your choice."""

    def calls(self) -> Mapping[str, CallConfig]:
        """As `DeviceConfig.calls`."""
        return self.methods

    def acknowledgers(self) -> Collection[str]:
        """As `DeviceConfig.acknowledgers`."""
        return self.acknowledge

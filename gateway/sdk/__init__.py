"""All that an adapter's author needs, in one import. Nothing else of the gateway is theirs to use."""

from gateway.sdk import quality
from gateway.sdk.adapter import API_VERSION, Adapter, Host, Log, PolledAdapter
from gateway.sdk.batch import Batch, Kind, Rows, Sink
from gateway.sdk.browse import Browses, Found, Look, Visit
from gateway.sdk.call import Argument, Called, CallFailedError, CallRefusedError, Calls, Given, Signature
from gateway.sdk.clock import Clock
from gateway.sdk.config import CallConfig, Delay, DeviceConfig, Duration, Name, Rate, Size, Table, TagConfig
from gateway.sdk.errors import ConfigError, DisconnectedError, FieldgateError, denied
from gateway.sdk.events import Acknowledges, Act, Occurrence
from gateway.sdk.history import Gap, Memory, ReadsHistory
from gateway.sdk.schedule import Schedule, next_due
from gateway.sdk.tags import Connection, Device, Group, Tag, TagTable
from gateway.sdk.write import Value, WriteRefusedError, Writes, Written, check_range

__all__ = [
    "API_VERSION",
    "Acknowledges",
    "Act",
    "Adapter",
    "Argument",
    "Batch",
    "Browses",
    "CallConfig",
    "CallFailedError",
    "CallRefusedError",
    "Called",
    "Calls",
    "Clock",
    "ConfigError",
    "Connection",
    "Delay",
    "Device",
    "DeviceConfig",
    "DisconnectedError",
    "Duration",
    "FieldgateError",
    "Found",
    "Gap",
    "Given",
    "Group",
    "Host",
    "Kind",
    "Log",
    "Look",
    "Memory",
    "Name",
    "Occurrence",
    "PolledAdapter",
    "Rate",
    "ReadsHistory",
    "Rows",
    "Schedule",
    "Signature",
    "Sink",
    "Size",
    "Table",
    "Tag",
    "TagConfig",
    "TagTable",
    "Value",
    "Visit",
    "WriteRefusedError",
    "Writes",
    "Written",
    "check_range",
    "denied",
    "next_due",
    "quality",
]

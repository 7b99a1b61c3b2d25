"""All that an adapter's author needs, in one import. Nothing else of the gateway is theirs to use."""

from gateway.sdk import quality
from gateway.sdk.adapter import API_VERSION, Adapter, Host, Log, PolledAdapter
from gateway.sdk.batch import Batch, Kind, Rows, Sink
from gateway.sdk.browse import Browses, Found, Look, Visit
from gateway.sdk.clock import Clock
from gateway.sdk.config import Delay, DeviceConfig, Duration, Name, Rate, Size, Table, TagConfig
from gateway.sdk.errors import ConfigError, DisconnectedError, FieldgateError
from gateway.sdk.history import Gap, Memory, ReadsHistory
from gateway.sdk.schedule import Schedule, next_due
from gateway.sdk.tags import Connection, Device, Group, Tag, TagTable
from gateway.sdk.write import Value, WriteRefusedError, Writes, Written, check_range

__all__ = [
    "API_VERSION",
    "Adapter",
    "Batch",
    "Browses",
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
    "Group",
    "Host",
    "Kind",
    "Log",
    "Look",
    "Memory",
    "Name",
    "PolledAdapter",
    "Rate",
    "ReadsHistory",
    "Rows",
    "Schedule",
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
    "next_due",
    "quality",
]

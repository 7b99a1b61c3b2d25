"""Microsoft's OPC Publisher: published nodes as JSON, entries of one server with the nodes that are subscribed.

Azure/Industrial-IoT, docs/opc-publisher/readme.md, configuration schema. Traps: `Id` may be {namespace URI}#{node};
a Timespan wins over the milliseconds beside it; passwords stand in plain text.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from gateway.importing import opcua
from gateway.importing.asked import Asked, duration
from gateway.importing.foreign import Entry, Foreign
from gateway.importing.found import Found
from gateway.importing.report import Report
from gateway.sdk.errors import ConfigError

SAMPLING: Final = 1000.0  # ms, where nothing is said
_TIMESPAN: Final = re.compile(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)")
_IIOT: Final = re.compile(r"([^;#]+:[^;#]*)#([isgb]=.+)", re.DOTALL)
_GROUPING: Final = (
    "DataSetName", "DataSetDescription", "DataSetClassId", "DataSetKeyFrameCount", "MetaDataUpdateTime", "BatchSize",
    "BatchTriggerInterval", "BatchTriggerIntervalTimespan", "MessageEncoding", "MessagingMode", "WriterGroupTransport",
    "WriterGroupQualityOfService", "SendKeepAliveDataSetMessages", "DataSetExtensionFields",
    "MetaDataUpdateTimeTimespan",
)  # fmt: skip
_SENT: Final = "how readings are packed and sent stands in fieldgate.yaml under `mqtt`"
_HEARTBEAT: Final = "repeated there though it did not change; here `telemetry: all` sends each reading"


def read(files: Sequence[Foreign], _asked: Asked, report: Report) -> list[Found]:
    """A device for each entry of all files."""
    found: list[Found] = []
    for file in files:
        data = file.json()
        if not isinstance(data, list):
            raise ConfigError(f"{file.name}: is no list of entries, each with an EndpointUrl")
        top = Entry({"entries": data}, file, report)
        found += [_entry(one, report) for one in top.tables("entries")]
    return found


def _entry(entry: Entry, report: Report) -> Found:
    url = entry.text("EndpointUrl")
    group, writer = entry.text("DataSetWriterGroup"), entry.text("DataSetWriterId")
    name = "_".join(filter(None, (group, writer))) or opcua.server(url)
    options: dict[str, Any] = {"connect": url, **_security(entry, report), **_login(entry, name, report)}
    found = Found(name, "opcua", entry.place(), options | {"mode": "subscribe"})
    nodes = entry.tables("OpcNodes")
    if "NodeId" in entry:  # the form before 2.0: one node an entry
        nodes.append(entry.table("NodeId"))
    cyclic = [node.flag("UseCyclicRead") for node in nodes]
    if nodes and all(cyclic):
        found.options["mode"] = "read"
    elif any(cyclic):
        report.changed(entry.place("OpcNodes"), "some nodes are read cyclically there; here all are subscribed")
    publishing = _interval(entry, "DataSetPublishingInterval")
    for node in nodes:
        _node(node, found, publishing, report)
    for key in _GROUPING:
        entry.changed(key, _SENT)
    entry.lost("UseReverseConnect", "a server that dials in")
    entry.skip("Version", "LastChangeTimespan", "OpcNodes", "LastChangeDateTime")
    entry.rest()
    return found


def _security(entry: Entry, report: Report) -> dict[str, Any]:
    secured = entry.flag("UseSecurity")
    mode = entry.text("EndpointSecurityMode") or ("SignAndEncrypt" if secured else "None")
    policy = entry.text("EndpointSecurityPolicy")
    if policy and not entry.text("EndpointSecurityMode"):
        mode = "Best"
    return opcua.security("" if mode == "Best" else mode, policy, entry.place("EndpointSecurityMode"), report)


def _login(entry: Entry, name: str, report: Report) -> dict[str, Any]:
    mode, user = entry.text("OpcAuthenticationMode", "Anonymous"), entry.text("OpcAuthenticationUsername")
    entry.skip("OpcAuthenticationPassword", "EncryptedAuthUsername", "EncryptedAuthPassword")
    if mode == "Certificate":
        report.lost(entry.place("OpcAuthenticationMode"), "name the user's certificate: user_certificate and user_key")
    if mode != "UsernamePassword":
        return {}
    if not user:
        report.lost(entry.place("OpcAuthenticationUsername"), "the user's name is encrypted; write it into `user`")
    return opcua.login(user, name, entry.place("OpcAuthenticationPassword"), report)


def _node(node: Entry, found: Found, publishing: float | None, report: Report) -> None:
    text = node.text("ExpandedNodeId") or node.text("Id") or node.text("Identifier")
    node.skip("Id", "Identifier")
    if "EventFilter" in node or node.text("AttributeId", "Value").lower() not in ("value", "13"):
        report.lost(node.place(), "events, and attributes other than the value, are not read")
        return
    if node.text("IndexRange"):
        report.lost(node.place("IndexRange"), "a part of an array")
        return
    every = _interval(node, "OpcSamplingInterval")
    paced = _interval(node, "OpcPublishingInterval") or publishing
    tag: dict[str, Any] = {"node": _node_id(text), "every": duration((every or paced or SAMPLING) / 1000)}
    tag |= {"deadband": _deadband(node, report) or None}
    found.options["queue"] = max(1, node.whole("QueueSize", 1), found.options.get("queue", 1))
    names = node.text("DataSetFieldId"), node.text("DisplayName"), opcua.call(text)
    found.add(node.place(), tag, *names)
    for key in ("HeartbeatInterval", "HeartbeatIntervalTimespan"):
        node.changed(key, _HEARTBEAT)
    node.changed("SkipFirst", "the first value is sent here")
    node.lost("DiscardNew", "of too many values the oldest go here")
    if node.text("DataChangeTrigger", "StatusValue") != "StatusValue":
        report.changed(node.place("DataChangeTrigger"), "here a change of value or status is told of")
    node.skip("UseCyclicRead", "RegisterNode", "FetchDisplayName", "DataSetClassFieldId", "AttributeId")
    node.rest()


def _node_id(text: str) -> str:
    match = _IIOT.fullmatch(text)
    return f"nsu={match[1]};{match[2]}" if match else text


def _interval(entry: Entry, key: str) -> float | None:
    """Milliseconds; the Timespan beside it wins."""
    span, plain = _TIMESPAN.fullmatch(entry.text(f"{key}Timespan")), entry.number(key)
    if span:
        days, hours, minutes, seconds = (float(part or 0) for part in span.groups())
        return 1000 * (86400 * days + 3600 * hours + 60 * minutes + seconds) or None
    return plain or None


def _deadband(node: Entry, report: Report) -> float:
    kind, value = node.text("DeadbandType").lower(), max(0.0, node.number("DeadbandValue"))
    if kind == "percent" and value:
        report.lost(node.place("DeadbandType"), "a deadband in percent of the range; write `deadband` in units")
    return value if kind == "absolute" else 0.0

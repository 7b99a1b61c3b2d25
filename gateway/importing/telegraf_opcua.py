"""Telegraf's `inputs.opcua` and `inputs.opcua_listener`: a node id in three keys, defaults by group.

Traps: `security_policy` and `security_mode` are chosen at run time where they are not set; readings bear the time of
gathering; a `data_change_filter` without `trigger` reports changes of status only.
"""

from dataclasses import dataclass
from typing import Any, Final

from gateway.importing import opcua
from gateway.importing.foreign import Entry
from gateway.importing.found import Found
from gateway.importing.report import Report
from gateway.importing.telegraf_modbus import go_duration

QUEUE: Final = 10  # queue_size of the listener where it is not set


@dataclass(frozen=True, slots=True)
class _Defaults:
    """What a group says for its nodes."""

    namespace: str = ""
    kind: str = ""
    labels: str = ""
    every: str | None = None
    name: str = ""


def server(entry: Entry, options: dict[str, Any], report: Report) -> Found:
    """One `[[inputs.opcua]]` or `[[inputs.opcua_listener]]`."""
    url = entry.text("endpoint", "opc.tcp://localhost:4840")
    name = entry.text("name") or opcua.server(url)
    options = {"connect": url, **_security(entry, report), **_login(entry, name, report), **options}
    timeout = go_duration(entry, "request_timeout")
    found = Found(name, "opcua", entry.place(), options | ({"timeout": timeout} if timeout else {}))
    for node in entry.tables("nodes"):
        _node(node, found, _Defaults(), report)
    for group in entry.tables("group"):
        _group(group, found, report)
    if entry.text("timestamp", "gather") == "gather":
        report.changed(entry.place("timestamp"), opcua.SOURCE_TIME)
    entry.skip("connect_timeout", "session_timeout", "timestamp_format", "client_trace", "optional_fields")
    entry.skip("interval", "alias", "connect_fail_behavior", "request_workarounds")
    entry.rest()
    return found


def _security(entry: Entry, report: Report) -> dict[str, Any]:
    mode, policy = entry.text("security_mode", "auto"), entry.text("security_policy", "auto")
    return opcua.security("" if mode == "auto" else mode, "" if policy == "auto" else policy, entry.place(), report)


def _login(entry: Entry, name: str, report: Report) -> dict[str, Any]:
    method, user = entry.text("auth_method", "Anonymous"), entry.text("username")
    certificate, key = entry.text("certificate"), entry.text("private_key")
    entry.skip("password")
    if method == "Certificate":
        return {"user_certificate": certificate, "user_key": key}
    entry.changed("certificate", opcua.OWN_CERTIFICATE)
    if method != "UserName":
        return {}
    if user.startswith("@{"):
        report.lost(entry.place("username"), "the user's name lies in a secret store; write it into `user`")
        return {}
    return opcua.login(user, name, entry.place("password"), report)


def _group(group: Entry, found: Found, report: Report) -> None:
    labels = _labels(group, report)
    defaults = _Defaults(
        group.text("namespace"), group.text("identifier_type"), labels, _sampling(group), group.text("name")
    )
    for node in group.tables("nodes"):
        _node(node, found, defaults, report)
    group.rest()


def _node(node: Entry, found: Found, defaults: _Defaults, report: Report) -> None:
    namespace = node.text("namespace_uri") or node.text("namespace", defaults.namespace)
    where = node.text("id") or opcua.node(
        namespace, node.text("identifier"), node.text("identifier_type", defaults.kind)
    )
    name = node.text("name") or node.text("field_name")
    labels = ", ".join(filter(None, (defaults.labels, _labels(node, report))))
    tag = {"node": where, "description": labels, "every": defaults.every, **_monitored(node, found, report)}
    found.add(node.place(), tag, name, f"{defaults.name}_{name}" if defaults.name else "", opcua.call(where))
    node.rest()


def _labels(entry: Entry, report: Report) -> str:
    labels = entry.table("default_tags")
    text = ", ".join(f"{key}={labels.text(key)}" for key in labels)
    if text:
        report.changed(entry.place("default_tags"), "labels stand in the tags' `description` here")
    pairs = entry.raw("tags")  # the older form: [["label", "text"]]
    if pairs:
        report.changed(entry.place("tags"), "labels stand in the tags' `description` here")
        text = ", ".join([text] * bool(text) + ["=".join(map(str, pair)) for pair in pairs if isinstance(pair, list)])
    return text


def _sampling(entry: Entry) -> str | None:
    every = go_duration(entry, "sampling_interval")
    return None if every == "0s" else every


def _monitored(node: Entry, found: Found, report: Report) -> dict[str, Any]:
    params = node.table("monitoring_params")
    if not params:
        return {}
    every, queue = _sampling(params), params.whole("queue_size", QUEUE)
    found.options["queue"] = max(queue, found.options.get("queue", 1))
    if not params.flag("discard_oldest", default=True):
        report.lost(params.place("discard_oldest"), "of too many values the oldest go here")
    deadband = _filter(params.table("data_change_filter"), report)
    params.rest()
    return {key: value for key, value in (("every", every), ("deadband", deadband)) if value}


def _filter(entry: Entry, report: Report) -> float:
    if not entry:
        return 0.0
    trigger, kind = entry.text("trigger", "Status"), entry.text("deadband_type", "None")
    value = max(0.0, entry.number("deadband_value"))
    if trigger != "StatusValue":
        report.changed(entry.place("trigger"), f"{trigger} is told of there; here a change of value or status is")
    if kind == "Percent" and value:
        report.lost(entry.place("deadband_type"), "a deadband in percent of the range; write `deadband` in units")
    entry.rest()
    return value if kind == "Absolute" else 0.0

"""ThingsBoard's OPC UA connector: devices found by patterns over browse names, tags by paths or node ids.

Traps: `security` counts only with a certificate (opcua_connector.py); a pattern that is a true regular expression, and
names without their namespace, cannot be resolved without browsing.
"""

import re
from typing import Any, Final

from gateway.importing import opcua
from gateway.importing.asked import Asked, duration
from gateway.importing.foreign import Entry
from gateway.importing.found import Found
from gateway.importing.report import Report

_EXPRESSION: Final = re.compile(r"\$\{(.*)\}", re.DOTALL)
_SEPARATOR: Final = re.compile(r"\\*\.")
_LITERAL: Final = re.compile(r"[\w :\-/]+")
_NAMESPACE: Final = re.compile(r"(\d{1,5}):(.+)")
_NODE: Final = re.compile(r"(?:nsu?=[^;]*;)?[isgb]=.+")
_NO_SECURITY: Final = "without a certificate ThingsBoard does not secure the channel, whatever `security` says"


def server(top: Entry, asked: Asked, report: Report) -> list[Found]:
    """A device for each mapping."""
    entry = top.table("server")
    mappings = top.tables("mapping") or entry.tables("mapping")
    options = _options(entry, report)
    entry.skip("mapping", "scanPeriodInMillis", "showMap", "subDataMaxBatchSize", "subDataMinBatchCreationTimeMs")
    entry.skip("subscriptionProcessBatchSize", "sessionTimeoutInMillis", "name", "subDataMinBatchCreationTimeMs", "uri")
    entry.rest()
    top.skip("name", "id", "logLevel", "enableRemoteLogging", "type")
    top.rest()
    return [_device(mapping, dict(options), asked, report) for mapping in mappings]


def _options(entry: Entry, report: Report) -> dict[str, Any]:
    url, identity = entry.text("url"), entry.table("identity")
    subscribing = entry.flag("enableSubscriptions", default="enableSubscriptions" not in entry)
    subscribing = subscribing and not entry.flag("disableSubscriptions")
    every = entry.number("subCheckPeriodInMillis", 100) if subscribing else entry.number("pollPeriodInMillis", 5000)
    entry.skip("subCheckPeriodInMillis", "pollPeriodInMillis", "enableSubscriptions", "disableSubscriptions")
    options: dict[str, Any] = {"connect": url, **_security(entry, identity, report)}
    options |= opcua.login(identity.text("username"), opcua.server(url), identity.place("password"), report)
    identity.skip("password", "type")
    identity.rest()
    options |= {"every": duration(every / 1000), "timeout": duration(entry.number("timeoutInMillis", 4000) / 1000)}
    return options | ({"mode": "subscribe"} if subscribing else {})


def _security(entry: Entry, identity: Entry, report: Report) -> dict[str, Any]:
    policy = entry.text("security", "None")
    if identity.text("type") == "cert.PEM":
        identity.changed("cert", opcua.OWN_CERTIFICATE)
        identity.lost("caCert", "the server's certificate: name it in `trust`, or let `first_use` keep it")
        identity.skip("privateKey")
        return opcua.security(identity.text("mode", "SignAndEncrypt"), policy, entry.place("security"), report)
    if policy != "None":
        report.changed(entry.place("security"), f"{_NO_SECURITY}; here it is none: set `security` to have it")
    return {}


def _device(mapping: Entry, options: dict[str, Any], asked: Asked, report: Report) -> Found:
    info = mapping.table("deviceInfo")
    source = info.text("deviceNameExpressionSource", "constant")
    name = info.text("deviceNameExpression") or mapping.text("deviceNamePattern") or opcua.server(options["connect"])
    if source != "constant" or "${" in name:
        report.changed(info.place("deviceNameExpression"), "the name came from the server; give it one of your own")
        name = opcua.server(options["connect"])
    found = Found(name, "opcua", mapping.place(), options)
    base = _steps(mapping.text("deviceNodePattern"))
    mapping.skip("deviceNodeSource", "deviceTypePattern")
    for section in ("timeseries", "attributes"):
        for point in mapping.tables(section):
            _point(point, base, found, asked, report)
    for section in ("rpc_methods", "attributes_updates"):
        mapping.lost(section, "methods, and writes from above: `write` of a tag says what may be written to it")
    mapping.changed("reportStrategy", "what is sent, and when, is said by `telemetry` in fieldgate.yaml")
    info.skip("deviceProfileExpression", "deviceProfileExpressionSource")
    info.rest()
    mapping.rest()
    return found


def _point(point: Entry, base: list[str] | None, found: Found, asked: Asked, report: Report) -> None:
    key, kind, value = point.text("key"), point.text("type", "path"), point.text("value") or point.text("path")
    inner = _EXPRESSION.fullmatch(value)
    text = inner[1] if inner else value
    point.skip("path", "timestampLocation")
    point.changed("reportStrategy", "what is sent, and when, is said by `telemetry` in fieldgate.yaml")
    point.rest()
    if kind == "constant":
        report.lost(point.place(), f"{key} is a constant, nothing that is read")
    elif _NODE.fullmatch(text):
        found.add(point.place(), {"node": text}, key)
    else:
        path, why = _path(text, base, asked)
        if path:
            found.add(point.place(), {"path": path}, key)
        else:
            report.lost(point.place("value"), f"{key}: {why}: find it by `fieldgate browse {found.options['connect']}`")


def _steps(pattern: str) -> list[str] | None:
    """The names on the way that a pattern means; None where it is a true regular expression."""
    steps = [step for step in _SEPARATOR.split(pattern) if step]
    return steps if all(_LITERAL.fullmatch(step) for step in steps) else None


def _path(text: str, base: list[str] | None, asked: Asked) -> tuple[str, str]:
    """The browse path, or why there is none."""
    own = _steps(text)
    if own is None or base is None:
        return "", "a pattern that only browsing resolves"
    steps = own if own[:1] == ["Root"] else [*base, *own]
    steps = steps[1:] if steps[:1] == ["Root"] else steps
    found = ""
    for step in steps:
        match = _NAMESPACE.fullmatch(step)
        if match is None and step != "Objects" and asked.namespace is None:
            return "", f"no namespace is written for {step} (--namespace N says which)"
        index, name = (match[1], match[2]) if match else ("0" if step == "Objects" else str(asked.namespace), step)
        found += f"/{index}:{name.replace('/', '&/')}"
    return found, ""

"""Topics by template. A topic is checked before anything is sent on it: a bad one would cost the connection."""

import re
from typing import Final

from gateway.sdk import ConfigError

STATUS: Final = "status"
_FIELDS: Final = {"gateway", "class", "name"}
_LONGEST: Final = 65535  # MQTT 5 §1.5.4: a UTF-8 string has a two-byte length
_FORBIDDEN: Final = re.compile(r"[+#\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # wildcards, and what MQTT 5 §1.5.4 forbids


class Topics:
    """The topics of one gateway.

    Args:
        template: text with {class} and, as a rule, {gateway} and {name}.
        gateway: id of the gateway.

    Raises:
        ConfigError: the template has an unknown field or no {class}, or makes topics that MQTT forbids.
    """

    def __init__(self, template: str, gateway: str) -> None:
        self._gateway = gateway
        self._template = template
        self._known: dict[tuple[str, str], str] = {}  # as many as the configuration has names
        unknown = set(re.findall(r"\{([^}]*)\}", template)) - _FIELDS
        if unknown:
            raise ConfigError(f"mqtt.topic: {{{min(unknown)}}} is unknown; use {{gateway}}, {{class}}, {{name}}")
        if "{class}" not in template:
            raise ConfigError("mqtt.topic: {class} is missing; without it alarms and telemetry cannot be told apart")
        try:
            self.status = self.of(STATUS, gateway)
        except ValueError as error:
            raise ConfigError(f"mqtt.topic: {error}") from error

    def of(self, kind: str, name: str) -> str:
        """The topic for a class (alarm, event, telemetry, status) and the name of a device or an asset.

        Raises:
            ValueError: MQTT forbids the topic.
        """
        known = self._known.get((kind, name))
        if known is None:
            fields = {"{gateway}": self._gateway, "{class}": kind, "{name}": name}
            filled = re.sub(r"\{(?:gateway|class|name)\}", lambda match: fields[match[0]], self._template)
            known = self._known[kind, name] = checked(filled)
        return known


def checked(topic: str) -> str:
    """`topic`, when something may be published on it. Raises ValueError with what MQTT forbids."""
    bad = _FORBIDDEN.search(topic)
    if bad:
        raise ValueError(f"{topic!r} has {bad[0]!r}, which a topic cannot carry")
    if not 0 < len(topic.encode()) <= _LONGEST:
        raise ValueError("a topic has 1 to 65535 bytes")
    if topic.startswith("$"):
        raise ValueError(f"{topic!r} starts with $, which belongs to the broker (MQTT 5 §4.7.2)")
    return topic

"""What a person may write of the broker: the section `mqtt`."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from gateway.sdk.config import Duration, Table

AsPath = Annotated[Path, BeforeValidator(lambda value: Path(value) if isinstance(value, str) else value)]
Payload = Literal["columnar", "flat", "sparkplug"]


def _no_topic_signs(text: str) -> str:
    if not re.fullmatch(r"[^/+#\x00-\x1f\x7f]{1,200}", text):
        raise ValueError(f"{text!r}: a part of a Sparkplug topic has 1 to 200 characters, and no / + # among them")
    return text


SparkplugId = Annotated[str, AfterValidator(_no_topic_signs)]
"""A part of a Sparkplug topic: any text without / + # (Sparkplug 3.0 §4.1)."""


class SparkplugConfig(Table):
    """The gateway as a Sparkplug B edge node; with `payload: sparkplug`."""

    group: SparkplugId = "fieldgate"
    """Group that the edge node belongs to."""
    node: SparkplugId | None = None
    """Name of the edge node, unique in its group; the gateway's id unless set."""
    primary_host: SparkplugId | None = None
    """Host that must be online before telemetry is sent; while it is away telemetry waits on disk; unset, none is."""
    datatypes: bool = False
    """Name the datatype with every value, not only in births: for hosts that read each message by itself."""


BrokerUrl = Annotated[str, Field(pattern=r"^mqtts?://[^\s/@]+$")]


class MqttConfig(Table):
    """The broker that alarms, events and telemetry go to."""

    url: BrokerUrl
    """mqtt://host:port, or mqtts://host:port for TLS."""
    backup: list[BrokerUrl] = Field(default_factory=list, max_length=8)
    """Further addresses of the same broker, tried in turn when one does not answer."""
    version: Literal["5", "3.1.1"] = "5"
    """Version of MQTT."""
    client_id: str | None = None
    """Client id; fieldgate-{gateway id} unless set."""
    user: str | None = None
    """User name at the broker."""
    password: SecretStr | None = None
    """Password at the broker; always a reference: !secret name."""
    ca: AsPath | None = None
    """PEM file with the authorities that may sign the broker's certificate; the system's unless set."""
    cert: AsPath | None = None
    """PEM file with this gateway's certificate, for mutual TLS."""
    key: AsPath | None = None
    """PEM file with the private key of `cert`."""
    topic: str = Field(default="fieldgate/{gateway}/{class}/{name}", pattern=r"^[^#+]+$")
    """Topic; {gateway}, {class} (alarm, event, telemetry, status) and {name} (device or asset) are filled in."""
    keepalive: Duration = 30.0
    """Silence after which the broker and the gateway take each other for lost."""
    window: int = Field(default=100, ge=1, le=65535)
    """Messages that may be under way without the broker's acknowledgement."""
    reconnect_max: Duration = 30.0
    """Longest wait between two attempts to connect; attempts start at 1s and are jittered."""
    payload: Payload = "columnar"
    """Form of telemetry: columnar, one message per device and scan; flat, one per tag; sparkplug, as an edge node."""
    sparkplug: SparkplugConfig = SparkplugConfig()
    """Names of the edge node."""
    homeassistant: str | None = Field(default=None, pattern=r"^[^#+]+$", max_length=200)
    """Prefix of Home Assistant's discovery, as a rule homeassistant; with `payload: flat`; unset, it is not told."""
    metadata: bool = True
    """Tell on {class} meta, retained, what the tags' values mean: units, ranges, texts, descriptions."""
    commands: bool = False
    """Take commands to alarms, and writes where `writes` allows them; the broker's rights say who may give them."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.homeassistant is not None and self.payload != "flat":
            raise ValueError("homeassistant: Home Assistant reads one value a message; set payload: flat")
        return self

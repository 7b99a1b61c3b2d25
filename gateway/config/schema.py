"""What a person may write in `fieldgate.yaml`. One class per section; the docstring under a field is its documentation.

Devices are not here: each adapter declares its own table (`DeviceConfig` and its `Config`), and `load` is handed them.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from gateway.sdk.config import Delay, Duration, Name, Rate, Size, Table

AsPath = Annotated[Path, BeforeValidator(lambda value: Path(value) if isinstance(value, str) else value)]


class Severity(StrEnum):
    """How urgent an alarm is for the operator (ISA-18.2: few priorities, most alarms low)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


AsSeverity = Annotated[Severity, BeforeValidator(lambda value: Severity(value) if isinstance(value, str) else value)]


class GatewayConfig(Table):
    """Who this gateway is, and where it keeps what must survive."""

    id: Name
    """Name of this gateway, unique in the plant; part of every topic and event."""
    state: AsPath = Path("/var/lib/fieldgate")
    """Folder for outbox, alarms and calibrations; `fieldgate run --state` and systemd's STATE_DIRECTORY come first."""
    secrets_dir: AsPath | None = None
    """Folder with one file per secret, read after systemd's credentials."""


class MqttConfig(Table):
    """The broker that alarms, events and telemetry go to."""

    url: str = Field(pattern=r"^mqtts?://[^\s/@]+$")
    """mqtt://host:port, or mqtts://host:port for TLS."""
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
    commands: bool = False
    """Take operators' commands to alarms, from {class} `command`; the broker's rights say who may give them."""


class AlarmConfig(Table):
    """When an asset's score becomes an alarm."""

    severity: AsSeverity = Severity.MEDIUM
    """How urgent the alarm is: low, medium, high or critical."""
    on_delay: Delay = 3.0
    """The score must stay above the threshold this long before the alarm goes active."""
    off_delay: Delay = 10.0
    """The score must stay below the threshold this long before the alarm returns to normal."""
    deadband: float = Field(default=0.1, ge=0, lt=1)
    """The score counts as below only under threshold * (1 - deadband)."""
    budget: Rate = 1 / 604800
    """False alarms that may be raised in the long run: 1/week."""
    realarm: Delay = 0.0
    """Shortest time between two alarms of one asset; what rises earlier keeps silent until then."""
    stays: Delay = 86400.0
    """Active this long, an alarm is asked about; twice as long, it rises anew only above that level; 0s: never."""
    latch: bool = False
    """A returned alarm stays active until somebody has acknowledged it."""


class AlarmsConfig(Table):
    """What operators may do to alarms, and how much of it is remembered."""

    shelve: Duration = Field(default=8 * 3600.0, le=86400)
    """Longest time that an alarm may be shelved at once; a day at most."""
    flood: int = Field(default=10, ge=0, le=100_000)
    """Alarms within ten minutes beyond which they are a flood, told of by one event; 0: never."""
    history: int = Field(default=10_000, ge=100, le=1_000_000)
    """Changes of alarms' states that are kept for `fieldgate alarms history`; beyond it the oldest go."""


class RuleConfig(Table):
    """One line on one tag, or on two, with an alarm of its own: above, below, or both, of what the rule compares.

    Without a word for what is compared it is the value; `rate`, `ewma`, `cusum`, `ratio` and `residual` say otherwise.
    """

    tag: str
    """The tag, as device.tag."""
    above: float | None = None
    """What is compared must not be more than this."""
    below: float | None = None
    """What is compared must not be less than this."""
    rate: bool = False
    """Compare the change per second, either way."""
    ewma: int | None = Field(default=None, ge=1, le=100_000)
    """Compare the value smoothed over so many rows."""
    cusum: bool = False
    """Compare the cumulative sum of deviations from the mean, in standard deviations; `above: 5` finds small shifts."""
    ratio: str | None = None
    """Compare the value over that of this other tag."""
    residual: str | None = None
    """Compare what this other tag does not explain, in standard deviations; `above: 6` finds what no longer fits."""
    calibrate: int = Field(default=600, ge=50, le=1_000_000)
    """Good rows that `cusum` and `residual` learn their mean, spread and slope from."""
    alarm: AlarmConfig = AlarmConfig()
    """How the alarm behaves; its budget does not apply, for limits are as they are written."""

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        given = [word for word in ("rate", "ewma", "cusum", "ratio", "residual") if getattr(self, word)]
        if len(given) > 1:
            raise ValueError(f"a rule compares one thing: {' or '.join(given)}")
        if self.above is None and self.below is None:
            raise ValueError("a rule needs a limit: above, below, or both")
        return self


class AssetConfig(Table):
    """A machine, or a part of one: the tags that are judged together."""

    tags: list[str] = Field(min_length=1, max_length=512)
    """The tags, as device.tag."""
    model: str = Field(default="default", pattern=r"^(default|bundles/[A-Za-z0-9_\-]{1,64})$")
    """The model that scores it: `default`, the built-in detector, or `bundles/NAME`, a signed bundle of one's own."""
    every: Duration | None = None
    """Period of scoring; unset, the asset is scored when all its scan groups have been read."""
    calibrate: int = Field(default=600, ge=50, le=1_000_000)
    """Good rows that the detector learns from before it scores."""
    min_good: float = Field(default=0.5, gt=0, le=1)
    """Share of the tags that must be good; with fewer the asset abstains."""
    baseline: Delay = 86400.0
    """Span over which slow change counts as normal, and is told of as drift; at least 3000 rows; 0s: it never does."""
    sensors: bool = True
    """Tell sensor faults (frozen, dead, out of range, spike, noise) apart, and leave such tags out of the score."""
    alarm: AlarmConfig = AlarmConfig()
    """When the score becomes an alarm."""
    rules: dict[Name, RuleConfig] = Field(default_factory=dict)
    """Rules by name, each with an alarm of its own, ASSET-NAME: limits, rates, CUSUM, ratios, residuals."""


class OutboxConfig(Table):
    """The queue on disk between the gateway and the broker."""

    budget: Size = Field(default=2 * 2**30, ge=2**20)
    """Disk space that it may take; telemetry is dropped oldest first, alarms last."""
    segment: Size = Field(default=8 * 2**20, ge=2**16)
    """Size of one segment file; space is freed by whole segments."""
    max_age: Duration = 30 * 86400.0
    """Telemetry older than this is dropped."""
    memory: Size = Field(default=16 * 2**20, ge=2**16)
    """Accepted messages kept in memory for the publisher; beyond it they are read back from disk."""
    free: Size = Field(default=64 * 2**20, ge=0)
    """Disk space that telemetry leaves free; where less is free, its oldest goes, thinned first."""
    ballast: Size = Field(default=4 * 2**20, ge=0)
    """Disk space held by a file of no content, given up for alarms and events on a full disk; 0B: none."""
    thin: Delay = 60.0
    """Before telemetry is dropped for want of room, extremes and last readings of such a time stay; 0s: none do."""


class RecordingConfig(Table):
    """A rolling recording of the assets on local disk, for `fieldgate fit` and `fieldgate replay`."""

    keep: Size = Field(default=0, ge=0)
    """Disk space that the recording of one asset may take; the oldest rows go first; 0B: nothing is recorded."""


class PipelineConfig(Table):
    """How readings are gathered before they are worked on."""

    tick: Duration = 0.1
    """Under load, readings of one tick are worked on together; what an alarm without delay watches hardly waits."""
    queue: Size = Field(default=64 * 2**20, ge=2**20)
    """Memory that readings waiting to be worked on may take; beyond it the oldest are dropped and counted."""


class ModelsConfig(Table):
    """Users' models: signed bundles, each run in a process of its own."""

    keys: AsPath | None = None
    """Folder with the public keys (*.pub) that bundles must be signed by; without it no bundle is accepted."""
    size: Size = Field(default=64 * 2**20, ge=2**10)
    """Greatest size of a model; a larger one is refused."""
    memory: Size = Field(default=512 * 2**20, ge=16 * 2**20)
    """Memory that a model may take beyond what its runtime takes; it is refused what goes beyond."""
    deadline: Duration = 1.0
    """Processor time that one call of a model may take; a model that takes longer is ended and started anew."""
    providers: list[Literal["migraphx", "rocm", "cuda", "openvino", "cpu"]] = Field(default=["cpu"], min_length=1)
    """Execution providers, the preferred first; the first that is there and gives the golden answer is used."""
    faults: int = Field(default=3, ge=1, le=100)
    """Faults within ten minutes after which a version is quarantined and the last good one takes over."""
    promote: Literal["command", "gate"] = "command"
    """Who makes a shadow active: a command, or the gate as soon as the shadow has passed it."""
    rows: int = Field(default=1000, ge=10, le=10_000_000)
    """Windows that a shadow must score beside the active version, and that the former version then stands by for."""
    agreement: float = Field(default=0.98, ge=0, le=1)
    """Gate: share of the windows on which both versions must say the same, alarm or none."""
    alarm_rate: float = Field(default=1.5, ge=0)
    """Gate: alarms of the shadow for each alarm of the active version that are allowed."""
    latency: Duration = 0.5
    """Gate: time that 99 of 100 calls of the shadow must keep."""


class MetricsConfig(Table):
    """Where the gateway answers /metrics, /healthz, /readyz, /status and /why."""

    listen: str | None = Field(default=None, pattern=r"^[^\s:]+:\d+$")
    """host:port, for instance 127.0.0.1:9184; port 0 takes a free one; unset, nothing listens."""


class LogConfig(Table):
    """What the gateway writes to its log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severity that is written; at info a healthy hour is silent."""


class Root(Table):
    """The whole of `fieldgate.yaml`."""

    gateway: GatewayConfig
    """Who this gateway is."""
    mqtt: MqttConfig | None = None
    """The broker; without it everything is kept in the outbox."""
    telemetry: Literal["changes", "all", "off"] = "changes"
    """What readings are sent: changes beyond the deadband, all, or none."""
    assets: dict[Name, AssetConfig] = Field(default_factory=dict)
    """The machines that are judged, by name."""
    alarms: AlarmsConfig = AlarmsConfig()
    """Operators and their alarms."""
    outbox: OutboxConfig = OutboxConfig()
    """The queue on disk."""
    recording: RecordingConfig = RecordingConfig()
    """What is recorded locally."""
    pipeline: PipelineConfig = PipelineConfig()
    """How readings are gathered."""
    models: ModelsConfig = ModelsConfig()
    """Users' models."""
    metrics: MetricsConfig = MetricsConfig()
    """Where metrics and health are shown."""
    log: LogConfig = LogConfig()
    """What is logged."""

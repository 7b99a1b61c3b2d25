"""What a person may write in `fieldgate.yaml`. One class per section; the docstring under a field is its documentation.

Devices are not here: each adapter declares its own table (`DeviceConfig` and its `Config`), and `load` is handed them.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.config.assets import AlarmsConfig, AssetConfig
from gateway.config.broker import AsPath, MqttConfig
from gateway.config.console import ConsoleConfig
from gateway.config.limits import LimitsConfig
from gateway.config.otlp import OtlpConfig
from gateway.sdk.config import Delay, Duration, Name, Size, Table


class GatewayConfig(Table):
    """Who this gateway is, and where it keeps what must survive."""

    id: Name
    """Name of this gateway, unique in the plant; part of every topic and event."""
    state: AsPath = Path("/var/lib/fieldgate")
    """Folder for outbox, alarms and calibrations; `fieldgate run --state` and systemd's STATE_DIRECTORY come first."""
    secrets_dir: AsPath | None = None
    """Folder with one file per secret, read after systemd's credentials."""
    watch: Delay = 0.0
    """How often the files are looked at; what has changed and was left alone since is applied; 0s: only when asked."""
    clock: Literal["free", "synchronised"] = "free"
    """`synchronised`: what is sent while the clock is not known to follow a time server says so; free: it need not."""


class WritesConfig(Table):
    """Writing to devices: the main switch, and the bounds that hold for all tags."""

    enabled: bool = False
    """Whether anything may be written at all; the tags' own `write` says what."""
    expires: Duration = Field(default=60.0, le=3600)
    """Furthest ahead that a command may say it expires; later than that it is refused."""
    arm: Duration = Field(default=30.0, le=600)
    """How long a tag stays armed that wants two steps."""
    within: Duration = Field(default=5.0, le=60)
    """Longest wait for the device, reading back included; after it the outcome is not known."""
    storm: int = Field(default=20, ge=1, le=10_000)
    """Commands of one way in that are looked at within a second; what goes beyond is refused."""
    queue: int = Field(default=16, ge=1, le=1000)
    """Writes that may wait for one device; what goes beyond is refused."""
    audit: int = Field(default=100_000, ge=1000, le=10_000_000)
    """Records that the audit keeps; beyond it the oldest go, and a record says so."""


class OutboxConfig(Table):
    """The queue on disk between the gateway and the broker."""

    budget: Size = Field(default=2 * 2**30, ge=2**20)
    """Disk space that it may take; telemetry is dropped oldest first, alarms last."""
    segment: Size = Field(default=8 * 2**20, ge=2**16)
    """Size of one segment file; space is freed by whole segments."""
    max_age: Duration = 30 * 86400.0
    """Telemetry that has waited longer than this, while the gateway ran, is dropped."""
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
    assets: int = Field(default=1000, ge=0, le=100_000)
    """Assets up to which each has metrics of its own (score, phase, alarm), three series each; with more, none has."""
    otlp: OtlpConfig | None = None
    """A collector that the same metrics are pushed to; unset, none are."""


class LogConfig(Table):
    """What the gateway writes to its log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severity that is written; at info a healthy hour is silent."""
    levels: dict[str, Literal["debug", "info", "warning", "error"]] = Field(default_factory=dict)
    """Another level for a module and all below it, such as `gateway.deliver: debug`; `fieldgate log` sets it live."""


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
    writes: WritesConfig = WritesConfig()
    """Writing to devices."""
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
    console: ConsoleConfig = ConsoleConfig()
    """The web console for people, and its JSON API."""
    limits: LimitsConfig = LimitsConfig()
    """What the gateway's own process may take."""
    log: LogConfig = LogConfig()
    """What is logged."""

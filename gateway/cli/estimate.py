"""What a configuration will take of its machine: processor, memory, disk a day, and how long it lasts without a broker.

By figures that `fieldgate bench self` has measured on this machine, else by those of the machine in the README. Each is
linear in what is read: so much for each scan, for each value, for each row that is scored. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from gateway.config.load import Configuration

DAY: Final = 86400.0
MUCH_CPU: Final = 0.7  # of a core: one gateway is one loop
MUCH_MEMORY: Final = 0.8  # of limits.memory
SHORT: Final = 3600.0  # s without a broker


@dataclass(frozen=True, slots=True)
class Figures:
    """What it costs, by name: s of CPU and bytes; `measured` is the day of it, "" for the defaults.

    Attributes:
        idle: s of CPU each second, of a gateway that reads nothing.
        scan, value, row: s of CPU for a scan (a scan group read once and told), for a value in it, for a row scored.
        base: bytes of memory of a gateway that reads nothing.
        judging: bytes more where anything is judged: the runtime of the models.
        device, tag, asset: bytes of memory for each.
        message, reading: bytes on disk for a message (one a scan), and for each value in it.
    """

    idle: float = 0.01
    scan: float = 300e-6
    value: float = 0.3e-6
    row: float = 250e-6
    base: float = 77e6
    judging: float = 30e6
    device: float = 36e3
    tag: float = 1.1e3
    asset: float = 60e3
    message: float = 220.0
    reading: float = 18.0
    measured: str = ""

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> "Figures":
        """As `bench self` has kept them. Raises TypeError, ValueError for what are none."""
        return cls(**{name: type(default)(kept[name]) for name, default in asdict(cls()).items() if name in kept})


@dataclass(frozen=True, slots=True)
class Load:
    """What a configuration reads: scans, values and rows to score each second, and how many there are of each."""

    scans: float
    values: float
    rows: float
    devices: int
    tags: int
    assets: int

    @classmethod
    def of(cls, found: Configuration) -> "Load":
        """By the periods that are written; what is subscribed to counts as if it changed once a period."""
        devices = [device for device in found.devices if device.device not in found.broken]
        groups = {(one.device, tag.every or one.every) for one in devices for tag in one.tags.values()}
        periods = {one.device: max(tag.every or one.every for tag in one.tags.values()) for one in devices}
        judged = [
            (asset.every or max(periods.get(tag.partition(".")[0], 1.0) for tag in asset.tags), 1 + len(asset.rules))
            for asset in found.root.assets.values()
        ]
        return cls(
            scans=sum(1 / every for _, every in groups),
            values=sum(1 / (tag.every or one.every) for one in devices for tag in one.tags.values()),
            rows=sum(count / period for period, count in judged),
            devices=len(devices),
            tags=sum(len(one.tags) for one in devices),
            assets=sum(count for _, count in judged),
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What it takes.

    Attributes:
        cpu: cores.
        memory: bytes, resident, on a quiet day.
        disk: bytes of telemetry a day, if all that is read changes.
        lasts: s that the outbox holds everything without a broker; None where nothing is sent.
        measured: as in `Figures`.
    """

    cpu: float
    memory: float
    disk: float
    lasts: float | None
    measured: str


def estimated(found: Configuration, load: Load, figures: Figures) -> Estimate:
    """What `load` of a configuration takes by `figures`."""
    root = found.root
    told = root.telemetry != "off"
    bytes_s = (load.scans * figures.message + load.values * figures.reading) if told else 0.0
    things = load.devices * figures.device + load.tags * figures.tag + load.assets * figures.asset
    return Estimate(
        cpu=figures.idle + load.scans * figures.scan + load.values * figures.value + load.rows * figures.row,
        memory=figures.base + things + (figures.judging if load.assets else 0.0),
        disk=bytes_s * DAY,
        lasts=min(root.outbox.budget / bytes_s, root.outbox.max_age) if bytes_s else None,
        measured=figures.measured,
    )


def warnings(found: Configuration, estimate: Estimate, cores: int, free: int | None) -> Iterator[str]:
    """What is near its bound. `free`: bytes on the disk of the state; None where that is not known."""
    root = found.root
    if estimate.cpu > MUCH_CPU:
        yield f"about {estimate.cpu:.1f} cores, and one gateway has one: longer periods, or a second gateway"
    elif cores == 1 and estimate.cpu > MUCH_CPU / 2:
        yield f"about {estimate.cpu:.0%} of the only core here"
    if estimate.memory > MUCH_MEMORY * root.limits.memory:
        yield f"about {size(estimate.memory)} of memory, and limits.memory is {size(root.limits.memory)}: raise it"
    if estimate.lasts is not None and estimate.lasts < SHORT:
        lasts = span(estimate.lasts)
        yield f"without a broker the outbox lasts {lasts} if all changes: raise outbox.budget, or set deadbands"
    if free is not None and free - root.outbox.free < root.outbox.budget:
        yield f"outbox.budget is {size(root.outbox.budget)}, and the disk of the state has {size(free)} free"


def sentence(load: Load, estimate: Estimate) -> str:
    """One line for people."""
    by = f"measured here on {estimate.measured}" if estimate.measured else "by defaults; fieldgate bench self measures"
    disk = f"{size(estimate.disk)} of telemetry a day if all changes, " if estimate.lasts is not None else ""
    lasts = f"outbox lasts {span(estimate.lasts)} without a broker, " if estimate.lasts is not None else ""
    return (
        f"estimate: {load.values:.4g} values/s in {load.scans:.4g} scans/s: {estimate.cpu:.1%} of a core, "
        f"{size(estimate.memory)} of memory, {disk}{lasts}{by}"
    )


def size(count: float) -> str:
    """Bytes for people, to two digits or whole."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004 - SI
            return f"{count:.2g} {unit}" if count < 10 else f"{count:.0f} {unit}"  # noqa: PLR2004 - two digits
        count /= 1000
    return f"{count:.1f} TB"


def span(seconds: float) -> str:
    """A time for people."""
    for unit, length in (("d", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"

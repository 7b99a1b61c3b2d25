"""What a device is made of: connections, devices, scan groups and tags, numbered once per configuration.

A tag's number is its row, everywhere: table, image, batch, feature index, OPC UA ClientHandle. Rows run by device and,
within a device, by scan group, so that a group's rows are one slice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gateway.sdk.config import DeviceConfig, TagConfig

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag as its adapter sees it."""

    row: int
    name: str  # within the device: "flow"
    config: TagConfig


@dataclass(frozen=True, slots=True)
class Group:
    """The tags of one device that are read together, every `every` seconds; or that come as they change."""

    id: int  # number over the whole configuration
    device: int
    every: float
    rows: slice
    tags: tuple[Tag, ...]
    scanned: bool = True  # False: values come as they change, and never all at once

    def __len__(self) -> int:
        return len(self.tags)


@dataclass(frozen=True, slots=True)
class Device:
    """One device: its configuration and its scan groups."""

    id: int
    name: str
    config: DeviceConfig
    groups: tuple[Group, ...]

    @property
    def tags(self) -> list[Tag]:
        """Every tag of the device, in row order."""
        return [tag for group in self.groups for tag in group.tags]


def alike(one: DeviceConfig, other: DeviceConfig) -> bool:
    """Whether both say the same, and number their tags alike: the order of tags is their rows."""
    return one == other and list(one.tags) == list(other.tags)


@dataclass(frozen=True, slots=True)
class Connection:
    """What is opened and closed as one: a socket or a serial line, with the devices that share it."""

    name: str
    devices: tuple[Device, ...]
    phase: float = 0.0  # share of a period by which this connection's polls are shifted, 0 ≤ phase < 1

    @property
    def groups(self) -> list[Group]:
        """Every scan group of every device on this connection."""
        return [group for device in self.devices for group in device.groups]


@dataclass(frozen=True)
class TagTable:
    """The columns that never change while a configuration runs. One entry a row, shape (N,)."""

    devices: tuple[Device, ...]
    names: tuple[str, ...]  # "pump-7.flow"
    units: tuple[str, ...]
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    low: NDArray[np.float64]  # engineering range; -inf where none is set
    high: NDArray[np.float64]
    deadband: NDArray[np.float64]
    stale_after: NDArray[np.int64]  # ns
    device: NDArray[np.int64]  # device id of each row
    group: NDArray[np.int64]  # group id of each row
    _row: dict[str, int] = field(default_factory=dict, compare=False)

    @classmethod
    def build(cls, configs: Sequence[DeviceConfig]) -> "TagTable":
        """Number devices, groups and tags in the order of the configuration."""
        devices: list[Device] = []
        row = group_id = 0
        for device_id, config in enumerate(configs):
            groups = []
            for (every, scanned), members in _by_period(config):
                tags = tuple(Tag(row + i, name, tag) for i, (name, tag) in enumerate(members))
                groups.append(Group(group_id, device_id, every, slice(row, row + len(tags)), tags, scanned))
                row, group_id = row + len(tags), group_id + 1
            devices.append(Device(device_id, config.device, config, tuple(groups)))
        return cls._columns(tuple(devices))

    @classmethod
    def _columns(cls, devices: tuple[Device, ...]) -> "TagTable":
        triples = [(device, group, tag) for device in devices for group in device.groups for tag in group.tags]
        configs = [tag.config for _, _, tag in triples]
        names = tuple(f"{device.name}.{tag.name}" for device, _, tag in triples)
        stale = [tag.config.stale_after or dev.config.stale_after or 3 * group.every for dev, group, tag in triples]
        return cls(
            devices=devices,
            names=names,
            units=tuple(config.unit for config in configs),
            scale=np.array([config.scale for config in configs], float),
            offset=np.array([config.offset for config in configs], float),
            low=np.array([config.range[0] if config.range else -np.inf for config in configs], float),
            high=np.array([config.range[1] if config.range else np.inf for config in configs], float),
            deadband=np.array([config.deadband for config in configs], float),
            stale_after=np.array([int(seconds * NANOSECONDS) for seconds in stale], np.int64),
            device=np.array([device.id for device, _, _ in triples], np.int64),
            group=np.array([group.id for _, group, _ in triples], np.int64),
            _row={name: row for row, name in enumerate(names)},
        )

    def __len__(self) -> int:
        return len(self.names)

    def row(self, name: str) -> int:
        """The row of `device.tag`. Raises KeyError when there is none."""
        return self._row[name]

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Every scan group; a group stands at its id."""
        return tuple(group for device in self.devices for group in device.groups)


def _by_period(config: DeviceConfig) -> list[tuple[tuple[float, bool], list[tuple[str, TagConfig]]]]:
    """The tags of a device by their period and by how they come, in the order of first appearance."""
    groups: dict[tuple[float, bool], list[tuple[str, TagConfig]]] = {}
    for name, tag in config.tags.items():
        groups.setdefault((tag.every or config.every, config.scans(tag)), []).append((name, tag))
    return list(groups.items())

"""The tags as Sparkplug metrics: the name, alias and datatype of each row, and what a birth says of it.

An alias is made from name and datatype, so that it means the same after a restart with another configuration: what
still waits in the outbox is never taken for another tag.
"""

import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from gateway.deliver.sparkplug.wire import Datatype, Property, bytes_field, number_field, property_set, value_field
from gateway.sdk.quality import BAD, UNCERTAIN
from gateway.sdk.tags import TagTable

QUALITY_BAD, QUALITY_GOOD, QUALITY_STALE = 0, 192, 500  # §6.4.9.1; there are no others
RESERVED: Final = 16  # aliases below are the node's own
_MS: Final = 1_000_000
_DATATYPES: Final[Mapping[str, Datatype]] = {
    "bool": Datatype.BOOLEAN, "string": Datatype.STRING, "float32": Datatype.FLOAT, "float64": Datatype.DOUBLE,
    "int8": Datatype.INT8, "int16": Datatype.INT16, "int32": Datatype.INT32, "int64": Datatype.INT64,
    "uint8": Datatype.UINT8, "uint16": Datatype.UINT16, "uint32": Datatype.INT64, "uint64": Datatype.UINT64,
}  # fmt: skip
LONG: Final = (Datatype.INT64, Datatype.UINT64)


class Snapshot(Protocol):
    """The image, as far as a birth needs it: columns over all rows, and by row what is no number."""

    value: NDArray[np.float64]
    time: NDArray[np.int64]
    status: NDArray[np.uint32]
    other: dict[int, Any]


class Catalog:
    """The metrics of one configuration.

    Args:
        table: its tags.
        unit: gives the unit of a row, for births; as configured unless given.

    Attributes:
        alias: i8[N].
        datatype: u1[N].
        fingerprint: changes when any alias does.
        rows: of each device, where it stands among the rows.
    """

    def __init__(self, table: TagTable, unit: Callable[[int], str] | None = None) -> None:
        self._names = table.names
        self._heads: list[bytes] = [b""] * len(table)
        self._unit = unit or table.units.__getitem__
        self._taken: dict[int, int] = {}  # row by alias
        self.alias = np.zeros(len(table), np.int64)
        self.datatype = np.zeros(len(table), np.uint8)
        self.rows = [_span(device.groups[0].rows, device.groups[-1].rows) for device in table.devices]
        for device in table.devices:
            for tag in device.tags:
                plain = (tag.config.scale, tag.config.offset) == (1, 0)
                self._declare(tag.row, _DATATYPES[tag.config.datatype] if plain else Datatype.DOUBLE)
        self.fingerprint = self._fingerprint()

    def learn(self, other: Mapping[int, Any]) -> None:
        """Give rows whose values do not fit their datatype a wider one: what a server holds may show only now."""
        before = len(self._taken)
        for row, item in other.items():
            wanted = _fitting(int(self.datatype[row]), item)
            if wanted != self.datatype[row]:
                self._declare(row, wanted)
        if len(self._taken) != before:
            self.fingerprint = self._fingerprint()

    def knows(self, alias: int) -> bool:
        """Whether it is the alias of a row now."""
        row = self._taken.get(alias)
        return row is not None and int(self.alias[row]) == alias

    def name(self, row: int) -> str:
        """The metric's name: that of the tag within its device."""
        return self._names[row].partition(".")[2]

    def birth(self, device: int, image: Snapshot, now: int) -> bytes:
        """Every metric of `device` with its last known value; `now` (ms) dates what was never read."""
        return b"".join(self._birth(row, image, now) for row in range(*self.rows[device].indices(len(self._names))))

    def _birth(self, row: int, image: Snapshot, now: int) -> bytes:
        datatype, status = int(self.datatype[row]), int(image.status[row])
        value = image.other.get(row, float(image.value[row]))
        null = status >= BAD or value != value  # noqa: PLR0124 - NaN
        body = self._heads[row] + number_field(3, int(image.time[row]) // _MS or now)
        body += number_field(7, 1) if null else value_field(datatype, fit(datatype, value))
        return bytes_field(2, body + _properties(quality_of(status), self._unit(row)))

    def _declare(self, row: int, datatype: Datatype) -> None:
        alias = zlib.crc32(f"{self._names[row]}:{datatype}".encode())
        while alias < RESERVED or self._taken.get(alias, row) != row:
            alias = (alias + 1) & 0xFFFFFFFF
        self._taken[alias] = row
        self.alias[row], self.datatype[row] = alias, datatype
        name = bytes_field(1, self.name(row).encode())
        self._heads[row] = name + number_field(2, alias) + number_field(4, datatype)

    def _fingerprint(self) -> int:
        return zlib.crc32(self.alias.tobytes())


def quality_of(status: int) -> int:
    """Sparkplug's quality of an OPC UA StatusCode. What is uncertain is not to be relied on: stale."""
    if status >= BAD:
        return QUALITY_BAD
    return QUALITY_STALE if status >= UNCERTAIN else QUALITY_GOOD


def fit(datatype: int, value: Any) -> float | str:
    """`value` as one of `datatype`: a text for a string, whatever it was."""
    if datatype != Datatype.STRING:
        return value if isinstance(value, int | float) else 0
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(value) if isinstance(value, int) else orjson.dumps(value, default=str).decode()


def _fitting(datatype: int, item: Any) -> Datatype:
    """The datatype that holds both what `datatype` held so far and `item`."""
    if not isinstance(item, int) or isinstance(item, bool):
        return Datatype.STRING
    if datatype in LONG and _holds(datatype, item):
        return Datatype(datatype)
    if datatype in (Datatype.STRING, *LONG):
        return Datatype.STRING
    return next((long for long in LONG if _holds(long, item)), Datatype.STRING)


def _holds(datatype: int, item: int) -> bool:
    return -(2**63) <= item < 2**63 if datatype == Datatype.INT64 else 0 <= item < 2**64


@lru_cache(1024)
def _properties(quality: int, unit: str) -> bytes:
    told = {"Quality": Property(Datatype.INT32, quality)}
    return property_set(told | ({"engUnit": Property(Datatype.STRING, unit)} if unit else {}))


def _span(first: slice, last: slice) -> slice:
    return slice(first.start, last.stop)

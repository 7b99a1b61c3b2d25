"""What the values of a row mean: its unit, its range and its texts; as configured, else as its device says.

This is the one place that decides it. Asked when somebody looks or is told; no reading passes here.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np

from gateway.sdk.adapter import Adapter
from gateway.sdk.described import Described, Describes
from gateway.sdk.tags import TagTable

Says = Callable[[], Mapping[str, Described]]
_NOTHING: Final = Described()
_NOBODY: Final[Says] = dict


class Meanings:
    """Of the rows of one table; read from any thread."""

    def __init__(self, table: TagTable) -> None:
        self._table = table
        self._said: list[Says] = [_NOBODY] * len(table.devices)  # by device
        self._sayers: list[Says] = []

    def said_by(self, adapters: Iterable[Adapter]) -> None:
        """From now on devices say it by these."""
        sayers = [adapter for adapter in adapters if isinstance(adapter, Describes)]
        of = {device.name: one.described for one in sayers for device in one.connection.devices}
        self._said = [of.get(device.name, _NOBODY) for device in self._table.devices]
        self._sayers = [one.described for one in sayers]

    @property
    def may_say(self) -> bool:
        """Whether there is any device that may say something."""
        return bool(self._sayers)

    @property
    def known(self) -> int:
        """Of how many tags devices have said anything: another number when there is news."""
        return sum(len(says()) for says in self._sayers)

    def of(self, row: int) -> Described:
        """All of it. What a device says is of its own number: where the configuration scales that, it does not hold."""
        table = self._table
        low, high = float(table.low[row]), float(table.high[row])
        scaled = (table.scale[row], table.offset[row]) != (1.0, 0.0)
        said = _NOTHING if scaled else self._said[table.device[row]]().get(table.names[row], _NOTHING)
        span = (low, high) if np.isfinite((low, high)).all() else said.range
        return Described(table.units[row] or said.unit, span, said.texts)

    def unit(self, row: int) -> str:
        """Engineering unit; "" where nobody says one."""
        return self._table.units[row] or self.of(row).unit

    def text(self, row: int, value: float) -> str:
        """What `value` means, as of an enumeration: "Running"; "" where nobody says."""
        return text(self.of(row).texts, value)

    def words(self, row: int, value: float) -> str:
        """A value for people: `3 bar`, `3 (Running)`."""
        said = self.text(row, value)
        return " ".join(filter(None, (f"{value:.6g}", self.unit(row), f"({said})" if said else "")))


def text(texts: Mapping[int, str], value: Any) -> str:
    """That of `value` among `texts`; "" where it has none."""
    return texts.get(int(value), "") if texts and isinstance(value, float) and value.is_integer() else ""

"""What becomes of values that the server calls uncertain, tag by tag. Pure: columns in place."""

from collections.abc import Sequence
from typing import Final, cast

import numpy as np

from gateway.sdk import Device, Rows, quality
from gateway_opcua.columns import Columns
from gateway_opcua.config import OpcuaDevice, OpcuaTag

_KEEP, _GOOD, _BAD = 0, 1, 2
_POLICIES: Final = {"keep": _KEEP, "good": _GOOD, "bad": _BAD}
_UNCERTAIN: Final = 1  # severity (Part 4 §7.39)
_INFO: Final = np.uint32(0x0000FFFF)  # bits beside the code: limits, overflow


class Doubt:
    """The policies of all tags of a connection."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._policies = np.zeros(1 + max((tag.row for device in devices for tag in device.tags), default=0), np.uint8)
        for device in devices:
            for tag in device.tags:
                own = cast("OpcuaTag", tag.config).uncertain or cast("OpcuaDevice", device.config).uncertain
                self._policies[tag.row] = _POLICIES[own]
        self._any = bool(self._policies.any())

    def settle(self, rows: Rows, columns: Columns) -> Columns:
        """The same columns (n entries, one for each of `rows`), nothing left uncertain that is not to be."""
        if not self._any:
            return columns
        uncertain = columns.status >> 30 == _UNCERTAIN
        if not uncertain.any():
            return columns
        policies = self._policies[rows]
        columns.status[uncertain & (policies == _GOOD)] &= _INFO
        bad = uncertain & (policies == _BAD)
        columns.status[bad] = columns.status[bad] & _INFO | np.uint32(quality.BAD)
        columns.settle()
        return columns

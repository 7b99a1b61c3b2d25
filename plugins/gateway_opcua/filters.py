"""What a server is asked to hold back of each tag (Part 4 §7.22.2), and what instead where it refuses. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from asyncua import ua

from gateway.sdk.described import Described
from gateway_opcua.config import OpcuaTag

_TRIGGERS: Final = {
    "status": ua.DataChangeTrigger.Status,
    "value": ua.DataChangeTrigger.StatusValue,
    "timestamp": ua.DataChangeTrigger.StatusValueTimestamp,
}


class Filters:
    """The filters of the tags of one session."""

    def __init__(self, tags: Mapping[int, OpcuaTag]) -> None:
        """`tags`: by row."""
        self._tags = tags
        self._instead: dict[int, float] = {}  # absolute dead-bands of rows whose percent was refused
        self._given_up: set[int] = set()

    def of(self, row: int) -> ua.DataChangeFilter | None:
        """The filter of a tag; None where it is as without one: no server must know any."""
        tag = self._tags[row]
        if row in self._given_up or not _wanted(tag):
            return None
        absolute = tag.deadband_absolute or self._instead.get(row, 0.0)
        kind = ua.DeadbandType.Absolute if absolute else ua.DeadbandType.Percent
        width = absolute or tag.deadband_percent
        return ua.DataChangeFilter(
            Trigger=_TRIGGERS[tag.trigger],
            DeadbandType=ua.UInt32(kind.value if width else ua.DeadbandType.None_.value),
            DeadbandValue=ua.Double(width),
        )

    def without_a_range(self, rows: Iterable[int]) -> list[int]:
        """Of `rows`, whose filters were refused, those for which their range would help."""
        return [row for row in rows if self._tags[row].deadband_percent and row not in self._instead]

    def step_down(self, rows: Iterable[int], known: Mapping[int, Described]) -> list[int]:
        """The filters of `rows` were refused: percent becomes absolute where the range is `known`, the rest nothing.

        Returns the rows that ask for less now; one without a filter was refused for something else.
        """
        lowered = [row for row in rows if self.of(row) is not None]
        for row in lowered:
            span = known[row].range if row in known and row not in self._instead else None
            percent = self._tags[row].deadband_percent
            if span and percent:
                self._instead[row] = percent / 100 * (span[1] - span[0])
            else:
                self._given_up.add(row)
        return lowered


def _wanted(tag: OpcuaTag) -> bool:
    return tag.trigger != "value" or bool(tag.deadband_percent or tag.deadband_absolute)

"""More alarms than one operator can take (ISA-18.2: a flood): told of once when it begins, and once when it is over.

No alarm is held back: what to do about a flood is for those who see it, and the first alarm is often its cause.
"""

from collections.abc import Callable
from typing import Final

from gateway.deliver.event import GatewayEvent
from gateway.operators.records import AlarmRecords

NAME: Final = "alarms"  # whom the event is about
_OVER: Final = 0.5  # of the limit: under it the flood is over (ISA-18.2: begins above 10, over below 5)


class FloodWatch:
    """Looks at the alarms of the last ten minutes.

    Args:
        records: where they are counted.
        limit: so many are no flood yet; 0: nothing ever is.
        send: takes the events.
    """

    def __init__(self, records: AlarmRecords, limit: int, send: Callable[[GatewayEvent], None]) -> None:
        self._records, self._limit, self._send = records, limit, send
        self.on = False
        self._worst = 0  # most alarms in ten minutes of this flood

    def look(self, wall: int) -> None:
        """Once a second; `wall` is Unix ns UTC."""
        if not self._limit:
            return
        by_severity = self._records.ten_minutes()
        count = sum(by_severity.values())
        self._worst = max(self._worst, count) if self.on else count
        if not self.on and count > self._limit:
            self.on = True
            first = self._records.figures.first
            text = f"{count} alarms within ten minutes; the first was {self._records.names[first]}"
            fields = {"count": count, "first": self._records.names[first], **by_severity}
            self._send(GatewayEvent("alarm flood", NAME, wall, text, fields))
        elif self.on and count < self._limit * _OVER:
            self.on = False
            text = f"the flood of alarms is over; at worst there were {self._worst} within ten minutes"
            self._send(GatewayEvent("alarm flood over", NAME, wall, text, {"worst": self._worst}))

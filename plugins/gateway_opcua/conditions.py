"""The conditions of one device that stand now, and which events are news (Part 9 §5.5, §4.5). Pure, and bounded.

After a break the server is asked to tell its conditions again (ConditionRefresh). What it does not tell then does not
stand any more, whatever was heard of it before.
"""

from collections import OrderedDict
from typing import Final

from gateway_opcua.event import Event

_REMEMBERED: Final = 10_000  # ids of events
_MOST: Final = 10_000  # conditions


class Conditions:
    """What was heard of one device.

    Attributes:
        standing: the last event of each condition that the server retains, by the condition's id.
        dropped: conditions that had no room.
        refreshing: the server is just telling them again.
    """

    def __init__(self) -> None:
        self.standing: dict[str, Event] = {}
        self.dropped = 0
        self.refreshing = False
        self._heard: OrderedDict[bytes, None] = OrderedDict()  # ids of events
        self._unseen: set[str] = set()  # of those standing, since the refresh began
        self._whole = True

    def take(self, event: Event) -> bool:
        """Hear one event; whether it is news: heard for the first time, and while refreshing another state."""
        again = event.event_id in self._heard if event.event_id else False
        if event.event_id:
            self._heard[event.event_id] = None
            if len(self._heard) > _REMEMBERED:
                self._heard.popitem(last=False)
        if not event.condition:
            return not again
        before = self.standing.get(event.condition)
        self._unseen.discard(event.condition)
        self._keep(event)
        same = before is not None and before.state == event.state and before.retain == event.retain
        return not (again or (self.refreshing and same))

    def _keep(self, event: Event) -> None:
        if not event.retain:
            self.standing.pop(event.condition, None)
        elif event.condition in self.standing or len(self.standing) < _MOST:
            self.standing[event.condition] = event
        else:
            self.dropped += 1

    def begin(self) -> None:
        """The server begins to tell its conditions again."""
        self.refreshing, self._whole = True, True
        self._unseen = set(self.standing)

    def miss(self) -> None:
        """Events were lost: what is not heard in this refresh may stand all the same."""
        self._whole = False

    def end(self) -> list[Event]:
        """The server has told them all: those that stood before and do not any more."""
        gone = [self.standing.pop(name) for name in sorted(self._unseen)] if self.refreshing and self._whole else []
        self.refreshing, self._unseen = False, set()
        return gone

"""Commands by their ids: what came of those that have come, and who waits for those that are under way.

Writes and calls share it: whatever an id was used for, it is not used again.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.operators.outcome import Outcome

MOST: Final = 10_000  # ids that are remembered
Heard = Callable[[Outcome], None]


class Known:
    """The ids of one gateway. Those of an earlier run are taken up from the audit."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, Outcome] = OrderedDict()
        self._open: dict[str, list[Heard]] = {}

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._open)

    def remember(self, id_: str, outcome: Outcome) -> None:
        """What came of a command."""
        self._ends[id_] = outcome
        if len(self._ends) > MOST:
            self._ends.popitem(last=False)

    def begin(self, id_: str, heard: Heard) -> None:
        """A command is under way; `heard` is called with what comes of it."""
        self._open[id_] = [heard]

    def repeats(self, id_: str, again: Heard) -> bool:
        """Whether the id has come before; then `again` is called with what came, or will come, of the first."""
        if id_ in self._open:
            self._open[id_].append(again)
        elif id_ in self._ends:
            again(self._ends[id_])
        else:
            return False
        return True

    def settle(self, id_: str, outcome: Outcome) -> None:
        """It has come to an end: all who wait are told."""
        self.remember(id_, outcome.kept)
        for heard in self._open.pop(id_, ()):
            heard(outcome)

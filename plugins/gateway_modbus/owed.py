"""Which answers a line still owes, where nothing in an answer names its request (RTU, ASCII). Pure.

After a silence the answer may still come, and would look like that of the next request of its kind. So the unit is left
alone for a while; and if the answer has not come then, the unit is asked for a different amount of data first. Units
answer in order: once that answer is there, everything owed before is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from gateway_modbus.addresses import LAST
from gateway_modbus.frames import ANY, DATA, ERROR, FUNCTION, UNIT, Request, read_request

MOST: Final = 8  # kinds of answers that one unit owes at a time; more silences in a row say nothing new
_READS: Final[Mapping[int, int]] = MappingProxyType({1: 8, 2: 8, 3: 1, 4: 1})  # function → elements in its unit of size
_BYTES: Final[Mapping[int, int]] = MappingProxyType({1: 1, 2: 1, 3: 2, 4: 2})
_HOLDING: Final = 3

_Kind = tuple[int, int]  # function, bytes of payload


@dataclass(slots=True)
class _Debt:
    until: float
    kinds: list[_Kind] = field(default_factory=list)


class Owed:
    """The debts of all units of one line."""

    def __init__(self) -> None:
        self._debts: dict[int, _Debt] = {}

    def __bool__(self) -> bool:
        return bool(self._debts)

    def note(self, request: Request, until: float) -> None:
        """`request` was given up; its unit is left alone until then."""
        debt = self._debts.setdefault(request.tail[4], _Debt(until))
        debt.until = until
        debt.kinds = [*debt.kinds, (request.tail[5], request.size)][-MOST:]

    def until(self, unit: int) -> float:
        """Until when `unit` is left alone; 0 where it owes nothing."""
        debt = self._debts.get(unit)
        return debt.until if debt else 0.0

    def paid(self, frame: bytes) -> bool:
        """Whether `frame`, which does not answer the request in flight, was owed. It no longer is."""
        debt = self._debts.get(frame[UNIT])
        owed = [kind for kind in debt.kinds if _is(kind, frame)] if debt else []
        if debt and owed:
            # answers come in order: whatever was owed before this one never comes
            debt.kinds = debt.kinds[debt.kinds.index(owed[0]) + 1 :]
            if not debt.kinds:
                self.clear(frame[UNIT])
        return bool(owed)

    def clear(self, unit: int) -> None:
        """Everything that `unit` owed is over."""
        self._debts.pop(unit, None)

    def probe(self, request: Request) -> Request | None:
        """What to ask before `request`, so that its answer cannot be an owed one; None where its unit owes nothing."""
        debt = self._debts.get(request.tail[4])
        if debt is None:
            return None
        function, start = request.tail[5], int.from_bytes(request.tail[6:8], "big")
        if function not in _READS:
            function, start = _HOLDING, 0
        times = next(times for times in range(1, MOST + 2) if (function, times * _BYTES[function]) not in debt.kinds)
        count = times * _READS[function]
        tail = read_request(request.tail[4], function, min(start, LAST + 1 - count), count)
        return Request(tail, times * _BYTES[function], lambda _: None, request.timeout, request.delay)


def _is(kind: _Kind, frame: bytes) -> bool:
    function, size = kind
    if frame[FUNCTION] & ERROR:
        return frame[FUNCTION] & ~ERROR == function
    return frame[FUNCTION] == function and size in (ANY, len(frame) - DATA)

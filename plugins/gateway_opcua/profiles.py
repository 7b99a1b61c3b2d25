"""Servers that are known, by their build info (Part 5 §12.4): what they bear, where what they say does not tell. Pure.

Nothing depends on it: an unknown server is asked as it says itself, and for less when it refuses.
"""

from dataclasses import dataclass
from typing import Any, Final

_CAREFUL: Final = 1000  # where a server names no limit
_HIGHEST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Profile:
    """What one kind of server bears.

    Attributes:
        name: as people call it.
        words: one of them stands in its manufacturer's or its product's name, in small letters.
        items: monitored items that one call should create at most.
        unlimited: things that one call may have where the server names no limit, or 0 for none.
    """

    name: str
    words: tuple[str, ...]
    items: int = _HIGHEST
    unlimited: int = _CAREFUL

    def limit(self, told: float) -> int:
        """An operation limit as the server told it; 0 and no answer (NaN) mean that none is known."""
        return min(int(told) if told >= 1 else self.unlimited, _HIGHEST)

    def items_per_call(self, told: float) -> int:
        """The same for monitored items."""
        return min(self.limit(told), self.items)


UNKNOWN: Final = Profile("", ())
PROFILES: Final = (
    # It says 1,000 items a call; beyond 200 a call takes fifty times as long (Siemens entry 109755846: 100).
    Profile("S7-1200", ("s7-1200",), items=100),
    Profile("S7-1500", ("s7-1500",), items=500),
    Profile("Kepware", ("kepserverex", "kepware"), items=1000),
    Profile("Ignition", ("ignition", "eclipse milo"), items=1000),
    Profile("Prosys", ("prosys",), items=1000),
    # Programs on a computer, which bear more than the careful number where they name none.
    Profile("node-opcua", ("node-opcua", "nodeopcua"), unlimited=5000),
    Profile("open62541", ("open62541",), unlimited=5000),
)


def profile_of(build_info: Any) -> Profile:
    """By a BuildInfo as it is read; UNKNOWN where it is none of those known, or nothing."""
    if not isinstance(build_info, dict):
        return UNKNOWN
    said = " ".join(str(build_info.get(name) or "") for name in ("ManufacturerName", "ProductName", "ProductUri"))
    said = said.lower()
    return next((one for one in PROFILES if any(word in said for word in one.words)), UNKNOWN)

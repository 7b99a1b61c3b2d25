"""What can go wrong in the plant: a table of faults, and how far each has developed.

A fault that is switched on ramps in; switched off it recovers fast. Times are the plant's seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: the machine that has it, and the tag that an explanation of it should name first."""

    asset: str
    culprit: str
    ramp: float  # s from nothing to fully developed
    recovery: float  # s back to nothing
    description: str


FAULTS: Final[Mapping[str, Fault]] = {
    "bearing_wear": Fault("pump", "pump_vibration", 40.0, 4.0, "a bearing wears: it shakes, and it runs hot"),
    "cavitation": Fault("pump", "pump_vibration", 10.0, 2.0, "vapour in the pump: head and flow fall, noisily"),
    "clogged_filter": Fault("exchanger", "exchanger_pressure_drop", 30.0, 4.0, "dirt in the strainer: less flow"),
    "stuck_valve": Fault("exchanger", "exchanger_valve_position", 40.0, 1.0, "the valve no longer follows its command"),
    "frozen_sensor": Fault("pump", "pump_motor_current", 40.0, 1.0, "a sensor repeats its last value for ever"),
}


class FaultBank:
    """Which faults are on, and how far each has developed: 0 not at all, 1 fully."""

    def __init__(self) -> None:
        self._level = dict.fromkeys(FAULTS, 0.0)
        self._on = dict.fromkeys(FAULTS, False)

    def switch(self, name: str, *, on: bool) -> None:
        """Let a fault begin or end. Raises KeyError for a fault that is not in `FAULTS`."""
        if name not in FAULTS:
            raise KeyError(f"no fault {name!r}; there are {', '.join(FAULTS)}")
        self._on[name] = on

    def step(self, dt: float) -> None:
        """Let `dt` seconds of development or recovery pass."""
        for name, fault in FAULTS.items():
            change = dt / fault.ramp if self._on[name] else -dt / fault.recovery
            self._level[name] = min(1.0, max(0.0, self._level[name] + change))

    def level(self, name: str) -> float:
        """How far `name` has developed, 0 to 1."""
        return self._level[name]

    @property
    def active(self) -> list[str]:
        """The faults that are switched on."""
        return [name for name, on in self._on.items() if on]

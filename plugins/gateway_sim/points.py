"""The tags of the simulated plant: name, unit, range, accuracy of the sensor. A tag's number is its column."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Point:
    """One tag that a server serves."""

    name: str
    unit: str = ""
    low: float | None = None  # engineering range; None where none is known
    high: float | None = None
    noise: float = 0.0  # standard deviation of the sensor, in units
    description: str = ""


POINTS: Final = (
    Point("pump_speed", "1/min", 0, 2000, 1.5, "Speed of the pump shaft"),
    Point("pump_flow", "m³/h", 0, 250, 0.4, "Flow through the pump"),
    Point("pump_suction_pressure", "bar", -1, 5, 0.005, "Pressure before the pump, above atmosphere"),
    Point("pump_discharge_pressure", "bar", -1, 10, 0.02, "Pressure behind the pump, above atmosphere"),
    Point("pump_vibration", "mm/s", 0, 50, 0.05, "Vibration of the bearing housing, RMS velocity (ISO 20816)"),
    Point("pump_bearing_temperature", "°C", -20, 150, 0.1, "Temperature of the bearing"),
    Point("pump_motor_current", "A", 0, 80, 0.1, "Current of the motor, per phase"),
    Point("pump_motor_power", "kW", 0, 50, 0.06, "Electrical power of the motor"),
    Point("drive_frequency", "Hz", 0, 80, 0.01, "Output frequency of the drive"),
    Point("drive_speed", "1/min", 0, 2000, 1.5, "Speed by the motor's encoder"),
    Point("drive_current", "A", 0, 80, 0.1, "Output current of the drive"),
    Point("drive_voltage", "V", 0, 600, 0.5, "Mains voltage at the drive, line to line"),
    Point("drive_torque", "Nm", 0, 300, 0.4, "Torque as the drive estimates it"),
    Point("drive_winding_temperature", "°C", -20, 200, 0.1, "Temperature of the motor's winding"),
    Point("tank_level", "m", 0, 6, 0.004, "Level of the tank"),
    Point("tank_inflow", "m³/h", 0, 300, 0.4, "Flow into the tank"),
    Point("tank_outflow", "m³/h", 0, 300, 0.4, "Flow out of the tank, to the pump"),
    Point("tank_temperature", "°C", 0, 100, 0.1, "Temperature in the tank"),
    Point("exchanger_hot_in", "°C", 0, 100, 0.1, "Hot side, in"),
    Point("exchanger_hot_out", "°C", 0, 100, 0.1, "Hot side, out"),
    Point("exchanger_cold_in", "°C", 0, 100, 0.1, "Cold side, in"),
    Point("exchanger_cold_out", "°C", 0, 100, 0.1, "Cold side, out"),
    Point("exchanger_cold_flow", "m³/h", 0, 300, 0.4, "Flow on the cold side"),
    Point("exchanger_pressure_drop", "bar", 0, 5, 0.005, "Pressure drop over strainer and exchanger, hot side"),
    Point("exchanger_valve_command", "%", 0, 100, 0.02, "Opening that the valve behind the exchanger is told to take"),
    Point("exchanger_valve_position", "%", 0, 100, 0.2, "Opening that the valve says it has"),
)

NAMES: Final = tuple(point.name for point in POINTS)
NOISE: Final[NDArray[np.float64]] = np.array([point.noise for point in POINTS])

ASSETS: Final[Mapping[str, tuple[str, ...]]] = {
    "pump": (*(name for name in NAMES if name.startswith("pump_")), "drive_frequency"),
    "drive": (*(name for name in NAMES if name.startswith("drive_")), "pump_flow"),
    "tank": tuple(name for name in NAMES if name.startswith("tank_")),
    "exchanger": (*(name for name in NAMES if name.startswith("exchanger_")), "pump_flow", "drive_frequency"),
}
"""The machines, and the tags that tell of each: its own, and those of a neighbour that explain them."""

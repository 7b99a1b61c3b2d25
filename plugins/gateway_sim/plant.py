"""Water from a tank through a pump, a strainer, a heat exchanger and a valve: physics, stepped, no clock and no socket.

Affinity laws for the pump, quadratic losses in the pipes, energy balance in the exchanger (effectiveness-NTU method,
counter-flow), first-order lags for everything that has mass. The load varies slowly, so that normal operation moves and
the tags move together. The same seed gives the same plant, fault or no fault.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway_sim.faults import FAULTS, FaultBank
from gateway_sim.points import NAMES, NOISE

LONGEST_STEP: Final = 0.5  # s; the fastest process (flow, 0.6 s) is still seen to move
BAR_PER_METRE: Final = 0.0981  # of water
HEAT_PER_FLOW: Final = 4.18 / 3.6  # kW/K that 1 m³/h of water carries
TANK_AREA: Final = 1.5  # m²
DISTURBANCES: Final = 5  # load, supply, supply temperature, cold water temperature, mains voltage
_DRAWS: Final = DISTURBANCES + 1
_TAU: Final = np.array([45.0, 40.0, 90.0, 120.0, 60.0])  # s, how long each disturbance remembers
_SIGMA: Final = np.array([0.06, 0.03, 1.0, 0.5, 2.0])  # how far each strays


@dataclass(slots=True)
class State:
    """What the plant remembers, and what the last step found. Flows m³/h, heads m, temperatures °C, powers kW."""

    time: float = 0.0
    disturbance: NDArray[np.float64] = field(default_factory=lambda: np.zeros(DISTURBANCES))
    speed: float = 1.0  # of nominal
    flow: float = 100.0
    head: float = 30.0
    command: float = 0.65
    valve: float = 0.65
    level: float = 2.5
    inlet: float = 0.5
    integral: float = 0.0
    inflow: float = 100.0
    tank_temperature: float = 65.0
    heat: float = 2900.0  # kW through the exchanger
    cold_flow: float = 120.0
    hot_out: float = 40.0
    bearing: float = 45.0
    winding: float = 70.0
    shake: float = 0.0  # standard normal, drawn anew each step: what cavitation sounds like


def lag(dt: float, tau: float) -> float:
    """Share of the way to its goal that a first-order lag goes in `dt`: exact, hence stable for any step."""
    return 1.0 - math.exp(-dt / tau)


class Plant:
    """The plant. `advance` lets time pass; `values` is what its sensors then say, in the order of `POINTS`."""

    def __init__(self, seed: int = 0) -> None:
        self.faults = FaultBank()
        self.state = State()
        self._rng = np.random.default_rng(seed)
        self._frozen: float | None = None
        self.truth = self._readings()
        self.values = self.truth.copy()

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass in steps of at most `LONGEST_STEP`, then look at every sensor once."""
        steps = max(1, math.ceil(seconds / LONGEST_STEP - 1e-9))
        for _ in range(steps):
            self._step(seconds / steps)
        self.truth = self._readings()
        self.values = self.truth + NOISE * self._rng.standard_normal(len(NAMES))
        self._freeze()

    def _step(self, dt: float) -> None:
        self.faults.step(dt)
        self._disturb(dt)
        self._pump(dt)
        self._tank(dt)
        self._exchange(dt)
        self._warm(dt)
        self.state.time += dt

    def _disturb(self, dt: float) -> None:
        """Slow load variation: a sine, and Ornstein-Uhlenbeck processes (exact for any step)."""
        s, drawn = self.state, self._rng.standard_normal(_DRAWS)
        fade = np.exp(-dt / _TAU)
        s.disturbance = s.disturbance * fade + _SIGMA * np.sqrt(1 - fade**2) * drawn[:DISTURBANCES]
        s.shake = float(drawn[-1])
        load = 1.0 + 0.1 * math.sin(2 * math.pi * s.time / 240) + float(s.disturbance[0])
        load = min(1.4, max(0.6, load))
        s.command = min(0.95, max(0.25, 0.65 + 0.5 * (load - 1)))
        if self.faults.level("stuck_valve") == 0:
            s.valve += (s.command - s.valve) * lag(dt, 1.5)
        s.speed += (0.9 + 0.1 * load - s.speed) * lag(dt, 2.0)

    def _pump(self, dt: float) -> None:
        """Where the pump's curve meets the pipe's: 40 s² - a Q² = 6 + K Q², the flow following with its inertia."""
        s = self.state
        cavitation = self.faults.level("cavitation")
        shutoff = 40.0 * s.speed**2 * (1 - cavitation * (0.12 + 0.04 * s.shake))
        strainer = 5.1e-4 * (1 + 3 * self.faults.level("clogged_filter"))
        pipe = 6e-4 + strainer + 5.45e-4 / s.valve**2
        steady = math.sqrt(max(0.0, shutoff - 6.0) / (1e-3 + pipe))
        s.flow += (steady - s.flow) * lag(dt, 0.6)
        s.head = shutoff - 1e-3 * s.flow**2

    def _tank(self, dt: float) -> None:
        """Mass and energy of what is in the tank; a PI controller moves the inlet valve."""
        s = self.state
        error = 2.5 - s.level
        s.integral = min(0.5, max(-0.5, s.integral + error * 0.5 * dt / 120))
        s.inlet += (min(1.0, max(0.0, 0.5 + 1.2 * error + s.integral)) - s.inlet) * lag(dt, 3.0)
        s.inflow = 200.0 * s.inlet * (1 + float(s.disturbance[1]))
        s.level = min(5.9, max(0.2, s.level + (s.inflow - s.flow) / 3600 * dt / TANK_AREA))
        supply = 65.0 + float(s.disturbance[2])
        turnover = 3600 * TANK_AREA * s.level / max(s.inflow, 1.0)
        s.tank_temperature += (supply - s.tank_temperature) * lag(dt, turnover)

    def _exchange(self, dt: float) -> None:
        """Effectiveness-NTU, counter-flow; the wall's heat lags, so that both sides always balance exactly."""
        s = self.state
        hot, cold = HEAT_PER_FLOW * max(s.flow, 1.0), HEAT_PER_FLOW * s.cold_flow
        small, ratio = min(hot, cold), min(hot, cold) / max(hot, cold)
        transfer = 150.0 * (max(s.flow, 1.0) / 100) ** 0.4 * (s.cold_flow / 120) ** 0.4
        beyond = math.exp(-transfer / small * (1 - ratio))
        units = transfer / small
        effectiveness = units / (1 + units) if ratio > 1 - 1e-6 else (1 - beyond) / (1 - ratio * beyond)
        s.heat += (effectiveness * small * (s.tank_temperature - self._cold_in) - s.heat) * lag(dt, 6.0)
        s.hot_out = s.tank_temperature - s.heat / hot
        wanted = min(220.0, max(40.0, 120.0 + 6.0 * (s.hot_out - 40.0)))
        s.cold_flow += (wanted - s.cold_flow) * lag(dt, 4.0)

    def _warm(self, dt: float) -> None:
        """Bearing and winding warm with friction and with the square of the current."""
        s = self.state
        bearing = self._ambient + 22.0 * s.speed**2 + 25.0 * self.faults.level("bearing_wear")
        winding = self._ambient + 45.0 * (self._current / 20) ** 2
        s.bearing += (bearing - s.bearing) * lag(dt, 30.0)
        s.winding += (winding - s.winding) * lag(dt, 90.0)

    @property
    def _cold_in(self) -> float:
        return 20.0 + float(self.state.disturbance[3])

    @property
    def _ambient(self) -> float:
        return 25.0 + math.sin(2 * math.pi * self.state.time / 1800)

    @property
    def _voltage(self) -> float:
        return 400.0 + float(self.state.disturbance[4])

    @property
    def _shaft_power(self) -> float:
        """Hydraulic power over efficiency, which is best at nominal flow for the speed; a worn bearing takes too."""
        s = self.state
        efficiency = max(0.2, 0.75 * (1 - 0.6 * (s.flow / (100 * max(s.speed, 0.1)) - 1) ** 2))
        hydraulic = 9.81 * s.flow * s.head / 3600
        return hydraulic / efficiency + 0.4 + 0.3 * self.faults.level("bearing_wear")

    @property
    def _power(self) -> float:
        return self._shaft_power / 0.91

    @property
    def _current(self) -> float:
        return 1000 * self._power / (math.sqrt(3) * self._voltage * 0.86)

    @property
    def _vibration(self) -> float:
        s = self.state
        off_best = (s.flow / (100 * max(s.speed, 0.1)) - 1) ** 2
        burst = self.faults.level("cavitation") * (3.0 + 1.5 * abs(s.shake))
        return 1.6 * s.speed**2 + 1.2 * off_best + 4.0 * self.faults.level("bearing_wear") + burst

    def _readings(self) -> NDArray[np.float64]:
        s = self.state
        rpm = 1480.0 * s.speed
        suction = 0.2 + BAR_PER_METRE * s.level - 0.15 * (s.flow / 100) ** 2
        strainer = 5.1e-4 * (1 + 3 * self.faults.level("clogged_filter"))
        by_name = {
            "pump_speed": rpm,
            "pump_flow": s.flow,
            "pump_suction_pressure": suction,
            "pump_discharge_pressure": suction + BAR_PER_METRE * s.head,
            "pump_vibration": self._vibration,
            "pump_bearing_temperature": s.bearing,
            "pump_motor_current": self._current,
            "pump_motor_power": self._power,
            "drive_frequency": 50.0 * s.speed,
            "drive_speed": rpm,
            "drive_current": self._current,
            "drive_voltage": self._voltage,
            "drive_torque": self._shaft_power * 1000 / (rpm * 2 * math.pi / 60),
            "drive_winding_temperature": s.winding,
            "tank_level": s.level,
            "tank_inflow": s.inflow,
            "tank_outflow": s.flow,
            "tank_temperature": s.tank_temperature,
            "exchanger_hot_in": s.tank_temperature,
            "exchanger_hot_out": s.hot_out,
            "exchanger_cold_in": self._cold_in,
            "exchanger_cold_out": self._cold_in + s.heat / (HEAT_PER_FLOW * s.cold_flow),
            "exchanger_cold_flow": s.cold_flow,
            "exchanger_pressure_drop": strainer * s.flow**2 * BAR_PER_METRE,
            "exchanger_valve_command": 100 * s.command,
            "exchanger_valve_position": 100 * s.valve,
        }
        return np.array([by_name[name] for name in NAMES])

    def _freeze(self) -> None:
        """A frozen sensor repeats its very last value, noise and all."""
        column = NAMES.index(FAULTS["frozen_sensor"].culprit)
        if self.faults.level("frozen_sensor") == 0:
            self._frozen = None
            return
        if self._frozen is None:
            self._frozen = float(self.values[column])
        self.values[column] = self._frozen

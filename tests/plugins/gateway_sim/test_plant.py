import math
import statistics

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway_sim.faults import FAULTS, FaultBank
from gateway_sim.plant import BAR_PER_METRE, HEAT_PER_FLOW, TANK_AREA, Plant
from gateway_sim.points import ASSETS, NAMES, NOISE, POINTS

SETTLED = 600.0


def column(name: str) -> int:
    return NAMES.index(name)


def settled(seed: int) -> Plant:
    plant = Plant(seed)
    plant.advance(SETTLED)
    return plant


def run(plant: Plant, steps: int, dt: float = 0.5) -> NDArray[np.float64]:
    rows = []
    for _ in range(steps):
        plant.advance(dt)
        rows.append(plant.values)
    return np.array(rows)


def test_every_value_stays_finite_and_in_range_over_a_hundred_thousand_steps() -> None:
    plant = Plant(3)
    low, high = np.array([[p.low, p.high] for p in POINTS], float).T
    every_fault = list(FAULTS)
    for step in range(1000):
        plant.faults.switch(every_fault[step % len(FAULTS)], on=step % 3 == 0)
        plant.advance(50.0)
        assert np.isfinite(plant.values).all()
        assert ((low <= plant.values) & (plant.values <= high)).all(), dict(zip(NAMES, plant.values, strict=True))
    assert plant.state.time == pytest.approx(50_000.0)


def test_the_same_seed_gives_the_same_plant_and_another_seed_another() -> None:
    assert (run(Plant(5), 50) == run(Plant(5), 50)).all()
    assert (run(Plant(5), 50) != run(Plant(6), 50)).any(axis=0).all()


def test_heat_that_leaves_the_hot_side_arrives_on_the_cold_side() -> None:
    plant = settled(1)
    for _ in range(200):
        plant.advance(1.0)
        at = dict(zip(NAMES, plant.truth, strict=True))
        given = at["pump_flow"] * (at["exchanger_hot_in"] - at["exchanger_hot_out"])
        taken = at["exchanger_cold_flow"] * (at["exchanger_cold_out"] - at["exchanger_cold_in"])
        assert given * HEAT_PER_FLOW == pytest.approx(taken * HEAT_PER_FLOW, rel=1e-9)


def test_level_is_what_flowed_in_less_what_flowed_out() -> None:
    plant = settled(2)
    before, volume, dt = plant.state.level, 0.0, 0.1
    for _ in range(3000):
        plant.advance(dt)
        volume += (plant.truth[column("tank_inflow")] - plant.truth[column("tank_outflow")]) / 3600 * dt
    assert plant.state.level - before == pytest.approx(volume / TANK_AREA, abs=1e-6)


def test_head_follows_the_square_of_speed_as_the_affinity_laws_say() -> None:
    plant = settled(1)
    at = dict(zip(NAMES, plant.truth, strict=True))
    head = (at["pump_discharge_pressure"] - at["pump_suction_pressure"]) / BAR_PER_METRE
    assert head == pytest.approx(40 * (at["pump_speed"] / 1480) ** 2 - 1e-3 * at["pump_flow"] ** 2, rel=1e-9)


def test_electrical_power_is_more_than_the_water_gets() -> None:
    plant = settled(4)
    for _ in range(100):
        plant.advance(1.0)
        s = plant.state
        assert 9.81 * s.flow * s.head / 3600 < plant.truth[column("pump_motor_power")] < 50


def test_normal_operation_moves_well_beyond_the_noise_of_the_sensors() -> None:
    spread = run(settled(1), 1200).std(axis=0) / NOISE
    assert spread[column("pump_flow")] > 4
    assert spread[column("exchanger_valve_position")] > 4
    assert (spread > 1).mean() > 0.9


def test_tags_of_a_machine_are_correlated() -> None:
    rows = run(settled(1), 1200)
    flow, power, inflow = (rows[:, column(tag)] for tag in ("pump_flow", "pump_motor_power", "tank_inflow"))
    assert statistics.correlation(list(flow), list(power)) > 0.9
    assert statistics.correlation(list(flow), list(inflow)) > 0.5


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_fault_moves_its_culprit_within_the_ramp_and_is_gone_after_recovery(name: str, seed: int) -> None:
    fault, sick, sound = FAULTS[name], settled(seed), settled(seed)
    at, dt = column(fault.culprit), 0.5
    sick.faults.switch(name, on=True)
    ramp = int(fault.ramp / dt)
    moved = np.abs(run(sick, ramp, dt) - run(sound, ramp, dt))[:, at] / NOISE[at]
    assert moved.max() > 4
    assert sick.faults.active == [name]
    sick.faults.switch(name, on=False)
    rest = int((fault.recovery + 20) / dt)
    left = np.abs(run(sick, rest, dt) - run(sound, rest, dt))[-1, at] / NOISE[at]
    assert left < 1
    assert sick.faults.active == []


def test_a_frozen_sensor_repeats_its_value_to_the_last_digit() -> None:
    plant = settled(1)
    plant.faults.switch("frozen_sensor", on=True)
    rows = run(plant, 50)
    frozen = column(FAULTS["frozen_sensor"].culprit)
    assert len(set(rows[:, frozen])) == 1
    assert all(len(set(rows[:, other])) > 1 for other in range(len(NAMES)) if other != frozen)


def test_a_stuck_valve_stays_where_it_is_while_its_command_moves() -> None:
    plant = settled(1)
    plant.faults.switch("stuck_valve", on=True)
    plant.advance(1.0)
    at, command = plant.truth[column("exchanger_valve_position")], plant.state.command
    plant.advance(60.0)
    assert plant.truth[column("exchanger_valve_position")] == at
    assert plant.state.command != command


def test_a_fault_that_does_not_exist_is_refused_with_the_ones_that_do() -> None:
    with pytest.raises(KeyError, match="bearing_wear"):
        FaultBank().switch("gremlins", on=True)


def test_a_fault_ramps_in_and_recovers_faster() -> None:
    bank = FaultBank()
    bank.switch("bearing_wear", on=True)
    bank.step(FAULTS["bearing_wear"].ramp / 2)
    assert bank.level("bearing_wear") == pytest.approx(0.5)
    bank.step(1e9)
    assert bank.level("bearing_wear") == 1
    bank.switch("bearing_wear", on=False)
    bank.step(FAULTS["bearing_wear"].recovery)
    assert bank.level("bearing_wear") == 0
    assert all(fault.recovery <= fault.ramp for fault in FAULTS.values())


def test_every_culprit_is_a_tag_of_the_asset_that_has_the_fault() -> None:
    assert all(fault.culprit in ASSETS[fault.asset] for fault in FAULTS.values())
    assert all(tag in NAMES for tags in ASSETS.values() for tag in tags)


@pytest.mark.parametrize("name", FAULTS.keys() - {"frozen_sensor"})  # that one is known by repeating itself
def test_the_culprit_stands_out_most_once_the_load_is_accounted_for(name: str) -> None:
    """The tag that departs furthest from what the others of its asset let one expect (conditional residual)."""
    fault = FAULTS[name]
    tags = ASSETS[fault.asset]
    columns = [column(tag) for tag in tags]
    plant = settled(2)
    normal = run(plant, 1200)[:, columns]
    precision = np.linalg.inv(np.cov(normal.T))
    plant.faults.switch(name, on=True)
    run(plant, math.ceil(fault.ramp / 0.5))
    shift = precision @ (run(plant, 40)[:, columns].mean(axis=0) - normal.mean(axis=0))
    assert tags[int(np.argmax(shift**2 / np.diag(precision)))] == fault.culprit


def test_pace_shows_more_of_the_load_in_the_same_real_time() -> None:
    slow, fast = run(settled(1), 100, 0.05), run(settled(1), 100, 0.5)
    at = column("exchanger_valve_command")
    assert np.ptp(fast[:, at]) > 2 * np.ptp(slow[:, at])

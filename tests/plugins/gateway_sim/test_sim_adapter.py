import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

import gateway_sim
from gateway.sdk import Host
from gateway.sdk.testing import AdapterContract, Collector, FakeClock, Rig, SilentLog, connection, host
from gateway_sim.adapter import SimAdapter
from gateway_sim.config import SimDevice, SimTag
from gateway_sim.waves import Waves

SECOND = 1_000_000_000


def device(name: str = "bench", **tags: Any) -> SimDevice:
    return SimDevice.model_validate({"device": name, "adapter": "sim", "every": "100ms", "tags": tags})


async def nothing() -> None:
    """There is no counterpart that could start or stop."""


class TestSimAdapter(AdapterContract):
    """The suite that every adapter passes. What needs a counterpart that goes away is turned round: nothing can."""

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Rig:
        fast = {"wave": "square", "every": "50ms"}
        line = connection(device(a={}, b={"wave": "noise"}, c=fast), device("other", d={"wave": "ramp"}))
        return Rig(SimAdapter, line, tmp_path, nothing, nothing)

    async def test_absent_device_is_disconnected(self, rig: Rig) -> None:
        adapter = rig.adapter(rig.connection, host(rig.home))
        await adapter.connect()  # never raises: the device is inside the gateway
        await adapter.close()

    async def test_loss_ends_run_and_never_gives_a_number(self, rig: Rig) -> None:
        async with self.running(rig) as (_, sink, task):
            await sink.until(lambda _: len(sink.data) > 6, self.within)
            assert not task.done()

    async def test_same_adapter_connects_again(self, rig: Rig) -> None:
        adapter, sink = rig.adapter(rig.connection, host(rig.home)), Collector()
        for _ in range(2):
            await adapter.connect()
            task, seen = asyncio.create_task(adapter.run(sink)), len(sink.data)
            await sink.until(lambda _, seen=seen: len(sink.data) > seen, self.within)  # type: ignore[misc]
            task.cancel()
            await asyncio.wait([task])
            await adapter.close()


def values(wall_ns: int, seed: tuple[int, ...] = (0,), **tag: Any) -> float:
    return float(Waves.of([SimTag.model_validate(tag)]).values(wall_ns, seed)[0])


@pytest.mark.parametrize(
    ("wave", "expected"),
    [
        ("sine", [10, 12, 10, 8]),
        ("ramp", [8, 9, 10, 11]),
        ("square", [12, 12, 8, 8]),
        ("constant", [10, 10, 10, 10]),
    ],
)
def test_each_wave_has_its_form(wave: str, expected: list[float]) -> None:
    start = 1_700_000_000 * SECOND
    start -= start % (60 * SECOND)
    quarters = [values(start + q * 15 * SECOND, wave=wave, period="60s", mean=10, amplitude=2) for q in range(4)]
    assert quarters == pytest.approx(expected, abs=1e-9)


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    many = [values(t, wave="noise", mean=5, amplitude=3, noise=4) for t in range(2000)]
    assert np.mean(many) == pytest.approx(5, abs=0.5)
    assert np.std(many) == pytest.approx(5, rel=0.1)  # independent sources: 3, 4 → 5


def test_the_same_time_and_seed_give_the_same_noise_and_others_another() -> None:
    assert values(7, (1, 2), noise=1) == values(7, (1, 2), noise=1)
    assert len({values(7, (1, 2), noise=1), values(8, (1, 2), noise=1), values(7, (2, 2), noise=1)}) == 3


async def test_readings_come_from_the_hosts_clock(tmp_path: Path) -> None:
    clock = FakeClock(wall_ns=60 * SECOND)
    line = connection(device(a={"period": "60s", "amplitude": 2, "mean": 1}))
    adapter = SimAdapter(line, Host(clock, tmp_path, SilentLog()))
    assert (await adapter.read(line.groups[0])).value.tolist() == [1.0]
    clock.advance(15)
    batch = await adapter.read(line.groups[0])
    assert batch.value.tolist() == [3.0]
    assert batch.time.tolist() == [75 * SECOND]


def test_the_sample_is_a_configuration() -> None:
    text = (Path(gateway_sim.__file__).parent / "sample.yaml").read_text(encoding="utf-8")
    sample = SimDevice.model_validate(yaml.safe_load(text))
    assert sample.tags["temperature"].period == 300.0


def test_an_unknown_wave_is_refused() -> None:
    with pytest.raises(ValidationError, match="sine"):
        device(a={"wave": "tsunami"})

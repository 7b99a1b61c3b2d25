"""The doctor at real sockets, with devices that are hard to please: what it advises makes the adapter read them."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.__main__ import main
from gateway.sdk import DisconnectedError, quality
from gateway.sdk.testing import Collector, connection, host
from gateway_modbus.adapter import ModbusAdapter
from gateway_modbus.config import ModbusDevice
from gateway_modbus.doctor_report import Findings
from gateway_sim.modbus_profile import ProfileServer
from gateway_sim.profile import Profile

TAGS: dict[str, dict[str, Any]] = {
    "flow": {"at": "holding:0", "type": "float32", "order": "CDAB", "mean": 120.5, "amplitude": 9.0, "wave": "sine"},
    "count": {"at": "holding:2", "type": "uint32", "mean": 75000.0},
    "level": {"at": "holding:10", "type": "int16", "mean": -55.0},
    "on": {"at": "coil:3", "mean": 1.0},
}


@contextlib.asynccontextmanager
async def served(*units: dict[str, Any], **options: Any) -> AsyncIterator[int]:
    numbered = {number: {"tags": TAGS} | unit for number, unit in enumerate(units, 1)}
    server = ProfileServer(Profile.model_validate({"units": numbered} | options))
    port = await server.start()
    try:
        yield port
    finally:
        await server.stop()


def device(port: int, unit: int = 1, **options: Any) -> ModbusDevice:
    """As somebody would write it who knows the addresses only."""
    tags = {name: {"at": tag["at"]} for name, tag in TAGS.items()}
    base = {"device": f"d{unit}", "adapter": "modbus", "connect": f"tcp://127.0.0.1:{port}?unit={unit}", "tags": tags}
    return ModbusDevice.model_validate(base | {"every": 0.2} | options, context={})


async def examined(tmp_path: Path, *configs: ModbusDevice) -> Findings:
    """The first of `configs`."""
    line = connection(*configs)
    return await ModbusAdapter(line, host(tmp_path)).examine(line.devices[0], lambda _: None)


async def polled(tmp_path: Path, *configs: ModbusDevice, good: int = 3) -> Collector:
    """Until the first device has given `good` batches that are good throughout."""
    adapter, sink = ModbusAdapter(connection(*configs), host(tmp_path)), Collector()
    task = asyncio.create_task(_kept(adapter, sink))
    try:
        await sink.until(lambda got: sum(whole(batch.status) for batch in got if batch.device == 0) >= good, 20.0)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await adapter.close()
    return sink


async def _kept(adapter: ModbusAdapter, sink: Collector) -> None:
    """Connected again and again, as the gateway does."""
    while True:
        with contextlib.suppress(DisconnectedError):
            await adapter.connect()
            await adapter.run(sink)
        await asyncio.sleep(random.uniform(0.02, 0.1))


def whole(status: np.ndarray[Any, np.dtype[np.uint32]]) -> bool:
    return bool((status == quality.GOOD).all())


def advised(findings: Findings, port: int, unit: int = 1) -> ModbusDevice:
    """The device with the settings that were advised, as a file has them."""
    tags = {name: {"at": tag["at"]} for name, tag in TAGS.items()}
    base = {"device": f"d{unit}", "adapter": "modbus", "connect": f"tcp://127.0.0.1:{port}?unit={unit}", "tags": tags}
    return ModbusDevice.model_validate(base | {"every": "200ms"} | findings.settings, context={"written": True})


async def test_a_device_that_ignores_requests_closer_than_50_ms_is_read_with_the_pause_that_is_advised(
    tmp_path: Path,
) -> None:
    async with served({"faults": {"pause": 0.05}}) as port:
        findings = await examined(tmp_path, device(port))
        config = advised(findings, port)
        assert 0.05 <= config.delay <= 0.2
        sink = await polled(tmp_path, config)
        assert sum(not whole(batch.status) for batch in sink.batches) <= 1


async def test_a_device_with_one_connection_is_shared_as_advised(tmp_path: Path) -> None:
    async with served({}, connections=1) as port:
        findings = await examined(tmp_path, device(port))
        assert findings.settings["connect_each"] is True
        config = advised(findings, port)
        await asyncio.gather(polled(tmp_path / "a", config), polled(tmp_path / "b", config))


async def test_a_gateway_that_has_lost_one_unit_is_told_and_the_other_units_are_served(tmp_path: Path) -> None:
    async with served({}, {"faults": {"exception": 11}}) as port:
        findings = await examined(tmp_path, device(port, 2), device(port, 1))
        assert not findings.ok
        assert findings.facts["unit"] == "2: exception 11, the gateway gets no answer from the unit"
        assert findings.facts["unit 1 (d1)"] == "answers"
        await polled(tmp_path, device(port, 1), device(port, 2))


async def test_limits_and_holes_are_found_and_types_are_told(tmp_path: Path) -> None:
    faults = {"max_registers": 5, "holes": ["holding:6-7"]}
    identification = {"vendor": "ACME", "product": "P7"}
    async with served({"faults": faults, "identification": identification}) as port:
        findings = await examined(tmp_path, device(port))
        assert findings.settings["holes"] == ["holding:6-7"]
        assert findings.settings["max_registers"] == 5
        assert findings.facts["identification"] == identification
        assert findings.facts["sunspec"] == "no"
        best = {tag.name: tag.readings[0].coding for tag in findings.tags}
        assert {name: coding.type for name, coding in best.items()} == {
            "flow": "float32", "count": "uint32", "level": "int16",
        }  # fmt: skip
        assert best["flow"].order == "CDAB"
        await polled(tmp_path, advised(findings, port))


async def test_sunspec_is_discovered_with_its_models(tmp_path: Path) -> None:
    words = {"mark": (40000, 0x53756E53), "one": (40002, 1 << 16 | 66), "two": (40070, 103 << 16 | 50)}
    words["end"] = (40122, 0xFFFF0000)
    tags = {name: {"at": f"holding:{at}", "type": "uint32", "mean": float(word)} for name, (at, word) in words.items()}
    async with served({"tags": TAGS | tags}) as port:
        findings = await examined(tmp_path, device(port))
        assert findings.facts["sunspec"] == "at holding:40000, models 1, 103"


async def test_a_device_that_is_slow_gets_a_longer_timeout(tmp_path: Path) -> None:
    async with served({"faults": {"delay": 0.12}}) as port:
        tags = {"flow": {"at": "holding:0"}}
        findings = await examined(tmp_path, device(port, tags=tags, timeout=0.1))
        assert findings.settings["timeout"] in ("500ms", "1s", "2s", "3s")


async def test_where_nobody_listens_the_doctor_says_so(tmp_path: Path) -> None:
    async with served({}) as port:
        pass
    with pytest.raises(DisconnectedError):
        await examined(tmp_path, device(port))


async def test_the_verb_prints_settings_and_lines_that_check_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served({"faults": {"max_registers": 5}}) as port:
        (tmp_path / "devices.d").mkdir()
        file = tmp_path / "devices.d/d.yaml"
        head = f"device: d\nadapter: modbus\nconnect: tcp://127.0.0.1:{port}\n"
        tags = "".join(f"  {name}: {{at: '{tag['at']}'}}\n" for name, tag in TAGS.items())
        file.write_text(f"{head}tags:\n{tags}")
        root = tmp_path / "fieldgate.yaml"
        root.write_text("gateway: {id: a}\n")
        assert await asyncio.to_thread(main, ["doctor", "d", "--config", str(root), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert await asyncio.to_thread(main, ["doctor", "d", "--config", str(root)]) == 0
        text = capsys.readouterr().out
    assert "paste:  flow: {at: 'holding:0', type: float32, order: CDAB}" in text
    assert "  max_registers: 5" in text
    lines = [tag["line"] for tag in told["tags"]]
    settings = "".join(f"{name}: {json.dumps(value)}\n" for name, value in told["settings"].items())
    file.write_text(head + settings + "tags:\n" + "".join(f"  {line}\n" for line in lines))
    assert await asyncio.to_thread(main, ["check", "--config", str(root)]) == 0
    assert await asyncio.to_thread(main, ["doctor", "nobody", "--config", str(root)]) == 1

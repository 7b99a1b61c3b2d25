"""Writes while another configuration takes over: to the right register under other numbers, or refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.load import load
from gateway.ingest.registry import Registry
from tests.operators.plc import TAGS, Site, modbus, site, until

SIM = {"device": "aaa", "adapter": "sim", "every": "50ms", "tags": {f"t{i}": {"wave": "sine"} for i in range(5)}}


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """The site has the guard, between start and end."""


async def change(one: Site, folder: Path, *devices: dict[str, Any]) -> None:
    """Have these devices run, in the order of their names."""
    for path in (folder / "devices.d").iterdir():
        path.unlink()
    for device in devices:
        (folder / "devices.d" / f"{device['device']}.yaml").write_text(yaml.safe_dump(device))
    found = await asyncio.to_thread(lambda: load(folder / "fieldgate.yaml", Registry().models()))
    await one.gateway.change(found)


def plc_of(one: Site, tags: dict[str, Any] = TAGS) -> dict[str, Any]:
    port = int(one.gateway.running.devices["plc"].config.connection().rpartition(":")[2].partition("?")[0])
    return modbus(port, tags)


async def test_under_other_numbers_the_same_register_is_written(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        row = one.gateway.running.table.row("plc.running")
        connected = one.gateway.running.runners[0].counters["connects_total"]
        await change(one, tmp_path, SIM, plc_of(one))
        assert one.gateway.running.table.row("plc.running") == row + 5
        answer = await one.ask("plc.speed", 12.5)
        assert (answer["result"], one.plc.writes) == ("done", [(6, 10, 125)])
        one.plc.memory.holding[0] = 77
        await until(lambda: one.value("plc.level") == 77, "it is read where it is now")
        plc = next(runner for runner in one.gateway.running.runners if runner.connection.devices[0].name == "plc")
        assert plc.counters["connects_total"] == connected


async def test_tags_in_another_order_are_read_and_written_where_they_are(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        device = plc_of(one, dict(sorted(TAGS.items(), reverse=True)))
        (tmp_path / "devices.d" / "plc.yaml").write_text(yaml.safe_dump(device, sort_keys=False))
        found = await asyncio.to_thread(lambda: load(tmp_path / "fieldgate.yaml", Registry().models()))
        assert found.devices == one.gateway.running.configuration.devices
        assert await one.gateway.change(found) == ["plc"]
        one.plc.memory.holding[0] = 77
        await until(lambda: one.value("plc.level") == 77, "the level is read as the level")
        assert (await one.ask("plc.speed", 12.5))["result"] == "done"
        assert one.plc.writes == [(6, 10, 125)]


async def test_what_may_be_written_changes_with_it(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        tags = {name: tag for name, tag in TAGS.items() if name != "speed"}
        tags["level"] = {"at": "holding:0", "write": {"range": [0, 9]}}
        await change(one, tmp_path, plc_of(one, tags))
        await until(lambda: one.gateway.plant.there("plc.level"), "the PLC is there again")
        assert (await one.ask("plc.speed", 12.5))["reason"] == "unknown"
        assert (await one.ask("plc.level", 7))["result"] == "done"
        assert one.plc.writes == [(6, 0, 7)]


async def test_an_order_that_waits_is_refused_when_its_tag_says_something_else(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        gate = asyncio.Event()
        append = one.writes.writer._audit.append
        slow = pytest.MonkeyPatch()
        waits = asyncio.Event()

        async def later(record: Any) -> Any:
            waits.set()
            await gate.wait()
            return await append(record)

        slow.setattr(one.writes.writer._audit, "append", later)
        asked = one.begin("plc.speed", 12.5)
        await waits.wait()
        slow.undo()
        tags = TAGS | {"speed": TAGS["speed"] | {"scale": 0.5}}
        await change(one, tmp_path, plc_of(one, tags))
        gate.set()
        answer = await asyncio.wait_for(asked, 10)
        assert answer["result"] == "refused"
        assert answer["reason"] == "changed"
        assert not one.plc.writes


async def test_a_device_that_goes_takes_its_line_with_it(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        plc = plc_of(one)
        await change(one, tmp_path, SIM)
        assert (await one.ask("plc.speed", 12.5))["reason"] == "unknown"
        assert not one.gateway.writing.writes.lines
        await change(one, tmp_path, plc)
        await until(lambda: one.gateway.plant.there("plc.speed"), "it is back")
        assert (await one.ask("plc.speed", 12.5))["result"] == "done"

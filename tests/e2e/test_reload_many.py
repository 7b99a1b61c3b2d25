"""One configuration after the other, as often as somebody edits a file in ten years: nothing is left over.

100 of them, or 1,000 with FIELDGATE_FULL=1.
"""

import asyncio
import gc
import json
import os
from pathlib import Path
from typing import Final

import pytest

from gateway.app import Gateway
from gateway.cli.children import write_configuration
from gateway.config.load import Configuration, load
from gateway.ingest.registry import Registry
from gateway.sdk.testing import LoopClock
from tests.e2e.site import farm, farm_devices
from tests.operators.plc import Log, until

DEVICES: Final = 100
RELOADS: Final = 1000 if os.environ.get("FIELDGATE_FULL") == "1" else 100
EXTRA: Final = {"at": "holding:7", "type": "uint16"}
ASSETS: Final = {"pair": {"tags": ["farm-98.r8", "farm-99.r9"], "calibrate": 50}}


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """The gateway is made and ended on the loop here."""


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def counts() -> tuple[int, int]:
    """Tasks and descriptors."""
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count


async def test_nothing_is_left_over(tmp_path: Path) -> None:
    with farm(tmp_path, DEVICES, registers=20, period="500ms") as (_, ready):
        devices, root = farm_devices(ready), {"gateway": {"id": "g"}, "assets": ASSETS, "telemetry": "off"}
        path = write_configuration(tmp_path, root, devices)
        registry = Registry()
        versions: list[Configuration] = [load(path, registry.models())]
        for more in ({"n": EXTRA}, {"n": EXTRA, "m": EXTRA}):
            device = devices[50] | {"tags": devices[50]["tags"] | more}
            (tmp_path / "devices.d" / "farm-50.yaml").write_text(json.dumps(device))
            versions.append(load(path, registry.models()))
        (tmp_path / "state").mkdir()
        gateway = Gateway(versions[0], registry.adapter, tmp_path / "state", LoopClock(), Log())
        stop = asyncio.Event()
        task = asyncio.create_task(gateway.run(stop))
        try:
            await all_read(gateway)
            sizes = []
            for number in range(1, RELOADS + 1):
                assert await gateway.change(versions[number % 3]) == ["farm-50"]
                if number in (RELOADS // 2, RELOADS):
                    await all_read(gateway)
                    gc.collect()
                    sizes.append((resident(), *counts()))
            connects = [runner.counters["connects_total"] for runner in gateway.running.runners]
        finally:
            stop.set()
            await asyncio.wait_for(task, 20.0)
    (memory, tasks, files), (memory_now, tasks_now, files_now) = sizes
    assert connects == [1] * DEVICES
    assert tasks_now == tasks
    assert files_now <= files + 2
    assert memory_now - memory < 8 * 2**20


async def all_read(gateway: Gateway) -> None:
    def read() -> bool:
        parts = [gateway.health.part(f"device farm-{i}") for i in range(DEVICES)]
        return all(part is not None and part.state == "ok" for part in parts)

    await until(read, "all are read")

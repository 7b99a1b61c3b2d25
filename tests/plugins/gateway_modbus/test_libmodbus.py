"""Against a server on libmodbus: our types, orders and tables as somebody else understands them."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.sdk import quality
from gateway.sdk.testing import Collector, connection, host
from gateway_modbus.adapter import ModbusAdapter
from gateway_modbus.config import ModbusDevice


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    gcc, pkg_config = shutil.which("gcc"), shutil.which("pkg-config")
    if gcc is None or pkg_config is None:
        pytest.skip("gcc and pkg-config are needed to build the libmodbus peer")
    flags = subprocess.run([pkg_config, "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False)
    if flags.returncode:
        pytest.skip("libmodbus-dev is not installed")
    target = tmp_path_factory.mktemp("libmodbus") / "peer"
    source = Path(__file__).with_name("peer.c")
    subprocess.run([gcc, "-O1", "-o", target, source, *flags.stdout.split()], check=True)
    return target


@pytest.fixture
async def port(binary: Path) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(binary, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    yield int(await asyncio.wait_for(process.stdout.readline(), 10.0))
    process.kill()
    await process.wait()


async def _read(tags: dict[str, dict[str, Any]], port: int, home: Path) -> dict[str, tuple[float, int, Any]]:
    config = ModbusDevice.model_validate(
        {"device": "peer", "adapter": "modbus", "connect": f"tcp://127.0.0.1:{port}", "timeout": "5s", "tags": tags}
    )
    adapter, sink = ModbusAdapter(connection(config), host(home)), Collector()
    await adapter.connect()
    task = asyncio.create_task(adapter.run(sink))
    await sink.until(bool, 10.0)
    task.cancel()
    await asyncio.wait([task])
    await adapter.close()
    batch = sink.batches[0]
    rows = range(len(tags))
    return {
        name: (batch.value[i], int(batch.status[i]), batch.other.get(i)) for name, i in zip(tags, rows, strict=True)
    }


async def test_types_orders_and_tables_agree_with_libmodbus(port: int, tmp_path: Path) -> None:
    expected: dict[str, tuple[dict[str, Any], float]] = {
        "abcd": ({"at": "holding:0", "type": "float32", "order": "ABCD"}, -123.4375),
        "cdab": ({"at": "holding:2", "type": "float32", "order": "CDAB"}, -123.4375),
        "badc": ({"at": "holding:4", "type": "float32", "order": "BADC"}, -123.4375),
        "dcba": ({"at": "holding:6", "type": "float32", "order": "DCBA"}, -123.4375),
        "int32": ({"at": "holding:8", "type": "int32"}, -70000),
        "manual": ({"at": 40009, "type": "int32"}, -70000),
        "int64": ({"at": "holding:12", "type": "int64"}, float(-9007199254740993)),
        "int16": ({"at": "400017", "type": "int16"}, -2),
        "uint16": ({"at": "input:0"}, 65535),
        "coil_off": ({"at": "coil:4"}, 0),
        "coil_on": ({"at": "coil:5"}, 1),
        "coil_7": ({"at": "00011"}, 1),
        "discrete_on": ({"at": "discrete:13"}, 1),
        "discrete_off": ({"at": 10012}, 0),
    }
    got = await _read({name: tag for name, (tag, _) in expected.items()}, port, tmp_path)
    assert {name: value for name, (value, _, _) in got.items()} == {
        name: value for name, (_, value) in expected.items()
    }
    assert {status for _, status, _ in got.values()} == {quality.GOOD}
    assert got["int64"][2] == -9007199254740993


async def test_an_address_that_libmodbus_does_not_have_costs_only_itself(port: int, tmp_path: Path) -> None:
    tags: dict[str, dict[str, Any]] = {f"r{i}": {"at": f"holding:{i}"} for i in range(190, 204)}
    got = await _read(tags, port, tmp_path)
    for name, (value, status, _) in got.items():
        absent = int(name[1:]) >= 200
        assert np.isnan(value) == absent
        assert status == (quality.BAD_CONFIGURATION_ERROR if absent else quality.GOOD)

"""Uncertain values by the policy of their tag: pure, and from a real server."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.sdk import quality
from gateway.sdk.testing import connection
from gateway_opcua.columns import Columns
from gateway_opcua.doubt import Doubt
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import Process
from tests.plugins.gateway_opcua.rigs import device, running

UNCERTAIN = quality.UNCERTAIN_SENSOR_NOT_ACCURATE | 0x480  # an overflow besides
STATUS = [0, UNCERTAIN, UNCERTAIN, UNCERTAIN, quality.BAD_TIMEOUT]


def doubt(*policies: str | None, **options: Any) -> Doubt:
    tags = {f"t{i}": {"node": "i=1"} | ({"uncertain": one} if one else {}) for i, one in enumerate(policies)}
    return Doubt(connection(device(1, tags, **options)).devices)


def columns() -> Columns:
    found = Columns.empty(5)
    found.value[:4], found.kind[:], found.status[:] = range(4), 11, STATUS
    found.other[3] = 2**60
    return found


def test_each_tag_has_its_own() -> None:
    told = doubt("good", "keep", "good", "bad", "good").settle(slice(0, 5), columns())
    assert told.status.tolist() == [0, UNCERTAIN, 0x480, quality.BAD | 0x480, quality.BAD_TIMEOUT]
    assert np.isnan(told.value).tolist() == [False, False, False, True, True]
    assert told.other == {}


def test_that_of_the_device_unless_the_tag_has_one() -> None:
    told = doubt(None, None, "keep", "bad", None, uncertain="good").settle(np.arange(5, dtype=np.uint32), columns())
    assert told.status.tolist() == [0, 0x480, UNCERTAIN, quality.BAD | 0x480, quality.BAD_TIMEOUT]


def test_without_a_policy_nothing_changes() -> None:
    told = doubt(None, None, None, None, None).settle(slice(0, 5), columns())
    assert (told.status.tolist(), told.other) == (STATUS, {3: 2**60})


@pytest.mark.parametrize("mode", ["read", "subscribe"])
async def test_from_a_server(asyncua_server: Process, tmp_path: Path, mode: str) -> None:
    await asyncio.to_thread(asyncua_server.tell, "doubt Doubtful")
    policies = {"kept": "keep", "taken": "good", "refused": "bad"}
    tags = {tag: {"node": f"nsu={URI};s=Doubtful", "uncertain": one} for tag, one in policies.items()}
    async with running(tmp_path, device(asyncua_server.port, tags, mode=mode)) as run:
        await run.until(lambda: bool(run.sink.data))
        assert run.last("kept") == (7.0, quality.UNCERTAIN_SENSOR_NOT_ACCURATE)
        assert run.last("taken") == (7.0, 0)
        assert run.last("refused")[1] == quality.BAD
    await asyncio.to_thread(asyncua_server.tell, "delete Doubtful")

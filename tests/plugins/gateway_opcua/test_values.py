"""Line 2: what the adapter reads and is told equals what asyncua's public API reads, on random values of every type."""

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from gateway.sdk import quality
from tests.plugins.gateway_opcua import peers
from tests.plugins.gateway_opcua.peers import HERE, NODE, Process, free_port, start
from tests.plugins.gateway_opcua.rigs import Running, device, running

FULL = os.environ.get("FIELDGATE_FULL") == "1"
ROUNDS = 400 if FULL else 20
NODES = 120
HOW = ("any", "steady", "any", "alike")  # what `Random.values` draws, in turn
_BOOLEAN, _INT64, _UINT64, _DOUBLE, _TIME = 1, 8, 9, 11, 13
_NEAR: Final = 1e-15  # a time in seconds is rounded by two ways to reckon

Told = tuple[float, int, int, Any]  # the number, StatusCode, source time in Unix ns, and what is no number


@contextlib.contextmanager
def asyncua_values(port: int) -> Iterator[Process]:
    with start([sys.executable, str(HERE / "values_server.py"), str(port), str(NODES)], port) as process:
        yield process


@contextlib.contextmanager
def node_opcua_values(port: int) -> Iterator[Process]:
    if reason := peers.install_node_opcua():
        pytest.skip(f"node-opcua: {reason}")
    command = ["node", str(HERE / "values_node_opcua.js"), str(port), str(NODE / "pki"), str(NODES)]
    with start(command, port, os.environ | {"NODE_PATH": str(NODE / "node_modules")}) as process:
        yield process


class PublicClient:
    """The public API in a process of its own, which writes what it reads."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def round(self, number: int) -> list[Told]:
        """Write new values; what the adapter must say of each node."""
        popen = self._process.popen
        assert popen.stdin is not None
        assert popen.stdout is not None
        popen.stdin.write(f"{HOW[number % len(HOW)]} {number}\n")
        popen.stdin.flush()
        return [expected(*one) for one in json.loads(popen.stdout.readline())]


@pytest.fixture(params=[asyncua_values, node_opcua_values], ids=["asyncua", "node-opcua"], scope="module")
def served(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server whose nodes take any value."""
    port = free_port()
    with request.param(port):
        yield port


@pytest.fixture
def public(served: int) -> Iterator[PublicClient]:
    with start([sys.executable, str(HERE / "public_client.py"), str(served), str(NODES)], served) as process:
        yield PublicClient(process)


def expected(kind: int, single: bool, value: Any, status: int, time: int) -> Told:
    """The reading that the API's value must become, by the rules of `Columns`."""
    if kind == 0 and status < quality.BAD:
        status = quality.BAD_NO_DATA
    if status >= quality.BAD:
        return math.nan, status, time, None
    if not single or not (_BOOLEAN <= kind <= _DOUBLE or kind == _TIME):
        return math.nan, status, time, value
    if kind in (_INT64, _UINT64) and abs(value) > 2**53:
        return math.nan, status, time, value
    if kind == _TIME:
        return float(np.datetime64(value[:-1], "us").astype(np.int64) / 1e6), status, time, None
    return float(value), status, time, None


def differences(one: Any, other: Any, way: str) -> Iterator[tuple[str, Any, Any]]:
    """Where they are not equal: NaN is NaN, a truth value is no number, an integer no real."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name, value in one.items():
            yield from differences(value, other[name], f"{way}/{name}")
    elif isinstance(one, list | tuple) and type(one) is type(other) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{way}/{number}")
    elif type(one) is not type(other) or not (one == other or _close(one, other)):
        yield way, one, other


def _close(one: Any, other: Any) -> bool:
    if not isinstance(one, float):
        return False
    return math.isclose(one, other, rel_tol=_NEAR) or (math.isnan(one) and math.isnan(other))


class Image:
    """What was told last of each row."""

    def __init__(self, run: Running, rows: int) -> None:
        self._run, self._seen = run, 0
        self.last: list[Told | None] = [None] * rows

    def update(self) -> "Image":
        batches, self._seen = self._run.sink.data[self._seen :], len(self._run.sink.data)
        for batch in batches:
            rows = (
                np.arange(len(self.last), dtype=np.uint32)[batch.rows] if isinstance(batch.rows, slice) else batch.rows
            )
            columns = (batch.value.tolist(), batch.status.tolist(), batch.time.tolist())
            for row, *told in zip(rows.tolist(), *columns, strict=True):
                self.last[row] = (*told, batch.other.get(row))
        return self

    def differ(self, wanted: list[Told]) -> list[tuple[str, Any, Any]]:
        """(row and way within it, what was told, what was wanted) where they are not the same."""
        return list(differences(self.last, wanted, ""))


@pytest.mark.timeout(1200 if FULL else 120)
@pytest.mark.parametrize("way", ["fast", "public"])
async def test_every_value_is_that_of_the_public_api(
    served: int, public: PublicClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """By read and by subscription in one session, over many rounds; and by the fallback of `channel` too."""
    if way == "public":
        monkeypatch.setattr("gateway_opcua.channel.TOUCHED", ("not_there",))
    tags = {f"V{i}": {"node": f"nsu=http://fieldgate.test/values;s=V{i}", "trigger": "timestamp"} for i in range(NODES)}
    polled, told = device(served, tags, "polled"), device(served, tags, "told", mode="subscribe")
    public.round(0)
    async with running(tmp_path, polled, told) as run:
        image = Image(run, 2 * NODES)
        for number in range(1, ROUNDS + 1):
            wanted = 2 * public.round(number)
            with contextlib.suppress(TimeoutError):
                await run.until(lambda wanted=wanted: not image.update().differ(wanted), 10)  # type: ignore[misc]
            assert image.differ(wanted) == [], f"round {number}"

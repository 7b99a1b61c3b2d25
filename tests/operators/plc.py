"""A whole gateway in this process before a simulated PLC over TCP, which notes every write that reaches it."""

import asyncio
import contextlib
import itertools
import struct
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from blockbuster import blockbuster_ctx

from gateway.app import Gateway
from gateway.config.load import load
from gateway.deliver.event import rfc3339
from gateway.ingest.registry import Registry
from gateway.sdk.testing import LoopClock, SilentLog
from gateway_sim.servers.modbus import ModbusServer
from gateway_sim.servers.pdu import Memory

WITHIN = 20.0  # s
TAGS: dict[str, dict[str, Any]] = {
    "running": {"at": "coil:0"},
    "guard": {"at": "coil:1"},
    "level": {"at": "holding:0"},
    "speed": {"at": "holding:10", "scale": 0.1, "unit": "Hz", "range": [0, 50], "write": {"allow": ["cli", "mqtt"]}},
    "mode": {"at": "holding:11", "enum": {0: "off", 1: "slow", 2: "fast"}, "write": {"values": ["off", "slow"]}},
    "heat": {"at": "holding:12", "range": [0, 100], "write": {"interlock": "plc.guard == 1 and plc.level < 80"}},
    "lost": {"at": "holding:13", "range": [0, 9], "write": {"interlock": "plc.gone < 5"}},
    "valve": {"at": "holding:14", "write": {"values": [0, 1], "arm": True, "allow": ["cli", "mqtt"]}},
    "ramp": {"at": "holding:15", "range": [0, 1000], "write": {"step": 10}},
    "seldom": {"at": "holding:16", "range": [0, 1000], "write": {"rate": "1/h"}},
    "feed": {"at": "holding:17", "range": [0, 10], "write": {"allow": ["rule"]}},
    "pulse": {"at": "coil:2", "write": {"values": [0, 1], "read_back": False}},
    "gone": {"at": "holding:5000"},  # beyond the table: exception 2
}
_IDS = itertools.count()


class Plc:
    """The PLC. `writes`: (function, address, value) of each write that it took."""

    def __init__(self) -> None:
        self.memory = Memory(coils=np.zeros(16, bool), holding=np.zeros(64, np.uint16))
        self.server = ModbusServer([], self.memory)
        self.server.on_write = self._note
        self.writes: list[tuple[int, int, int]] = []

    def _note(self, pdu: bytes) -> None:
        address, value = struct.unpack_from(">HH", pdu, 1)
        self.writes.append((pdu[0], address, value))


class Log(SilentLog):
    """As the daemon's."""

    def bind(self, **_fields: Any) -> "Log":
        return self

    def error(self, event: str, **fields: Any) -> None:
        self.lines.append(("error", event, fields))

    exception = error


class Site:
    """Gateway and PLC."""

    def __init__(self, gateway: Gateway, plc: Plc, state: Path, log: SilentLog) -> None:
        self.gateway, self.plc, self.state, self.log = gateway, plc, state, log
        self.writes = gateway.writing.writes

    async def ask(self, tag: str, value: Any, via: str = "cli", **more: Any) -> dict[str, Any]:
        """Have a value written, and wait for the answer."""
        return await asyncio.wait_for(self.begin(tag, value, via, **more), WITHIN)

    def begin(self, tag: str, value: Any, via: str = "cli", **more: Any) -> "asyncio.Future[dict[str, Any]]":
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        table = {"tag": tag, "value": value, "id": f"t{next(_IDS)}", "expires": soon()} | more
        self.writes.take({k: v for k, v in table.items() if v is not None}, via, answer.set_result)
        return answer

    def value(self, tag: str) -> float:
        """What the gateway takes the tag for."""
        return float(self.gateway.running.pipeline.image.value[self.gateway.running.table.row(tag)])


def soon(seconds: float = 30.0) -> str:
    return rfc3339(time.time_ns() + round(seconds * 1e9))


async def until(condition: Callable[[], object], what: str) -> None:
    for _ in range(int(WITHIN / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"timed out: {what}")


def modbus(port: int, tags: dict[str, Any], every: str = "50ms") -> dict[str, Any]:
    """The PLC as a device of a configuration."""
    connect = {"connect": f"tcp://127.0.0.1:{port}?unit=1", "timeout": "500ms"}
    return {"device": "plc", "adapter": "modbus", "every": every, "stale_after": "10s", "tags": tags, **connect}


def configure(folder: Path, device: dict[str, Any], **root: Any) -> Path:
    (folder / "devices.d").mkdir(exist_ok=True)
    (folder / "devices.d" / "plc.yaml").write_text(yaml.safe_dump(device))
    writes = {"enabled": True, "storm": 10_000, "queue": 1000} | root.pop("writes", {})
    content = {"gateway": {"id": "g"}, "writes": writes, **root}
    path = folder / "fieldgate.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@contextlib.asynccontextmanager
async def site(
    folder: Path, tags: dict[str, Any] = TAGS, plc: Plc | None = None, device: dict[str, Any] | None = None, **root: Any
) -> AsyncIterator[Site]:
    """A gateway that runs on the state `folder/state`, and its PLC; or another device in place of that."""
    plc = plc or Plc()
    port = await plc.server.start()
    state = folder / "state"
    log = Log()

    def make() -> Gateway:
        state.mkdir(exist_ok=True)
        registry = Registry()
        path = configure(folder, device or modbus(port, tags), **root)
        return Gateway(load(path, registry.models()), registry.adapter, state, LoopClock(), log)

    gateway = await asyncio.to_thread(make)
    stop = asyncio.Event()
    task = asyncio.create_task(gateway.run(stop))
    one = Site(gateway, plc, state, log)
    try:
        await until(lambda: task.done() or not np.isnan(one.gateway.running.pipeline.image.value[0]), "the first scan")
        with blockbuster_ctx(scanned_modules=["gateway", "gateway_modbus"]):
            yield one
    finally:
        stop.set()
        await asyncio.wait_for(task, WITHIN)
        await plc.server.stop()

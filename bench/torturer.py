"""The plugin that `bench/torture.py` installs: sound until the file BAD is there, then it does what stands in it."""

import asyncio
import ctypes
import os
import time
from pathlib import Path
from typing import ClassVar, NoReturn

from gateway.sdk import Batch, DeviceConfig, Group, PolledAdapter, Sink

HEAP: list[bytes] = []


def told() -> str:
    """The deed; "" before it is told."""
    path = Path(os.environ["BAD"])
    return path.read_text() if path.is_file() else ""


def keeps_the_gil() -> None:
    ctypes.PyDLL(None).sleep(60)


def blocks() -> None:
    time.sleep(30)


def never_lets_go() -> NoReturn:
    while True:
        try:
            time.sleep(1)
        except Exception:  # noqa: BLE001, S112 - that is its crime
            continue


def loops() -> NoReturn:
    while True:
        pass


def raises() -> NoReturn:
    raise ZeroDivisionError("a bug")


def ends_the_process() -> NoReturn:
    os._exit(3)


def asks_for_the_end() -> NoReturn:
    raise SystemExit(3)


def crashes() -> None:
    ctypes.string_at(0)


async def asks_later() -> NoReturn:
    raise SystemExit(2)


async def leaks_on() -> NoReturn:
    while True:
        HEAP.append(os.urandom(1_000_000))
        await asyncio.sleep(0.1)


class Adapter(PolledAdapter):
    Config: ClassVar[type[DeviceConfig]] = DeviceConfig
    sink: Sink

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def run(self, sink: Sink) -> None:
        self.sink = sink
        await super().run(sink)

    async def read(self, group: Group) -> Batch:
        bad = told()
        good = Batch.failed(group, 0, self.host.clock.wall_ns())
        good.value[:] = 1.0
        if hasattr(self, bad):
            await getattr(self, bad)(good)
        elif bad:
            globals()[bad]()
        return good

    async def never_returns(self, _good: Batch) -> None:
        await asyncio.Event().wait()

    async def floods(self, good: Batch) -> NoReturn:
        while True:
            self.sink(good)
            await asyncio.sleep(0)

    async def floods_without_end(self, good: Batch) -> NoReturn:
        while True:
            self.sink(good)

    async def asks_in_a_task(self, _good: Batch) -> None:
        self.task = asyncio.create_task(asks_later())
        await asyncio.sleep(1)

    async def leaks(self, _good: Batch) -> None:
        if not HEAP:
            self.task = asyncio.create_task(leaks_on())

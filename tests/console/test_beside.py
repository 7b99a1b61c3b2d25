"""What is done in processes of their own: one, however many ask."""

import asyncio
import threading
from typing import Any, cast

import pytest

from gateway.console.beside import Beside
from tests.console.plant import until


async def test_many_that_ask_at_once_start_one_process_and_the_next_another(monkeypatch: pytest.MonkeyPatch) -> None:
    host: Any = type("Host", (), {"changes": None})()
    started, go_on = [], threading.Event()

    def expanded(_self: Beside) -> bytes:
        started.append(1)
        go_on.wait(5.0)
        return b'{"files":[]}'

    monkeypatch.setattr(Beside, "_expanded", expanded)
    one, nobody = Beside(host), cast("Any", None)
    asked = [asyncio.ensure_future(one._config(nobody)) for _ in range(20)]
    await asyncio.sleep(0.05)
    asked[0].cancel()
    go_on.set()
    found = await asyncio.gather(*asked[1:])
    assert found == [b'{"files":[],"pending":null}'] * 19, "a page that goes away takes nothing from the others"
    assert len(started) == 1
    await one._config(nobody)
    assert len(started) == 2


async def test_who_asks_after_a_change_is_not_told_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    host: Any = type("Host", (), {"changes": None})()
    disk, begun, go_on = ["before"], threading.Event(), threading.Event()

    def expanded(_self: Beside) -> bytes:
        read = disk[-1]
        begun.set()
        go_on.wait(5.0)
        return f'{{"files":["{read}"]}}'.encode()

    monkeypatch.setattr(Beside, "_expanded", expanded)
    one, nobody = Beside(host), cast("Any", None)
    early = asyncio.ensure_future(one._config(nobody))
    await asyncio.to_thread(begun.wait, 5.0)
    disk.append("after")
    late = [asyncio.ensure_future(one._config(nobody)) for _ in range(3)]
    await asyncio.sleep(0)
    go_on.set()
    assert await early == b'{"files":["before"],"pending":null}'
    assert await asyncio.gather(*late) == [b'{"files":["after"],"pending":null}'] * 3


async def test_what_is_under_way_ends_with_the_gateway() -> None:
    one = Beside(cast("Any", None))
    slow = asyncio.ensure_future(asyncio.to_thread(one._run, "timeit", ["-n", "1", "import time; time.sleep(60)"]))
    await asyncio.to_thread(until, lambda: one._processes, "it has begun")
    one.end()
    done = await asyncio.wait_for(slow, 10.0)
    assert done.returncode == -9
    assert not one._processes

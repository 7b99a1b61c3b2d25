"""/healthz says what the watchdog would act on: a loop that does not turn, a stage that stands still."""

import asyncio
import json
import time
import urllib.error
import urllib.request

import pytest
import structlog

from gateway.cli.run import _alive
from gateway.ops.clock import SystemClock
from gateway.ops.watchdog import UNWATCHED, Progress, Stage, Watchdog
from gateway.ops.web import WebServer

PATIENT = 20.0  # s


def watched(stages: list[Stage], limit: float | None, monkeypatch: pytest.MonkeyPatch) -> Watchdog:
    if limit is None:
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    else:
        monkeypatch.setenv("WATCHDOG_USEC", str(int(limit * 1e6)))
    return Watchdog(SystemClock(), Progress(stages), structlog.get_logger())


def healthz(server: WebServer) -> tuple[int, bool]:
    try:
        with urllib.request.urlopen(f"http://{server.address}/healthz", timeout=PATIENT) as answer:
            return answer.status, json.load(answer)["alive"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["alive"]


def until(server: WebServer, wanted: tuple[int, bool]) -> bool:
    """Whether /healthz comes to say so."""
    end = time.monotonic() + PATIENT
    while (found := healthz(server)) != wanted and time.monotonic() < end:
        time.sleep(0.02)
    return found == wanted


async def test_a_loop_that_is_held_is_told_by_a_thread_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog = watched([], 0.6, monkeypatch)
    server = WebServer("127.0.0.1:0", {"/healthz": lambda _: _alive(watchdog)})
    await asyncio.to_thread(server.start)
    assert await asyncio.to_thread(healthz, server) == (200, True), "before the start it is not dead"
    beating = asyncio.create_task(watchdog.run())
    await asyncio.sleep(0)
    try:
        told: list[bool] = []
        looking = asyncio.create_task(asyncio.to_thread(lambda: told.append(until(server, (503, False)))))
        await asyncio.sleep(0)
        while not told:
            pass  # holds the loop for as long as the other thread looks
        await looking
        assert told == [True]
        assert await asyncio.to_thread(until, server, (200, True)), "it goes on, and all is well"
    finally:
        beating.cancel()
        await asyncio.to_thread(server.stop)


async def test_a_stage_that_stands_still_is_told_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = [1]
    watchdog = watched([Stage("outbox", lambda: 0, lambda: waiting[0])], 0.6, monkeypatch)
    beating = asyncio.create_task(watchdog.run())
    try:
        async with asyncio.timeout(PATIENT):
            while watchdog.alive():  # noqa: ASYNC110 - time itself is what is waited for
                await asyncio.sleep(0.02)
            waiting[0] = 0
            while not watchdog.alive():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
    finally:
        beating.cancel()


async def test_without_systemd_the_limit_is_that_of_the_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog = watched([], None, monkeypatch)
    beating = asyncio.create_task(watchdog.run())
    await asyncio.sleep(0)
    now = time.monotonic()
    for late, alive in ((UNWATCHED - 1, True), (UNWATCHED + 1, False)):
        monkeypatch.setattr(watchdog._clock, "monotonic", lambda late=late: now + late)
        assert watchdog.alive() is alive
    monkeypatch.undo()
    beating.cancel()

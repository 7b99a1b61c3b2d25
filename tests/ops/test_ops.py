"""Health, supervision, watchdog, sd_notify, logs, metrics, lock: each says what it is there to say."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

import pytest
import structlog

from gateway.ops import logs, watchdog
from gateway.ops.health import Health, State
from gateway.ops.lock import AlreadyRunningError, lock
from gateway.ops.metrics import HELP, Metrics, Sample
from gateway.ops.supervisor import GivenUpError, Supervisor
from gateway.ops.systemd import notify, watchdog_seconds
from gateway.ops.watchdog import Progress, Stage, Watchdog
from gateway.ops.web import WebServer, json_answer
from gateway.sdk.testing import FakeClock, LoopClock, SilentLog


def test_a_dead_device_degrades_the_gateway_and_never_fails_it() -> None:
    health = Health(FakeClock())
    health.report("outbox", State.OK)
    assert health.overall() is State.OK
    assert health.report("device pump", State.FAILED, "plugin missing", "install it")
    assert health.overall() is State.DEGRADED
    assert health.snapshot()[0]["remedy"] == "install it"


def test_a_state_that_does_not_change_keeps_its_since() -> None:
    clock = FakeClock()
    health = Health(clock)
    health.report("broker", State.DEGRADED, "refused")
    since = health.snapshot()[0]["since"]
    clock.advance(60)
    assert not health.report("broker", State.DEGRADED, "timeout")
    assert health.snapshot()[0]["since"] == since
    assert health.snapshot()[0]["why"] == "timeout"


class Log(SilentLog):
    def exception(self, event: str, **fields: object) -> None:
        self.lines.append(("exception", event, fields))


async def test_a_part_that_fails_is_started_again() -> None:
    tries = []

    async def part() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ZeroDivisionError

    supervisor = Supervisor(LoopClock(), Log(), Health(FakeClock()))
    supervisor.add("part", part)
    await asyncio.wait_for(supervisor.run(), 5.0)
    assert supervisor.counters["part"] == 2


async def test_a_part_that_fails_over_and_over_ends_the_gateway() -> None:
    async def part() -> None:
        raise ZeroDivisionError

    supervisor = Supervisor(LoopClock(), Log(), Health(FakeClock()), most=2)
    supervisor.add("part", part)
    with pytest.raises(GivenUpError, match="part failed 2 times"):
        await asyncio.wait_for(supervisor.run(), 5.0)


def test_the_watchdog_is_not_fed_while_a_stage_with_work_stands_still() -> None:
    done, waiting = [0], [0]
    progress = Progress([Stage("outbox", lambda: done[0], lambda: waiting[0])])
    assert progress.stuck() == []
    waiting[0] = 5
    assert progress.stuck() == ["outbox"]
    done[0] = 1
    assert progress.stuck() == []
    assert progress.stuck() == ["outbox"]


async def test_the_worst_lag_is_told_to_everybody_who_looks_and_forgotten_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000")  # a beat each 10 ms
    monkeypatch.setattr(watchdog, "LOOKED_BACK", 0.1)
    clock = FakeClock()
    dog = Watchdog(clock, Progress([]), SilentLog())
    assert dog.lag == 0.0
    running = asyncio.create_task(dog.run())
    await asyncio.sleep(0)
    clock.advance(2.0)
    lags = []
    for _ in range(500):
        lags += [dog.lag, dog.lag]
        await asyncio.sleep(0.001)
    running.cancel()
    late = [lag for lag in lags if lag > 1.0]
    assert late == [pytest.approx(2.0, abs=0.1)] * len(late)
    assert len(late) >= 4, "looking at it does not end it"
    assert lags[-1] < 1.0


@pytest.mark.parametrize("abstract", [False, True])
def test_notify_reaches_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    address = f"@fieldgate-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + address[1:] if abstract else address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify("READY=1")
        assert server.recv(100) == b"READY=1"


def test_notify_without_systemd_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nonexistent/socket")
    notify("READY=1")


def test_the_watchdog_period_comes_from_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert watchdog_seconds() == 30.0
    monkeypatch.setenv("WATCHDOG_USEC", "soon")
    assert watchdog_seconds() is None


def test_repeats_are_held_back_and_counted() -> None:
    hold = logs.RepeatFilter(burst=2, window=60.0)
    passed = []
    for second in range(100):
        event = {"event": "device lost", "device": "pump", "monotonic": float(second)}
        try:
            passed.append(hold(None, "warning", event))
        except structlog.DropEvent:
            continue
    assert len(passed) == 4
    assert passed[2]["repeats"] == 59


def test_a_log_line_is_json_with_journald_s_priority() -> None:
    program = (
        "import structlog; from gateway.ops import logs; from gateway.ops.clock import SystemClock\n"
        "logs.configure('info', SystemClock())\n"
        "structlog.get_logger().warning('device lost', device='pump', why='refused')"
    )
    environ = {**os.environ, "JOURNAL_STREAM": "8:1"}
    ran = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert ran.stderr.startswith("<4>")
    assert json.loads(ran.stderr[3:]) | {"time": 0} == {
        "event": "device lost", "level": "warning", "device": "pump", "why": "refused", "time": 0,
    }  # fmt: skip


def test_metrics_are_read_when_somebody_asks() -> None:
    metrics, count = Metrics(), [1]
    metrics.add(lambda: [Sample("readings_total", count[0]), Sample("device_up", 1, {"device": "pump"})])
    count[0] = 42
    text = metrics.render().decode()
    assert "fieldgate_readings_total 42.0" in text
    assert 'fieldgate_device_up{device="pump"} 1.0' in text
    assert HELP["readings_total"] in text


def test_the_web_server_answers_its_table_and_nothing_else() -> None:
    server = WebServer("127.0.0.1:0", {"/healthz": lambda _: json_answer(HTTPStatus.OK, {"alive": True})})
    server.start()
    try:
        with urllib.request.urlopen(f"http://{server.address}/healthz", timeout=5) as answer:
            assert json.load(answer) == {"alive": True}
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://{server.address}/../etc/passwd", timeout=5)
    finally:
        server.stop()


def test_a_second_gateway_on_the_same_state_is_refused(tmp_path: Path) -> None:
    handle = lock(tmp_path)
    try:
        with pytest.raises(AlreadyRunningError, match=f"pid {os.getpid()}"):
            lock(tmp_path)
    finally:
        os.close(handle)
    os.close(lock(tmp_path))

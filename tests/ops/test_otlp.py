"""Metrics by OpenTelemetry, at a receiver on another implementation: OpenTelemetry's JavaScript, on protobufjs.

The collector itself (otelcol) is in no registry that these tests may use: neither Debian, PyPI nor npm has it.
"""

import json
import os
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.cli.children import daemon, listening, write_configuration
from gateway.config import otlp as config
from gateway.config.load import load
from gateway.config.problems import ConfigErrors
from gateway.ingest.registry import Registry
from gateway.ops.clock import SystemClock
from gateway.ops.health import Health, State
from gateway.ops.metrics import Metrics, Sample
from gateway.ops.otlp import PART, Sender
from gateway.sdk.testing import SilentLog
from tests import npm

MODULES = npm.folder("otlp")
PACKAGE = "@opentelemetry/otlp-transformer@0.57.2"
WITHIN = 20.0  # s; on a busy machine too


class Receiver:
    """The receiver, and what it got."""

    def __init__(self, port: int = 0) -> None:
        script = Path(__file__).parent / "otlp_receiver.js"
        self._process = subprocess.Popen(
            ["node", str(script), str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "NODE_PATH": str(MODULES / "node_modules")},
        )  # fmt: skip
        self._said: Queue[dict[str, Any]] = Queue()
        threading.Thread(target=self._hear, daemon=True).start()
        self.port: int = self.next()["port"]

    def _hear(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._said.put(json.loads(line))

    def next(self, within: float = WITHIN) -> dict[str, Any]:
        """What it says next."""
        return self._said.get(timeout=within)

    def answer(self, how: str) -> None:
        """Have it answer so from now on; what it got before is forgotten."""
        assert self._process.stdin
        self._process.stdin.write(f"{how}\n")
        self._process.stdin.flush()
        while self.next() != {"now": how}:
            pass

    def requests(self, within: float) -> list[dict[str, Any]]:
        """What comes within a time."""
        found, until = [], time.monotonic() + within
        while (left := until - time.monotonic()) > 0:
            try:
                found.append(self.next(left))
            except Empty:
                break
        return found

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            pipe.close()


@dataclass(frozen=True)
class To:
    """Where to send, faster than a configuration may."""

    url: str
    every: float = 0.2
    timeout: float = 1.0
    token: SecretStr | None = None
    ca: Path | None = None


def events(log: SilentLog) -> list[str]:
    """What was logged."""
    return [event for _, event, _ in log.lines]


def why(log: SilentLog) -> str:
    """The reason in the first line."""
    return str(log.lines[0][2]["why"])


@pytest.fixture(scope="module", autouse=True)
def _modules() -> None:
    if reason := npm.install(MODULES, PACKAGE):
        pytest.skip(f"the receiver: {reason}")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.stop()


@pytest.fixture
def begin(receiver: Receiver) -> Iterator[Callable[..., tuple[Sender, SilentLog, Health]]]:
    """Starts a sender of two samples."""
    begun: list[Sender] = []

    def one(**how: Any) -> tuple[Sender, SilentLog, Health]:
        metrics, log, health = Metrics(), SilentLog(), Health(SystemClock())
        metrics.add(lambda: [Sample("readings_total", 7), Sample("device_up", 0.0, {"device": "pump-7"})])
        to = To(f"http://127.0.0.1:{receiver.port}/v1/metrics", **how)
        sender = Sender(to, metrics, "line-3", SystemClock(), health, log)
        sender.start()
        begun.append(sender)
        return sender, log, health

    yield one
    for sender in begun:
        sender.stop()


def metrics_of(request: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The metrics of one request, by name."""
    [resource] = request["found"]["resourceMetrics"]
    [scope] = resource["scopeMetrics"]
    return {one["name"]: one for one in scope["metrics"]}


def values(metric: dict[str, Any]) -> dict[tuple[tuple[str, str], ...], float]:
    """The values of one metric by their labels."""
    points = (metric.get("sum") or metric["gauge"])["dataPoints"]
    return {
        tuple(sorted((one["key"], one["value"]["stringValue"]) for one in point.get("attributes", ()))): float(
            point.get("asDouble", point.get("asInt", 0))
        )
        for point in points
    }


def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_a_counter_is_a_sum_and_any_other_a_gauge(receiver: Receiver, begin: Any) -> None:
    before = time.time_ns()
    begin(token=SecretStr("c4n4ry"))
    request = receiver.next()
    assert (request["path"], request["type"]) == ("/v1/metrics", "application/x-protobuf")
    assert request["authorization"] == "Bearer c4n4ry"
    [resource] = request["found"]["resourceMetrics"]
    said = {one["key"]: one["value"]["stringValue"] for one in resource["resource"]["attributes"]}
    assert (said["service.name"], said["service.instance.id"]) == ("fieldgate", "line-3")
    found = metrics_of(request)
    readings = found["fieldgate_readings_total"]
    assert (readings["sum"]["isMonotonic"], readings["sum"]["aggregationTemporality"]) == (
        True,
        "AGGREGATION_TEMPORALITY_CUMULATIVE",
    )
    assert readings["description"] == "Readings that adapters delivered."
    assert values(readings) == {(): 7.0}
    [point] = readings["sum"]["dataPoints"]
    assert before * 0.999999 < point["startTimeUnixNano"] < point["timeUnixNano"] < time.time_ns() * 1.000001
    assert values(found["fieldgate_device_up"]) == {(("device", "pump-7"),): 0.0}


def test_a_collector_that_goes_and_comes_is_told_of_once_each(receiver: Receiver, begin: Any) -> None:
    sender, log, health = begin()
    until(lambda: sender.counters["otlp_sent_total"], "it is sent")
    assert (events(log), health.state(PART)) == ([], State.OK)
    receiver.stop()
    until(lambda: sender.counters["otlp_failed_total"] >= 3, "it is away")
    assert events(log) == ["metrics collector lost"]
    assert "refused" in why(log)
    part = health.part(PART)
    assert part
    assert (part.state, "metrics.otlp" in part.remedy) == (State.DEGRADED, True)
    again = Receiver(receiver.port)
    try:
        assert metrics_of(again.next())["fieldgate_readings_total"]
        until(lambda: health.state(PART) is State.OK, "it is back")
    finally:
        again.stop()
    assert events(log)[:2] == ["metrics collector lost", "metrics collector back"]


@pytest.mark.parametrize("how", ["503", "500", "404"])
def test_a_collector_that_refuses_is_not_stormed(receiver: Receiver, begin: Any, how: str) -> None:
    receiver.answer(how)
    sender, log, _ = begin(every=0.5, timeout=0.4)
    got = receiver.requests(1.8)
    assert 1 <= len(got) <= 4 * 7  # at most seven tries a send (Retry-After: 0 is obeyed), and four sends
    until(lambda: sender.counters["otlp_failed_total"], "it is counted")
    assert sender.counters["otlp_failed_total"] <= 4
    assert events(log) == ["metrics collector lost"]
    assert f"answers {how}" in why(log)


def test_a_collector_that_never_answers_holds_nobody_and_nothing_is_queued(receiver: Receiver, begin: Any) -> None:
    receiver.answer("silent")
    threads = threading.active_count()
    sender, log, _ = begin(every=0.2, timeout=0.6)
    began = time.monotonic()
    until(lambda: sender.counters["otlp_failed_total"] >= 3, "it gives up")
    assert time.monotonic() - began >= 3 * 0.6 * 0.9, "ticks meanwhile are skipped"
    assert threading.active_count() == threads + 1
    assert events(log) == ["metrics collector lost"]
    receiver.answer("200")
    first = time.monotonic()
    until(lambda: "metrics collector back" in events(log), "it is back")
    assert sender.counters["otlp_sent_total"] <= 1 + (time.monotonic() - first) / 0.2, "nothing is made good"
    began = time.monotonic()
    sender.stop()
    assert time.monotonic() - began < 2.5


def test_without_the_extra_the_option_is_an_error_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "EXPORTER", "opentelemetry_that_is_absent.exporter")
    root = {"gateway": {"id": "a"}, "metrics": {"otlp": {"url": "http://127.0.0.1:4318/v1/metrics"}}}
    path = write_configuration(tmp_path, root, [])
    with pytest.raises(ConfigErrors) as caught:
        load(path, Registry().models())
    [problem] = caught.value.problems
    assert problem.path == "metrics.otlp"
    assert "pip install 'fieldgate[otel]'" in problem.message


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ({"url": "http://user:secret@host/v1/metrics"}, "url"),
        ({"url": "host:4318"}, "url"),
        ({"url": "http://h:1/v1/metrics", "every": "5s", "timeout": "5s"}, "shorter"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, option: dict[str, str], word: str) -> None:
    path = write_configuration(tmp_path, {"gateway": {"id": "a"}, "metrics": {"otlp": option}}, [])
    with pytest.raises(ConfigErrors, match=word):
        load(path, Registry().models())


def test_a_running_gateway_pushes_what_prometheus_would_scrape(receiver: Receiver, tmp_path: Path) -> None:
    tags = {name: {"wave": "noise"} for name in ("a", "b")}
    url = f"http://127.0.0.1:{receiver.port}/v1/metrics"
    root = {
        "gateway": {"id": "line-3", "secrets_dir": str(tmp_path)},
        "metrics": {"otlp": {"url": url, "every": "1s", "timeout": "900ms", "token": "!secret otlp"}},
    }
    device = {"device": "bench", "adapter": "sim", "every": "100ms", "tags": tags}
    (tmp_path / "otlp").write_text("c4n4ry-token")
    path = write_configuration(tmp_path, root, [device])
    path.write_text(path.read_text().replace('"!secret otlp"', "!secret otlp"))
    gateway = daemon(path, tmp_path, tmp_path / "log")
    try:
        address = listening(gateway, tmp_path)
        request = receiver.next()
        while values(metrics_of(request)["fieldgate_readings_total"])[()] < 10:
            request = receiver.next()
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=WITHIN) as answer:
            text = answer.read().decode()
    finally:
        gateway.stop()
    assert request["authorization"] == "Bearer c4n4ry-token"
    assert "c4n4ry" not in text + (tmp_path / "log").read_text()
    scraped = {
        (name, tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels))))
        for name, labels in re.findall(r"^(fieldgate_\w+)(?:\{(.*)\})? ", text, re.MULTILINE)
    }
    pushed = {(name, labels) for name, metric in metrics_of(request).items() for labels in values(metric)}
    assert pushed <= scraped
    assert {name for name, _ in scraped - pushed} <= {"fieldgate_otlp_sent_total"}, "but for what has counted since"

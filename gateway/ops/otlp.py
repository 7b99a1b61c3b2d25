"""The same metrics as for Prometheus, pushed to an OpenTelemetry collector: on a thread of its own, one send at a time.

Names and labels are those of /metrics. Nothing is queued: counters go on counting, so that what a collector missed
while it was away is in the next figures (OTLP, cumulative temporality). It is told once when it goes and when it comes.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Protocol

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from pydantic import SecretStr

from gateway import __version__
from gateway.ops.health import Health, State
from gateway.ops.metrics import HELP, PREFIX, Metrics, Sample
from gateway.sdk.clock import Clock

PART: Final = "metrics collector"
_STOP: Final = 2.0  # s that a send under way may take at the end


class Collector(Protocol):
    """Where to send, and how often; times in seconds. `gateway.config.otlp.OtlpConfig` is one."""

    @property
    def url(self) -> str:
        """Of the collector."""

    @property
    def every(self) -> float:
        """Between two sends."""

    @property
    def timeout(self) -> float:
        """Longest wait for an answer."""

    @property
    def token(self) -> SecretStr | None:
        """For `Authorization: Bearer`."""

    @property
    def ca(self) -> Path | None:
        """Who may sign the collector's certificate."""


def document(samples: Sequence[Sample], gateway: str, begun: int, now: int) -> MetricsData:
    """All samples as OpenTelemetry has them. Pure.

    Args:
        samples: as they come from the sources.
        gateway: its name.
        begun: when the counters began at 0, in ns of Unix time.
        now: when they were read, likewise.
    """
    scope = InstrumentationScope("fieldgate", __version__)
    resource = Resource(
        {"service.name": "fieldgate", "service.instance.id": gateway, "service.version": __version__}
    )  # not Resource.create, which looks the machine over
    by_name = attrgetter("name")
    metrics = [
        _metric(name, [_point(sample, begun, now) for sample in same])
        for name, same in groupby(sorted(samples, key=by_name), by_name)
    ]
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, metrics, "")], "")])


def _metric(name: str, points: list[NumberDataPoint]) -> Metric:
    """The unit is in the name, as Prometheus has it; said twice, a collector would append it again."""
    data = (
        Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True) if name.endswith("_total") else Gauge(points)
    )
    return Metric(PREFIX + name, HELP.get(name, name.replace("_", " ")), "", data)


def _point(sample: Sample, begun: int, now: int) -> NumberDataPoint:
    value = sample.value if isinstance(sample.value, int) else float(sample.value)
    return NumberDataPoint(dict(sample.labels), begun, now, value)


class _Session(requests.Session):
    """Remembers why the last request failed, for the exporter returns only that it did."""

    why = ""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As requests does it."""
        try:
            answer = super().request(*args, **kwargs)
        except requests.RequestException as error:
            self.why = str(error)
            raise
        self.why = f"it answers {answer.status_code} {answer.reason}"
        return answer


class Sender:
    """Sends to one collector."""

    def __init__(self, to: Collector, metrics: Metrics, gateway: str, clock: Clock, health: Health, log: Any) -> None:
        """Opens nothing yet; `gateway` is its name."""
        self._to, self._metrics, self._gateway = to, metrics, gateway
        self._clock, self._health, self._log = clock, health, log
        self._begun = clock.wall_ns()
        self._session = _Session()
        self._exporter = OTLPMetricExporter(
            to.url,
            certificate_file=str(to.ca) if to.ca else None,
            headers={"authorization": f"Bearer {to.token.get_secret_value()}"} if to.token else None,
            timeout=to.timeout,
            session=self._session,
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)
        self._taken: bool | None = None  # whether the collector took the last send
        self.counters = dict.fromkeys(("otlp_sent_total", "otlp_failed_total"), 0)

    def start(self) -> None:
        """Begin to send."""
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what it says at each try is told once, by us
        self._thread.start()

    def stop(self) -> None:
        """Send no more; blocks for a moment."""
        self._ended.set()
        self._exporter.shutdown()
        self._thread.join(_STOP)

    def samples(self) -> Iterator[Sample]:
        """For the metrics; from any thread."""
        yield from (Sample(name, count) for name, count in self.counters.items())

    def _run(self) -> None:
        """On its own thread; a tick that comes while a send is under way is skipped, not made good."""
        every, due = self._to.every, self._clock.monotonic()
        try:
            while True:
                late = self._clock.monotonic() - due
                due += every * (1 + late // every)
                if self._ended.wait(due - self._clock.monotonic()):
                    return
                self.send()
        finally:
            if not self._ended.is_set():
                self._health.report(PART, State.FAILED, "its thread has ended", "report it; the gateway goes on")

    def send(self) -> None:
        """Send once."""
        try:
            samples = self._metrics.samples()
        except RuntimeError:  # a table grew while it was read: at the next tick
            return
        found = document(samples, self._gateway, self._begun, self._clock.wall_ns())
        taken = self._exporter.export(found) is MetricExportResult.SUCCESS
        self.counters["otlp_sent_total" if taken else "otlp_failed_total"] += 1
        if taken is not self._taken and not self._ended.is_set():
            self._tell(taken=taken)

    def _tell(self, *, taken: bool) -> None:
        """The collector has come, or gone."""
        if taken:
            self._health.report(PART, State.OK)
            if self._taken is False:
                self._log.info("metrics collector back")
        else:
            why = self._session.why[-300:]  # the cause stands at the end
            self._health.report(PART, State.DEGRADED, why, "the collector, or metrics.otlp; the gateway goes on")
            self._log.warning("metrics collector lost", url=self._to.url, why=why)
        self._taken = taken


@contextmanager
def sending(to: Collector, metrics: Metrics, gateway: str, clock: Clock, health: Health, log: Any) -> Iterator[None]:
    """Send while the gateway runs."""
    sender = Sender(to, metrics, gateway, clock, health, log)
    metrics.add(lambda: list(sender.samples()))
    sender.start()
    try:
        yield
    finally:
        sender.stop()

"""What the gateway knows of itself: one document for people and programs, and the figures for Prometheus.

Read-only views over the parts' own counters and columns; read from the web thread, so nothing here changes anything but
the columns of last scores.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from gateway import __version__
from gateway.deliver.outbox import Outbox
from gateway.deliver.publisher import Publisher
from gateway.ingest.certificates import CertificateWatch
from gateway.ingest.gate import Gate
from gateway.ingest.runner import Runner
from gateway.models.cohorts import Judged
from gateway.models.drift import drifted
from gateway.models.learning import Learning
from gateway.operators.commands import Commands
from gateway.operators.records import AlarmRecords
from gateway.operators.writing import Writing
from gateway.ops.health import Health
from gateway.ops.metrics import Sample
from gateway.ops.supervisor import Supervisor
from gateway.ops.watchdog import Watchdog
from gateway.pipeline import Pipeline
from gateway.stages.score import Abstain
from gateway.stages.states import STANDING, State
from gateway.state.edition import Edition

if TYPE_CHECKING:
    from gateway.models.keeper import Models

_STARTED = time.monotonic()


@dataclass(frozen=True)
class Parts:
    """The parts that are looked at."""

    gateway: str
    health: Health
    pipeline: Pipeline
    gate: Gate
    judged: Judged
    learning: Learning
    outbox: Outbox
    publisher: Publisher | None
    runners: tuple[Runner, ...]
    supervisor: Supervisor
    watchdog: Watchdog
    models: "Models | None" = None
    broken: tuple[str, ...] = ()  # devices that nothing can read
    alarms: AlarmRecords | None = None
    commands: Commands | None = None
    writing: Writing | None = None
    certificates: CertificateWatch | None = None
    edition: Edition | None = None
    metered: int = 0  # assets up to which each has metrics of its own


class Status:
    """The document, and the last score of every asset."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.damaged = (0, 0)  # places in the outbox that were found damaged at start, and bytes in them
        watch = parts.judged.watch
        n, shapes = len(watch.names), [cohort.index.shape for cohort in watch.cohorts]
        self.score, self.threshold = np.full(n, np.nan), np.full(n, np.nan)
        self.shares, self.expected = ([np.full(shape, np.nan) for shape in shapes] for _ in range(2))  # by cohort
        self._place = watch.places()[1]

    def take_over(self, old: "Status") -> None:
        """Go on from another status of the same assets."""
        self.score, self.threshold = old.score, old.threshold
        self.shares, self.expected = old.shares, old.expected

    def note(self) -> None:
        """Remember the scores of the pipeline's last turn."""
        for number, assets, _, scores in self._parts.pipeline.scored:
            told = scores.reason != Abstain.PENDING if scores.ticket else slice(None)
            members = self._place[assets[told]]
            self.shares[number][members], self.expected[number][members] = scores.contrib[told], scores.expected[told]
            self.score[assets[told]] = scores.score[told]
            self.threshold[assets[told]] = scores.threshold[told]

    def document(self) -> dict[str, Any]:
        """Everything, as JSON-able objects."""
        parts = self._parts
        return {
            **self.head(),
            "configuration": parts.edition.document() if parts.edition else None,
            "parts": parts.health.snapshot(),
            "devices": self.devices(),
            "connections": {one.connection.name: dict(one.adapter.gauges()) for one in parts.runners},
            "assets": self.assets(),
            "alarms": parts.alarms.document() if parts.alarms else {},
            "writes": parts.writing.document() if parts.writing else {},
            "conditions": parts.writing.calling.standing() if parts.writing else [],
            "certificates": parts.certificates.document() if parts.certificates else [],
            "models": self._parts.models.states() if self._parts.models else [],
            **self.delivery(),
        }

    def head(self) -> dict[str, Any]:
        """Which gateway it is, and how it is in a word."""
        return {
            "gateway": self._parts.gateway,
            "version": __version__,
            "state": self._parts.health.overall().value,
            "uptime": round(time.monotonic() - _STARTED, 3),
        }

    def delivery(self) -> dict[str, Any]:
        """What has come in, what waits, and the broker."""
        counters = {**self._parts.pipeline.counters, **self._parts.gate.counters}
        return {"pipeline": counters, "outbox": self.outbox(), "broker": self.broker()}

    def devices(self) -> list[dict[str, Any]]:
        """Each device and whether it answers."""
        return [
            {"device": device.name, "connection": runner.connection.name, "lost": device.id in runner.lost}
            for runner in self._parts.runners
            for device in runner.connection.devices
        ] + [{"device": name, "connection": None, "lost": True} for name in self._parts.broken]

    def assets(self) -> list[dict[str, Any]]:
        """Each asset: how far its detector is, its score against the threshold, its alarm state."""
        alarms = self._parts.judged.watch.alarms
        states = {entry["asset"]: entry for entry in self._parts.learning.states()}
        if self._parts.models:
            for name, phase in self._parts.models.phases().items():
                states[name] = {**states.get(name, {}), "asset": name, "phase": phase}
        return [
            {
                **states.get(name, {"asset": name, "phase": "rule"}),
                "score": _number(self.score[i]),
                "threshold": _number(self.threshold[i]),
                "alarm": State(alarms.state[i]).word,
            }
            for i, name in enumerate(self._parts.judged.watch.names)
        ]

    def broker(self) -> dict[str, Any]:
        """The connection to the broker."""
        publisher = self._parts.publisher
        if publisher is None:
            return {"connected": False, "why": "no mqtt section in the configuration"}
        return {"connected": publisher.connected, "why": publisher.last_error, **publisher.counters}

    def outbox(self) -> dict[str, Any]:
        """What waits, what was accepted, acknowledged and dropped, by class."""
        stats = self._parts.outbox.stats()
        return {
            "epoch": stats.epoch,
            "damaged_places": self.damaged[0],
            "lost_bytes": self.damaged[1],
            "disk_bytes": stats.disk_bytes,
            "written_bytes": stats.written_bytes,
            "fsyncs": stats.fsyncs,
            "failed": stats.failed,
            "last_error": stats.last_error,
            "classes": {
                cls.value: {
                    "queued": queue.queued.records + queue.waiting.records,
                    "accepted": queue.accepted.records,
                    "acked": queue.acked.records,
                    "readings_put": queue.put.readings + queue.recovered.readings,
                    "readings_recovered": queue.recovered.readings,
                    "readings_queued": queue.queued.readings + queue.waiting.readings,
                    "readings_acked": queue.acked.readings,
                    "readings_dropped": dict(queue.dropped),
                    "records_dropped": dict(queue.dropped_records),
                    "oldest_age": round(queue.oldest_age, 1),
                    "balances": queue.balances,
                }
                for cls, queue in stats.classes.items()
            },
        }

    def ready(self) -> bool:
        """Whether readings that come in can be kept: the outbox takes them."""
        return not self._parts.outbox.stats().failed

    def line(self) -> bytes:
        """The document as JSON."""
        return orjson.dumps(self.document(), option=orjson.OPT_SERIALIZE_NUMPY)

    # -- for Prometheus ----------------------------------------------------------------------------------------------

    def samples(self) -> Iterable[Sample]:
        """All figures now."""
        parts = self._parts
        yield Sample("info", 1, {"version": __version__, "gateway": parts.gateway})
        yield from parts.edition.samples() if parts.edition else ()
        yield from _plain({**parts.pipeline.counters, **parts.gate.counters})
        for runner in parts.runners:
            labels = {"connection": runner.connection.name}
            yield from _plain({**runner.counters, **runner.adapter.counters, **runner.adapter.gauges()}, labels)
            for device in runner.connection.devices:
                yield Sample("device_up", float(device.id not in runner.lost), {"device": device.name})
        for name, count in parts.supervisor.counters.items():
            yield Sample("part_restarts_total", count, {"part": name})
        yield Sample("loop_lag_seconds", parts.watchdog.lag)
        if parts.publisher:
            yield Sample("mqtt_connected", float(parts.publisher.connected))
            yield from _plain({f"mqtt_{name}_total": count for name, count in parts.publisher.counters.items()})
        yield Sample("tags_drifted", drifted(parts.judged))
        for detector in parts.judged.detectors:
            yield from _plain(detector.counters, {"width": str(detector.width)})
        for model, counters in (parts.models.counters() if parts.models else {}).items():
            yield from _plain({f"model_{name}_total": count for name, count in counters.items()}, {"model": model})
        yield from self._assets()
        yield from self._alarms()
        yield from parts.writing.samples() if parts.writing else ()
        yield from parts.certificates.samples() if parts.certificates else ()
        yield from self._outbox()

    def _assets(self) -> Iterable[Sample]:
        alarms = self._parts.judged.watch.alarms
        if len(self.score) > self._parts.metered:
            return
        for row, asset in enumerate(self.assets()):
            labels = {"asset": asset["asset"]}
            ratio = float(self.score[row] / self.threshold[row]) if self.threshold[row] else np.nan
            if np.isfinite(ratio):
                yield Sample("asset_score_ratio", ratio, labels)
            yield Sample("asset_phase", 1, {**labels, "phase": asset["phase"]})
            yield Sample("asset_alarm_standing", float(State(alarms.state[row]) in STANDING), labels)

    def _alarms(self) -> Iterable[Sample]:
        for name, figure in (self._parts.alarms.document() if self._parts.alarms else {}).items():
            counts = figure.items() if isinstance(figure, dict) else ()
            yield from (Sample(f"alarms_{name}", count, {"severity": severity}) for severity, count in counts)
            if not isinstance(figure, dict):
                yield Sample(f"alarms_{name}", figure)
        if self._parts.commands:
            yield from _plain(self._parts.commands.counters)
            for reason, count in self._parts.commands.refused.items():
                yield Sample("commands_refused_total", count, {"reason": reason})

    def _outbox(self) -> Iterable[Sample]:
        stats = self._parts.outbox.stats()
        for cls, queue in stats.classes.items():
            labels = {"class": cls.value}
            yield Sample("outbox_queued_records", queue.queued.records, labels)
            yield Sample("outbox_queued_readings", queue.queued.readings, labels)
            yield Sample("outbox_oldest_seconds", queue.oldest_age, labels)
            yield Sample("outbox_accepted_total", queue.accepted.records, labels)
            yield Sample("outbox_acked_readings_total", queue.acked.readings, labels)
            for reason, count in queue.dropped.items():
                yield Sample("outbox_dropped_readings_total", count, {**labels, "reason": reason})
        yield Sample("outbox_disk_bytes", stats.disk_bytes)
        yield Sample("outbox_written_bytes_total", stats.written_bytes)
        yield Sample("outbox_fsyncs_total", stats.fsyncs)


def _plain(counters: Mapping[str, float], labels: dict[str, str] | None = None) -> Iterable[Sample]:
    for name, count in counters.items():
        yield Sample(name, count, labels or {})


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)

"""Everything at a glance, and the delivery: documents for the pages, read like the status (gateway/status.py)."""

import shutil
import time
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from gateway.console import alarms, assets
from gateway.console.host import Host, now
from gateway.console.machine import Machine
from gateway.operators.devices import standings
from gateway.running import Running
from gateway.sdk.quality import UNCERTAIN

_STANDING: Final = 10  # alarms that the overview shows
_LEAST: Final = 0.5  # s over which a rate is taken


class Overview:
    """The overview of one gateway; remembers what it takes to tell a rate."""

    def __init__(self, host: Host) -> None:
        self._host, self._machine = host, Machine(host.state)
        self._before: tuple[float, int] | None = None
        self._rate: float | None = None

    def document(self) -> dict[str, Any]:
        """All of it. Blocks."""
        host, running = self._host, now(self._host)
        status = running.status
        total = int(running.pipeline.counters["readings_total"])
        return {
            **_head(host, running),
            "devices": devices(host, running),
            "assets": assets.assets(running),
            "standing": [one for one in alarms.alarms(host) if one["acts"]][:_STANDING],
            "figures": alarms.figures(host),
            "broker": {name: status.broker()[name] for name in ("connected", "why")},
            "outbox": _outbox(host, running),
            "readings": {"total": total, "rate": self._per_second(total)},
            "machine": asdict(self._machine.figures()),
        }

    def _per_second(self, total: int) -> float | None:
        at, before = time.monotonic(), self._before
        if before is None or total < before[1]:
            self._before = (at, total)
        elif at - before[0] > _LEAST:
            self._rate = round((total - before[1]) / (at - before[0]), 1)
            self._before = (at, total)
        return self._rate


def _head(host: Host, running: Running) -> dict[str, Any]:
    document = running.status.head()
    parts = [{**part, "since": round(part["since"] * 1000)} for part in host.health.snapshot()]
    return {**document, "time": host.clock.wall_ns() // alarms.MS, "parts": parts}


def devices(host: Host, running: Running) -> list[dict[str, Any]]:
    """Every device, in the order of the table."""
    table, status = running.table, running.pipeline.image.status
    lines = {device.name: runner.connection.name for runner in running.runners for device in runner.connection.devices}
    bad = np.bincount(table.device[status >= UNCERTAIN], minlength=len(table.devices)).tolist()
    found = standings(table, running.pipeline.image, host.health)
    return [
        {
            "device": device.name, "adapter": device.config.adapter, "connection": lines.get(device.name),
            "signal": standing.state.value, "text": standing.text, "since": _since(host, device.name),
            "tags": len(device.tags), "bad": bad[device.id],
        }
        for device, standing in zip(table.devices, found, strict=True)
    ]  # fmt: skip


def _since(host: Host, device: str) -> int | None:
    part = host.health.part(f"device {device}")
    return part.since // alarms.MS if part else None


def _outbox(host: Host, running: Running) -> dict[str, Any]:
    stats = host.outbox.stats()
    classes = list(stats.classes.values())
    return {
        "failed": stats.failed,
        "queued": sum(one.queued.records + one.waiting.records for one in classes),
        "oldest_age": round(max((one.oldest_age for one in classes), default=0.0), 1),
        "disk_bytes": stats.disk_bytes,
        "budget": running.configuration.root.outbox.budget,
        "dropped": sum(sum(one.dropped.values()) + sum(one.dropped_records.values()) for one in classes),
    }


def delivery(host: Host) -> dict[str, Any]:
    """Queues, broker and counters. Blocks."""
    running = now(host)
    return {
        **running.status.delivery(),
        "budget": running.configuration.root.outbox.budget,
        "free": shutil.disk_usage(host.state).free,
    }

"""A gateway's way out as a Sparkplug edge node, from batches to a real broker, and a host that listens."""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np

from gateway.config.broker import MqttConfig
from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.deliver.publisher import Publisher
from gateway.deliver.sparkplug.node import EdgeNode
from gateway.deliver.sparkplug.reading import Payload, read
from gateway.deliver.sparkplug.wire import Datatype, metric, payload
from gateway.deliver.speech import Speech
from gateway.models.cohorts import assemble
from gateway.ops.files import RealFiles
from gateway.pipeline import Outward, Pipeline
from gateway.sdk import Batch, DeviceConfig, Kind, TagConfig, TagTable, quality
from gateway.sdk.testing import LoopClock, SilentLog
from tests.deliver.brokers import WITHIN, Subscriber
from tests.deliver.support import config, running, until


class Typed(TagConfig):
    """A tag of which is known beforehand what it holds."""

    holds: str = "float64"

    @property
    def datatype(self) -> str:
        return self.holds


DEVICES: dict[str, dict[str, TagConfig]] = {
    "pump-7": {"flow": Typed(unit="m³/h"), "running": Typed(holds="bool"), "count": Typed(holds="uint16"),
               "total": Typed(holds="int64"), "state": Typed(holds="string"), "speed": Typed(holds="float32")},
    "tank-1": {"level": TagConfig(unit="%"), "mixed": TagConfig()},
    "valve-3": {"open": Typed(holds="bool")},
}  # fmt: skip
PUMP = (101.5, 1.0, 40000.0, -(2.0**40), "on", 1.5)


class Plant:
    """Devices, pipeline, outbox and publisher of one edge node."""

    def __init__(self, folder: Path, port: int, *, sparkplug: dict[str, Any] | None = None, **mqtt: Any) -> None:
        self.clock, self.log = LoopClock(), SilentLog()
        options: dict[str, Any] = {"url": f"mqtt://127.0.0.1:{port}", "keepalive": "5s", "reconnect_max": "200ms"}
        options |= {"payload": "sparkplug", "sparkplug": {"group": "plant", **(sparkplug or {})}} | mqtt
        self.config = MqttConfig.model_validate(options)
        devices = [DeviceConfig(device=name, adapter="x", tags=tags) for name, tags in DEVICES.items()]
        self.table = TagTable.build(devices)
        self.outbox = Outbox(RealFiles(), folder / "outbox", config(), self.clock, log=self.log)
        self.outbox.open()
        self.publisher = Publisher(self.outbox, self.config, "line-3", self.clock, self.log, jitter=lambda: 0.1)
        self.speech = Speech(self.config, "line-3", self.table, self.outbox, self.clock, self.log)
        outward = Outward("line-3", self.outbox, self.speech.topics.of, "all", self.speech.sends)
        self.pipeline = Pipeline(self.table, assemble({}, self.table).watch, outward)
        self.speech.give(self.publisher, self.pipeline.image)
        self.put: set[tuple[str, int, Any]] = set()  # tag, Unix ms, value: what was handed in
        self._ms = time.time_ns() // 10**6

    @property
    def node(self) -> EdgeNode:
        assert self.speech.node is not None
        return self.speech.node

    def scan(self, device: str, *values: float | str | None) -> int:
        """One scan of a device, a ms after the last; None is a tag that failed. Gives its time, Unix ms."""
        self._ms = max(self._ms + 1, time.time_ns() // 10**6)
        group = next(one for one in self.table.devices if one.name == device).groups[0]
        numbers = np.array([np.nan if isinstance(v, str) or v is None else v for v in values], float)
        status = np.array([quality.BAD_TIMEOUT if v is None else 0 for v in values], np.uint32)
        batch = Batch.of(group, numbers, self._ms * 10**6, status=status)
        batch.other.update({tag.row: v for tag, v in zip(group.tags, values, strict=True) if isinstance(v, str)})
        self.put |= {(f"{device}.{tag.name}", self._ms, v) for tag, v in zip(group.tags, values, strict=True)}
        self.pipeline.process([batch], time.monotonic_ns())
        return self._ms

    def lose(self, device: str) -> None:
        """The device is gone."""
        group = next(one for one in self.table.devices if one.name == device).groups[0]
        self.pipeline.process(
            [Batch.failed(group, quality.BAD_NOT_CONNECTED, time.time_ns(), Kind.LOST)], time.monotonic_ns()
        )

    def settled(self) -> bool:
        """Whether nothing waits any more."""
        return all(one.queued.records + one.waiting.records == 0 for one in self.outbox.stats().classes.values())

    def acked(self) -> int:
        return self.outbox.stats().classes[Class.TELEMETRY].acked.readings

    async def until(self, condition: Callable[[], object], what: str, within: float = WITHIN) -> None:
        await until(condition, what, self._stand, within)

    def _stand(self) -> object:
        return self.publisher.counters, self.publisher.last_error, self.outbox.stats(), self.log.lines

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Plant"]:
        async with running(self.outbox, self.publisher):
            yield self


class Host(Subscriber):
    """A host application: keeps what it hears, knows metrics by alias, asks."""

    def __init__(self, port: int) -> None:
        super().__init__(port, topics=("spBv1.0/#", "fieldgate/#", "homeassistant/#"))

    def of(self, kind: str) -> list[Payload]:
        """Payloads of a Sparkplug type, in the order of arrival."""
        return [read(body) for topic, body, _ in self.messages if topic.startswith(f"spBv1.0/plant/{kind}/")]

    def readings(self) -> set[tuple[str, int, Any]]:
        """What came as data: tag, Unix ms, value; the alias is looked up in the birth of the device."""
        names: dict[int, tuple[str, int]] = {}
        seen: set[tuple[str, int, Any]] = set()
        for topic, body, _ in list(self.messages):
            _, _, kind, _, *device = topic.split("/") if topic.startswith("spBv1.0/plant/") else ("", "", "", "")
            if kind == "DBIRTH":
                names |= {one.alias or 0: (f"{device[0]}.{one.name}", one.datatype) for one in read(body).metrics}
            if kind == "DDATA":
                for one in read(body).metrics:
                    name, datatype = names[one.alias or 0]
                    seen.add((name, one.timestamp or 0, as_sent(one.value, datatype)))
        return seen

    def command(self, topic: str, name: str, value: bool, *, retain: bool = False) -> None:
        now = time.time_ns() // 10**6
        body = payload(now, metric(name, now, Datatype.BOOLEAN, value), None)
        self.client.publish(topic, body, qos=0, retain=retain)

    def ask_rebirth(self, *, retain: bool = False) -> None:
        self.command("spBv1.0/plant/NCMD/line-3", "Node Control/Rebirth", value=True, retain=retain)

    def state(self, online: bool, timestamp: int, name: str = "scada") -> None:
        body = json.dumps({"online": online, "timestamp": timestamp})
        self.client.publish(f"spBv1.0/STATE/{name}", body, qos=1, retain=True)


def as_sent(value: Any, datatype: int) -> Any:
    """A value as it was handed in: data name no datatype, so whole numbers come unsigned."""
    if datatype == Datatype.INT64 and isinstance(value, int):
        value = value - 2**64 if value >= 2**63 else value
    return float(value) if isinstance(value, int | float) else value

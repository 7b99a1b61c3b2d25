"""What the tests of the publisher share: an outbox and a publisher with their threads."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from gateway.config.broker import MqttConfig
from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.deliver.publisher import Publisher
from gateway.ops.files import RealFiles
from gateway.sdk.testing import LoopClock, SilentLog
from tests.deliver.brokers import WITHIN
from tests.deliver.support import config, running, until


class Rig:
    """An outbox and a publisher with their threads."""

    def __init__(self, folder: Path, url: str, **options: Any) -> None:
        self.clock, self.log = LoopClock(), SilentLog()
        self.outbox = Outbox(RealFiles(), folder / "outbox", config(), self.clock, log=self.log)
        mqtt = MqttConfig.model_validate({"url": url, "keepalive": "5s", "reconnect_max": "200ms"} | options)
        self.outbox.open()
        self.publisher = Publisher(self.outbox, mqtt, "line-3", self.clock, self.log, jitter=lambda: 0.5)

    def put(self, cls: Class, count: int = 1, size: int = 10) -> None:
        for _ in range(count):
            sequence = self.outbox.reserve(cls)
            body = json.dumps({"id": f"{cls}/{sequence}", "fill": "x" * size}).encode()
            self.outbox.put(cls, sequence, self.publisher.topics.of(cls, "pump-7"), body, 3)

    async def until(self, condition: Callable[[], object], what: str, within: float = WITHIN) -> None:
        await until(condition, what, self._stand, within)

    def _stand(self) -> object:
        return self.publisher.counters, self.publisher.last_error, self.outbox.stats()

    def acked(self, cls: Class = Class.TELEMETRY) -> int:
        return self.outbox.stats().classes[cls].acked.records

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Rig"]:
        async with running(self.outbox, self.publisher):
            yield self


def contents(bodies: list[bytes]) -> dict[str, bytes]:
    """Bodies by id; asserts that no id came with two contents."""
    found: dict[str, bytes] = {}
    for body in bodies:
        assert found.setdefault(json.loads(body)["id"], body) == body
    return found

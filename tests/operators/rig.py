"""A pipeline with one rule alarm, `pump-hot`, whose tag a test moves, and operators' commands to it."""

import json
from typing import Any

import numpy as np

from gateway.config.assets import AlarmConfig, AssetConfig, RuleConfig
from gateway.deliver.event import Class
from gateway.models.cohorts import assemble
from gateway.operators.commands import Commands
from gateway.operators.records import AlarmRecords
from gateway.pipeline import Outward, Pipeline
from gateway.replay import Kept
from gateway.sdk import Batch, DeviceConfig, TagConfig, TagTable
from gateway.sdk.testing import FakeClock

SECOND = 10**9
HOT = RuleConfig(tag="pump.t", above=90.0, alarm=AlarmConfig(on_delay=0.0, off_delay=0.0))
PUMP = AssetConfig(tags=["pump.t", "pump.p"], rules={"hot": HOT})
ALARM = "pump-hot"


class Rig:
    """Time is the clock's, for rows and for commands."""

    def __init__(self, longest: float = 8 * 3600.0) -> None:
        self.clock = FakeClock()
        tags = {"t": TagConfig(unit="°C"), "p": TagConfig()}
        self.table = TagTable.build([DeviceConfig(device="pump", adapter="x", every=1.0, tags=tags)])
        self.judged = assemble({"pump": PUMP}, self.table)
        self.out = Kept()
        outward = Outward("g", self.out, lambda c, n: f"{c}/{n}", "off")
        self.pipeline = Pipeline(self.table, self.judged.watch, outward)
        self.commands = Commands(self.pipeline, self.judged.watch, longest, self.clock.wall_ns)
        self.records = AlarmRecords(self.judged.watch, self.clock)
        self.pipeline.changed = self.records.note

    def row(self, temperature: float) -> list[dict[str, Any]]:
        """One scan, a second later; the alarms that come of it."""
        self.clock.advance(1.0)
        now = self.clock.wall_ns()
        self.pipeline.process([Batch.of(self.table.groups[0], np.array([temperature, 5.0]), now)], now)
        return self.told(Class.ALARM)

    def ask(self, action: str, asset: str = ALARM, **more: str) -> dict[str, Any]:
        answer = self.commands.take({"asset": asset, "action": action, **more}, "cli")
        assert answer is not None
        return answer

    def told(self, cls: Class) -> list[dict[str, Any]]:
        """Messages of one class since the last call; those of the other are gone."""
        return [json.loads(message.body) for message in self.out.take() if message.cls is cls]

    def both(self) -> list[tuple[str, dict[str, Any]]]:
        return [(message.topic, json.loads(message.body)) for message in self.out.take()]

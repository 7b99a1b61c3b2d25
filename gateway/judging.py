"""All that judges the assets of one configuration: detectors and models, alarms, what is learnt and what is recorded.

It knows assets and not rows, so that it stays as it is when a reload leaves the assets as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.config.load import Configuration
from gateway.deliver.event import Class, GatewayEvent
from gateway.models.cohorts import DEFAULT, assemble
from gateway.models.detector import Submit
from gateway.models.learning import Learning
from gateway.models.recorder import Recorder
from gateway.models.tending import Tending
from gateway.operators.flood import FloodWatch
from gateway.operators.records import AlarmRecords
from gateway.ops.health import Health
from gateway.pipeline import Pipeline
from gateway.sdk import Clock
from gateway.sdk.tags import TagTable
from gateway.stages.score import Abstain

if TYPE_CHECKING:
    from gateway.models.keeper import Models

Announce = Callable[[str, str, str, Mapping[str, Any]], None]
"""Sends an event of the gateway: (name, kind, text, fields)."""


@dataclass(frozen=True)
class Outside:
    """What judging needs of the gateway: `submit` takes work beside the loop, `announce` and `send` tell the plant."""

    state: Path
    clock: Clock
    log: Any
    health: Health
    submit: Submit
    announce: Announce
    send: Callable[[Class, str, GatewayEvent], None]


class Judging:
    """Judges the assets of `configuration`, whose tags are those of `table`."""

    def __init__(self, configuration: Configuration, table: TagTable, outside: Outside) -> None:
        root, self._outside, self.health = configuration.root, outside, outside.health
        self.models = self._users_models(configuration)
        own = {"own": self.models.scorer} if self.models else {}
        self.judged = assemble(root.assets, table, outside.submit, **own)
        watch = self.judged.watch
        self.records = AlarmRecords(watch, outside.clock)
        self.flood = FloodWatch(self.records, root.alarms.flood, lambda e: outside.send(Class.EVENT, e.name, e))
        self.learning = Learning(self.judged, self._learnt, outside.log)
        self.tending = Tending(self.learning)
        keep, tags = root.recording.keep, [config.tags for config in watch.configs]
        self.recorder = Recorder(outside.state / "recording", watch.names, tags, keep) if keep else None

    def record(self, pipeline: Pipeline) -> None:
        """Record what was scored in the last turn."""
        if self.recorder is None:
            return
        for _, assets, seen, scores in pipeline.scored:
            if scores.reason[0] != Abstain.NOT_OPERATING:  # a recording is of what is judged
                self.recorder.note(assets, seen.time, seen.x)

    def _learnt(self, asset: str, rows: int) -> None:
        beside = self.judged.watch.configs[self.judged.watch.names.index(asset)].fallback == DEFAULT
        what = "is there for when its model is out" if beside else "judges from now on"
        text = f"{asset} has learnt from {rows} rows and {what}"
        self._outside.announce(asset, "calibrated", text, {})

    def _users_models(self, configuration: Configuration) -> "Models | None":
        root, outside = configuration.root, self._outside
        if all(asset.model == DEFAULT for asset in root.assets.values()):
            return None
        from gateway.models.keeper import Models, Ties  # noqa: PLC0415 - what a gateway without models need not pay

        ties = Ties(outside.clock, outside.log, outside.health, outside.announce)
        return Models(root.models, configuration.files[0].parent, outside.state, ties)


def judges_alike(old: Configuration, new: Configuration) -> bool:
    """Whether both say the same of what is judged, and how."""
    sections = ("assets", "alarms", "recording", "models")
    return all(getattr(old.root, name) == getattr(new.root, name) for name in sections)

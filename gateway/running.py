"""What runs of one configuration: its tags, the way of a batch through them, and what is known of it all.

A reload makes another one beside it, and lets it take over between two turns: values, alarms and whatever was learnt go
over, and of the parts that do not depend on what has changed nothing is made anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.config.load import Configuration
from gateway.deliver.alarms import Told
from gateway.deliver.event import AlarmEvent
from gateway.deliver.outbox import Outbox
from gateway.deliver.publisher import Publisher
from gateway.deliver.speech import Speech
from gateway.ingest.certificates import CertificateWatch
from gateway.ingest.connections import connections, sort
from gateway.ingest.gate import Gate
from gateway.ingest.runner import Runner, part_of
from gateway.judging import Judging, Outside, judges_alike
from gateway.models.cohorts import moved
from gateway.operators.commands import Commands
from gateway.operators.writing import Writing
from gateway.ops.supervisor import Supervisor
from gateway.ops.walltime import WallWatch
from gateway.ops.watchdog import Watchdog
from gateway.pipeline import Outward, Pipeline
from gateway.sdk.tags import Device, TagTable, alike
from gateway.stages.meaning import Meanings
from gateway.stages.states import STANDING, Event, Transition
from gateway.stages.watch import Watch
from gateway.state.edition import Edition
from gateway.status import Parts, Status
from gateway.why import Why


@dataclass
class Lasting:
    """The parts that outlive a configuration."""

    outside: Outside
    outbox: Outbox
    gate: Gate
    supervisor: Supervisor
    watchdog: Watchdog
    wall: WallWatch
    edition: Edition = field(default_factory=Edition)


class Running:
    """Made beside the gateway's loop; nothing is opened, and `former` goes on undisturbed."""

    def __init__(self, configuration: Configuration, lasting: Lasting, former: "Running | None" = None) -> None:
        root, outside = configuration.root, lasting.outside
        self.configuration, self.former = configuration, former
        self.table = table = TagTable.build(configuration.devices)
        self.devices = {device.name: device for device in table.devices}
        self.meanings = Meanings(table)
        self._staying = self._stay(former)
        wanted = [connection for _, connection in connections(table, set(configuration.broken))]
        self.wanted = sort(wanted, former.runners if former else ())
        self.runners: tuple[Runner, ...] = ()
        watch = self._same_watch(former)
        self.judging: Judging = former.judging if watch and former else Judging(configuration, table, outside)
        self.watch = watch or self.judging.judged.watch
        doubt = lasting.wall.said
        self.speech = speech = Speech(
            root.mqtt, root.gateway.id, table, lasting.outbox, outside.clock, outside.log, doubt, self.meanings
        )
        outward = Outward(root.gateway.id, lasting.outbox, speech.topics.of, root.telemetry, speech.sends, doubt)
        self.pipeline = Pipeline(table, self.watch, outward, self.meanings)

    @property
    def same(self) -> bool:
        """Whether the assets are judged as before, by the same."""
        return self.former is not None and self.judging is self.former.judging

    def read_by(self, runners: tuple[Runner, ...]) -> None:
        """These read its devices from now on, which say by them what their values mean."""
        self.runners = runners
        self.meanings.said_by(runner.adapter for runner in runners)

    def take_over(self) -> None:
        """Go on from where `former` is, on the loop and between two turns. The runners are there."""
        former = self.former
        assert former is not None  # noqa: S101 - who calls knows of it
        moves = [pair for old, new in self._staying for pair in zip(_rows(old), _rows(new), strict=True)]
        self.pipeline.take_over(former.pipeline, moves, same=self.same)
        if self.same:
            pairs = [pair for old, new in self._staying for pair in zip(old.groups, new.groups, strict=True)]
            self.watch.readiness.take_over(former.watch.readiness, {old.id: new.id for old, new in pairs})
            self.judging.judged.watch = self.watch
        for runner in self.runners:
            runner.renumber(self.devices)

    def told_by(self, tell: Callable[[Transition], None]) -> None:
        """Have each change of an alarm taken down, and handed to `tell` (Transition)."""

        def changed(change: Transition, event: AlarmEvent) -> None:
            self.judging.records.note(change, event)
            tell(change)

        self.pipeline.changed = changed

    def let_go(self) -> None:
        """Nothing looks at it any more: a closure would keep all of it."""
        self.pipeline.changed = lambda _change, _event: None

    def outlive(self, old: "Running") -> None:
        """Parts that only the old one had are no more."""
        health = self.judging.health
        for name in old.devices.keys() - self.devices.keys():
            health.forget(part_of(name))
        if self.configuration.root.mqtt is None:
            health.forget("broker")
        before, now = (set(one.judging.models.lives if one.judging.models else ()) for one in (old, self))
        for name in before - now:
            health.forget(f"model {name}")

    def bid_farewell(self, names: set[str], time: int) -> None:
        """Tell that the alarms of assets that are no more do not stand any longer; what is kept of them stays."""
        self.let_go()
        for asset, name in enumerate(self.watch.names):
            if name not in names and self.watch.alarms.state[asset] in STANDING:
                self.pipeline.command(asset, Event.REMOVE, time, Told("", "the asset is configured no more"))

    def look_after(
        self, lasting: Lasting, publisher: Publisher | None, commands: Commands, writing: Writing,
        certificates: CertificateWatch,
    ) -> None:  # fmt: skip
        """Let it be seen: status and why, over these parts."""
        root, judging = self.configuration.root, self.judging
        parts = Parts(
            root.gateway.id, lasting.outside.health, self.pipeline, lasting.gate, judging.judged, judging.learning,
            lasting.outbox, publisher, self.runners, lasting.supervisor, lasting.watchdog, judging.models,
            tuple(self.configuration.broken), judging.records, commands, writing, certificates,
            lasting.edition, root.metrics.assets,
        )  # fmt: skip
        self.status = Status(parts)
        if self.former is not None:
            self.status.damaged = self.former.status.damaged
            if self.same:
                self.status.take_over(self.former.status)
        self.why = Why(parts, self.status, self.table, root.telemetry)
        self.former = None

    def _stay(self, former: "Running | None") -> list[tuple[Device, Device]]:
        """Devices that are configured as they were: as they were numbered, and as they are."""
        before = former.devices if former else {}
        pairs = [(before[name], device) for name, device in self.devices.items() if name in before]
        return [(old, new) for old, new in pairs if alike(old.config, new.config)]

    def _same_watch(self, former: "Running | None") -> Watch | None:
        if former is None or not judges_alike(former.configuration, self.configuration):
            return None
        return moved(former.judging.judged, former.table, self.table)


def _rows(device: Device) -> list[slice]:
    return [group.rows for group in device.groups]

"""Configuration in, running gateway out: the only file that knows all parts. Everything is wired here, once."""

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.config.load import Configuration
from gateway.deliver.event import Class, GatewayEvent
from gateway.deliver.outbox import Outbox
from gateway.deliver.publisher import Publisher
from gateway.deliver.speech import Speech
from gateway.deliver.upkeep import drain, report
from gateway.ingest.certificates import CertificateWatch
from gateway.ingest.gate import Gate
from gateway.ingest.runner import Runner, Surroundings, broken
from gateway.keeping import Beside, Keeping
from gateway.models.answers import collect
from gateway.models.cohorts import DEFAULT, assemble
from gateway.models.learning import Learning
from gateway.models.recorder import Recorder
from gateway.models.session import open_session
from gateway.models.tending import News, Tending
from gateway.operators.commands import Commands
from gateway.operators.desk import Desk
from gateway.operators.devices import DeviceStates
from gateway.operators.flood import FloodWatch
from gateway.operators.plant import Plant
from gateway.operators.records import AlarmRecords
from gateway.operators.writing import Around, Writing
from gateway.ops.files import RealFiles
from gateway.ops.health import Health, State
from gateway.ops.supervisor import Supervisor
from gateway.ops.systemd import notify
from gateway.ops.watchdog import Progress, Stage, Watchdog
from gateway.pipeline import Outward, Pipeline
from gateway.sdk.adapter import Adapter, Host
from gateway.sdk.batch import Batch
from gateway.sdk.clock import Clock
from gateway.sdk.tags import Connection, Device, TagTable
from gateway.stages.score import Abstain, Scores
from gateway.status import Parts, Status
from gateway.why import Why

if TYPE_CHECKING:
    from gateway.models.keeper import Models

CONNECTS_AT_ONCE = 10  # attempts to connect that may be under way: a hundred devices that return make no storm
SWEEP = 1.0  # s between two looks for stale values
MEMORY = 60.0  # s between two savings of what the detectors have smoothed
STOP_WITHIN = 2.0  # s that each step of leaving may take
DRAIN_WITHIN = 1.0  # s for what is under way to reach a broker that is there

AdapterOf = Callable[[str], type[Adapter]]


class Gateway:
    """One running gateway."""

    def __init__(
        self, configuration: Configuration, adapter_of: AdapterOf, state: Path, clock: Clock, log: Any
    ) -> None:
        root = configuration.root
        self.configuration, self.clock, self.log, self.state = configuration, clock, log, state
        self.table = TagTable.build(configuration.devices)
        self.health = Health(clock)
        self.keeping = Keeping(state, clock, log, root.alarms.history)
        self.fitter = Beside("fit", log)  # calibrations take tens of milliseconds each
        self.models = self._users_models()
        own = {"own": self.models.scorer} if self.models else {}
        self.judged = assemble(root.assets, self.table, self.fitter, **own)
        self.outbox = Outbox(RealFiles(), state / "outbox", root.outbox, clock, log=log)
        self.publisher = Publisher(self.outbox, root.mqtt, root.gateway.id, clock, log) if root.mqtt else None
        self.speech = Speech(root.mqtt, root.gateway.id, self.table, self.outbox, clock, log)
        outward = Outward(root.gateway.id, self.outbox, self.speech.topics.of, root.telemetry, self.speech.sends)
        self.pipeline = Pipeline(self.table, self.judged.watch, outward)
        if self.publisher:
            self.speech.give(self.publisher, self.pipeline.image, self.judged.watch.names)
        self.alarms = AlarmRecords(self.judged.watch, clock)
        self.desk = self._desk()
        self.flood = FloodWatch(self.alarms, root.alarms.flood, lambda e: self.pipeline.send(Class.EVENT, e.name, e))
        prompt = self.judged.watch.prompt(self.table.device)
        self.gate = Gate(self._turn, clock, log, tick=root.pipeline.tick, limit=root.pipeline.queue, prompt=prompt)
        self.learning = Learning(self.judged, self._learnt, log)
        self.tending = Tending(self.learning)
        self.recorder = self._recorder()
        self.runners = self._runners(adapter_of)
        plant = Plant(self.table, self.pipeline.image, self.runners, clock)
        self.writing = Writing(plant, self.judged.watch, Around(root, state, clock, log, self.health, self._announce))
        self.pipeline.changed = self.writing.join(self.alarms.note, self.publisher)
        self.supervisor = Supervisor(clock, log, self.health)
        self.watchdog = Watchdog(clock, self._progress(), log)
        parts = Parts(
            root.gateway.id, self.health, self.pipeline, self.gate, self.judged, self.learning, self.outbox,
            self.publisher, tuple(self.runners), self.supervisor, self.watchdog, self.models,
            tuple(configuration.broken), self.alarms, self.desk.commands, self.writing, self.certificates,
        )  # fmt: skip
        self.status = Status(parts)
        self.why = Why(parts, self.status, self.table, root.telemetry)
        if self.models:
            self.models.late = self._late

    # -- life --------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then leave with nothing lost. Raises GivenUpError when a part fails too often."""
        await self._open()
        for runner in self.runners:
            self.supervisor.add(f"connection {runner.connection.name}", runner.run)
        if self.publisher:
            self.supervisor.add("publisher", self.publisher.run)
        for name, part in [("sweep", self._sweep), ("certificates", self.certificates.run), *self.writing.parts()]:
            self.supervisor.add(name, part)
        self.supervisor.add("watchdog", self.watchdog.run)
        if self.models:
            self.supervisor.add("models", self.models.run)
        if self.judged.timed:
            self.supervisor.add("timed assets", self._score_by_time)
        parts = asyncio.create_task(self.supervisor.run(), name="supervisor")
        gc.collect()
        gc.freeze()  # what lives for ever is not looked at again
        notify("READY=1\nSTATUS=running")
        ended = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait([parts, ended], return_when=asyncio.FIRST_COMPLETED)
        await self._leave(parts, ended)

    async def _open(self) -> None:
        recovery = await asyncio.to_thread(self.outbox.open)
        self.outbox.start()
        self.health.report("outbox", State.OK)
        self.status.damaged = (len(recovery.damages), recovery.lost_bytes)
        if recovery.damaged:
            text = f"{len(recovery.damages)} places damaged, {recovery.lost_bytes} bytes lost; ids go on in a new epoch"
            self._announce("outbox", "outbox damaged", text)
        await self.keeping.open(self.learning, self.alarms)
        await self.writing.open()
        if self.judged.detectors:
            await asyncio.to_thread(open_session)
        devices = {device.name: device for device in self.table.devices}
        lost = [(devices[name], why) for name, why in self.configuration.broken.items()]
        broken(lost, self.gate, self._around())

    async def _leave(self, parts: "asyncio.Task[None]", ended: "asyncio.Task[bool]") -> None:
        """Stop reading, work on what came, bring it to disk and broker as far as time allows, close."""
        notify("STOPPING=1")
        ended.cancel()
        await self.supervisor.end("connection", STOP_WITHIN)
        self.gate.turn()
        if self.publisher:
            await drain(self.outbox, self.publisher, self.clock, DRAIN_WITHIN)
            await self.publisher.stop()
        parts.cancel()
        [outcome] = await asyncio.gather(parts, return_exceptions=True)
        await self.outbox.close(STOP_WITHIN)
        self._keep()
        self.keeping.memories(self.learning, self.recorder)
        await self.keeping.close()
        await self.writing.close()
        self.fitter.end(finish=False)
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome

    # -- work --------------------------------------------------------------------------------------------------------

    def _turn(self, batches: Sequence[Batch], now: int) -> None:
        self.pipeline.process(batches, now)
        self._note()
        self._keep()

    def _note(self) -> None:
        """Remember what was scored in this turn: for those who look, and on disk."""
        self.status.note()
        if self.recorder:
            for _, assets, seen, scores in self.pipeline.scored:
                if scores.reason[0] != Abstain.NOT_OPERATING:  # a recording is of what is judged
                    self.recorder.note(assets, seen.time, seen.x)

    def _keep(self) -> None:
        self.keeping.changes(self.learning, self.alarms)

    def _late(self, ticket: int, scores: Scores) -> None:
        """A user's model has answered."""
        self.pipeline.scored.clear()
        self.pipeline.late(ticket, scores)
        self.status.note()
        self._keep()

    async def _sweep(self) -> None:
        remember, devices = self.clock.monotonic() + MEMORY, self._device_states()
        while True:
            await asyncio.sleep(SWEEP)
            self.pipeline.sweep(int(self.clock.monotonic() * 1e9), self.clock.wall_ns())
            report(self.health, self.outbox, self.publisher)
            if devices:
                devices.tell()
            self.flood.look(self.clock.wall_ns())
            await self.desk.look()
            self._announce_all(self.tending.answer(await asyncio.to_thread(collect, self.state)))
            if self.clock.monotonic() >= remember:
                remember += MEMORY
                self.keeping.memories(self.learning, self.recorder)
                self._announce_all(self.tending.look())
            self._keep()

    async def _score_by_time(self) -> None:
        """Score the assets that have a period of their own, on absolute deadlines."""
        timed = np.array(self.judged.timed, np.int64)
        every = np.array([self.judged.periods[asset] for asset in self.judged.timed])
        due = self.clock.monotonic() + every
        while True:
            await self.clock.sleep_until(float(due.min()))
            now = self.clock.monotonic()
            ripe = due <= now
            self.pipeline.scored.clear()
            self.pipeline.evaluate(timed[ripe], self.clock.wall_ns())
            self._note()
            due[ripe] += every[ripe] * np.ceil((now - due[ripe]) / every[ripe] + 1e-9)
            self._keep()

    # -- what is told ------------------------------------------------------------------------------------------------

    def _learnt(self, asset: str, rows: int) -> None:
        self._announce(asset, "calibrated", f"{asset} has learnt from {rows} rows and judges from now on")

    def _announce(self, name: str, kind: str, text: str, fields: Mapping[str, Any] = MappingProxyType({})) -> None:
        self.pipeline.send(Class.EVENT, name, GatewayEvent(kind, name, self.clock.wall_ns(), text, fields))

    def _announce_all(self, news: Sequence[News]) -> None:
        for one in news:
            if one.forget:
                self.keeping.forget(one.name)
            self._announce(one.name, one.kind, one.text, one.fields)

    # -- wiring ------------------------------------------------------------------------------------------------------

    def _users_models(self) -> "Models | None":
        root = self.configuration.root
        if all(asset.model == DEFAULT for asset in root.assets.values()):
            return None
        from gateway.models.keeper import Models, Ties  # noqa: PLC0415 - what a gateway without models need not pay

        ties = Ties(self.clock, self.log, self.health, self._announce)
        return Models(root.models, self.configuration.files[0].parent, self.state, ties)

    def _recorder(self) -> "Recorder | None":
        keep, watch = self.configuration.root.recording.keep, self.judged.watch
        if not keep:
            return None
        return Recorder(self.state / "recording", watch.names, [config.tags for config in watch.configs], keep)

    def _desk(self) -> Desk:
        root = self.configuration.root
        commands = Commands(self.pipeline, self.judged.watch, root.alarms.shelve, self.clock.wall_ns)
        desk = Desk(commands, self.state, root.gateway.id, self.log)
        if self.publisher and root.mqtt and root.mqtt.commands:
            desk.listen(self.publisher)
        return desk

    def _device_states(self) -> "DeviceStates | None":
        """What tells of the devices; an edge node speaks by births and deaths."""
        if self.publisher is None or self.speech.node is not None:
            return None
        gateway = self.configuration.root.gateway.id
        return DeviceStates(self.table, self.pipeline.image, self.health, self.clock, gateway, self.publisher)

    def _around(self) -> Surroundings:
        return Surroundings(self.clock, self.log, self.health, self._budget, self._announce)

    def _runners(self, adapter_of: AdapterOf) -> list[Runner]:
        self._budget = asyncio.Semaphore(CONNECTS_AT_ONCE)
        around = self._around()
        runners = []
        for adapter_name, connection in connections(self.table, set(self.configuration.broken)):
            home = self.state / "adapters" / adapter_name
            home.mkdir(parents=True, exist_ok=True)
            log = self.log.bind(connection=connection.name)
            adapter = adapter_of(adapter_name)(connection, Host(self.clock, home, log))
            runners.append(Runner(adapter, self.gate, around))
        adapters = [one.adapter for one in runners]
        self.certificates = CertificateWatch(adapters, self.clock, self.state, self.log, self._announce)
        return runners

    def _progress(self) -> Progress:
        return Progress(
            [
                Stage("pipeline", lambda: self.gate.turns, lambda: self.gate.waiting),
                Stage("outbox", lambda: self.outbox.turns, lambda: self.outbox.waiting),
            ]
        )


def connections(table: TagTable, without: set[str]) -> list[tuple[str, Connection]]:
    """Devices by what they are reached through, with phases that spread their polls evenly over a period."""
    lines: dict[tuple[str, str], list[Device]] = {}
    for device in table.devices:
        if device.name not in without:
            lines.setdefault((device.config.adapter, device.config.connection()), []).append(device)
    return [
        (adapter, Connection(name, tuple(devices), number / len(lines)))
        for number, ((adapter, name), devices) in enumerate(lines.items())
    ]

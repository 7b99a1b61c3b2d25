"""Configuration in, running gateway out: the only file that knows all parts. Everything is wired here, once."""

import asyncio
import gc
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.changes import Changes, Files, Gateways
from gateway.config.load import Configuration
from gateway.deliver.event import AlarmEvent, Class, GatewayEvent
from gateway.deliver.outbox import Outbox
from gateway.deliver.upkeep import drain
from gateway.ingest.certificates import CertificateWatch
from gateway.ingest.connections import PART, AdapterOf, Connections, part
from gateway.ingest.defence import Defence
from gateway.ingest.gate import Gate
from gateway.ingest.runner import Runner, Surroundings, broken, part_of, silent
from gateway.judging import Outside
from gateway.keeping import Beside, Keeping
from gateway.models.session import open_session
from gateway.operators.commands import Commands
from gateway.operators.desk import Desk
from gateway.operators.plant import Plant
from gateway.operators.writing import Around, Parts, Writing
from gateway.ops.files import RealFiles
from gateway.ops.health import Health, State
from gateway.ops.supervisor import Supervisor
from gateway.ops.systemd import notify
from gateway.ops.walltime import WallWatch, synchronized
from gateway.ops.watchdog import Progress, Stage, Watchdog
from gateway.outlet import Heard, Outlet
from gateway.running import Lasting, Running
from gateway.sdk.clock import Clock
from gateway.sdk.events import Occurrence
from gateway.status import Status
from gateway.why import Why
from gateway.work import Work

CONNECTS_AT_ONCE = 10  # attempts to connect that may be under way: a hundred devices that return make no storm
STOP_WITHIN = 2.0  # s that each step of leaving may take
DRAIN_WITHIN = 1.0  # s for what is under way to reach a broker that is there


class Gateway:
    """One running gateway."""

    def __init__(
        self,
        configuration: Configuration,
        adapter_of: AdapterOf,
        state: Path,
        clock: Clock,
        log: Any,
        files: Files | None = None,
    ) -> None:
        """`files`: where another configuration comes from; without them nothing can be changed while it runs."""
        root = configuration.root
        self.clock, self.log, self.state = clock, log, state
        self.health = Health(clock)
        self.keeping = Keeping(state, clock, log, root.alarms.history)
        self.fitter = Beside("fit", log)  # calibrations take tens of milliseconds each
        self.outbox = Outbox(RealFiles(), state / "outbox", root.outbox, clock, log=log)
        self.work = Work(state, clock, self.health, self.outbox, self.keeping)
        self.work.announce = self._announce
        self.gate = Gate(self.work.turn, clock, log, tick=root.pipeline.tick, limit=root.pipeline.queue)
        self.supervisor = Supervisor(clock, log, self.health)
        self.watchdog = Watchdog(clock, self._progress(), log)
        outside = Outside(state, clock, log, self.health, self.fitter, self._announce, self._send)
        self.wall = WallWatch(clock)
        self.lasting = Lasting(outside, self.outbox, self.gate, self.supervisor, self.watchdog, self.wall)
        budget = asyncio.Semaphore(CONNECTS_AT_ONCE)
        self._around = Surroundings(clock, log, self.health, budget, self._announce, self._hear)
        self.defence = Defence(state, clock, log, self.health, self._announce, root.limits, self.wall)
        self.connections = Connections(adapter_of, self.gate, self._around, state, self.defence.runner)
        self.certificates = CertificateWatch(clock, state, log, self._announce, self.wall.said)
        self.work.running = running = Running(configuration, self.lasting)
        self.connections.prepare(running.wanted)
        running.read_by(self.connections.turnover(running.wanted).all)
        self.desk = Desk(Commands(running.pipeline, running.watch, root.alarms.shelve, clock.wall_ns), state,
                         root.gateway.id, log)  # fmt: skip
        self.plant = Plant(running.table, running.pipeline.image, running.runners, clock, self.wall.said)
        around = Around(root, state, clock, log, self.health, self._announce, self.wall.said)
        self.writing = Writing(self.plant, running.watch, around)
        self.changes = self._changes(configuration, files) if files else None
        self.outlet = Outlet(self.lasting, clock, log, Heard(self.desk, self.writing))
        self.work.outlet, self.work.desk = self.outlet, self.desk
        running.told_by(self.writing.note)
        self.outlet.go_on(running, anew=True)
        self._settle()

    @property
    def running(self) -> Running:
        """What runs of the configuration; all else lasts as long as the daemon."""
        return self.work.running

    @property
    def status(self) -> Status:
        """Of what runs now."""
        return self.running.status

    @property
    def why(self) -> Why:
        """Of what runs now."""
        return self.running.why

    # -- life --------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then leave with nothing lost. Raises GivenUpError when a part fails too often."""
        await self._open()
        self._supervise(self.running.runners)
        own: Parts = [
            ("sweep", self.work.sweep),
            ("certificates", self.certificates.run),
            ("watchdog", self.watchdog.run),
        ]
        if self.changes:
            own.append(("changes", self.changes.run))
            if every := self.running.configuration.root.gateway.watch:
                own.append(("configuration watch", partial(self.changes.watch, every)))
        self._supervise_all(
            [*self.outlet.parts(), *own, *self.writing.parts(), *self.defence.parts(), *self._judging()]
        )
        parts = asyncio.create_task(self.supervisor.run(), name="supervisor")
        gc.collect()
        gc.freeze()  # what lives for ever is not looked at again
        notify("READY=1\nSTATUS=running")
        ended = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait([parts, ended], return_when=asyncio.FIRST_COMPLETED)
        await self._leave(parts, ended)

    async def _open(self) -> None:
        self.wall.look(await asyncio.to_thread(synchronized))
        recovery = await asyncio.to_thread(self.outbox.open)
        self.outbox.start()
        self.health.report("outbox", State.OK)
        self.status.damaged = (len(recovery.damages), recovery.lost_bytes)
        if recovery.damaged:
            text = f"{len(recovery.damages)} places damaged, {recovery.lost_bytes} bytes lost; ids go on in a new epoch"
            self._announce("outbox", "outbox damaged", text)
        judging = self.running.judging
        await self.keeping.open(judging.learning, judging.records)
        await self.writing.open()
        if judging.judged.detectors:
            await asyncio.to_thread(open_session)
        self._tell_broken({})
        await self.defence.open()

    async def _leave(self, parts: "asyncio.Task[None]", ended: "asyncio.Task[bool]") -> None:
        """Stop reading, work on what came, bring it to disk and broker as far as time allows, close."""
        notify("STOPPING=1")
        ended.cancel()
        await self.supervisor.end(PART, STOP_WITHIN)
        self.gate.turn()
        if self.outlet.publisher:
            await drain(self.outbox, self.outlet.publisher, self.clock, DRAIN_WITHIN)
        await self.outlet.stop()
        parts.cancel()
        [outcome] = await asyncio.gather(parts, return_exceptions=True)
        await self.outbox.close(STOP_WITHIN)
        self.work.keep()
        self.work.remember()
        await self.keeping.close()
        await self.writing.close()
        await self.defence.close()
        self.fitter.end(finish=False)
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome

    # -- another configuration ---------------------------------------------------------------------------------------

    def _changes(self, configuration: Configuration, files: Files) -> Changes:
        target = Gateways(self.change, partial(silent, self.health), self._announce, self.health, self.clock, self.log)
        return Changes(configuration, self.state, files, target, self.lasting.edition)

    async def change(self, configuration: Configuration) -> list[str]:
        """Let another configuration take over while all that it leaves as it is runs on. One at a time.

        Gives the devices whose connections were made anew. Raises what the constructors of its adapters and models
        raise; then nothing has changed.
        """
        old, new = self.running, await asyncio.to_thread(Running, configuration, self.lasting, self.running)
        await asyncio.to_thread(self.connections.prepare, new.wanted)
        turnover = self.connections.turnover(new.wanted, old.runners)
        new.read_by(turnover.all)
        anew = self.outlet.differs(old, new)
        if anew:
            await asyncio.to_thread(self.outlet.try_out, new)
        await self.supervisor.remove(map(part, turnover.go), STOP_WITHIN)
        self.gate.turn()
        self.gate.hold()
        self.work.rests = True
        for runner in turnover.go:
            runner.mute()
        try:
            await self._exchange(old, new, anew=anew)
        finally:
            self.work.rests = False
            self.gate.release()
            if self.running is old:
                self._go_back(turnover.go, new, anew=anew)
        new.outlive(old)
        begun = [device.name for runner in turnover.come for device in runner.connection.devices]
        for name in begun:
            self.health.report(part_of(name), State.STARTING)
        self._supervise(turnover.come)
        self._tell_broken(old.configuration.broken)
        return begun

    async def _exchange(self, old: Running, new: Running, *, anew: bool) -> None:
        """Between two turns."""
        if not new.same:
            await self._learn(new)
        if anew:
            await self.outlet.stop()
            await self.supervisor.remove(["publisher"], STOP_WITHIN)
        self.gate.flush()  # what came meanwhile bears the old numbers
        if not new.same:
            self.work.keep()
            new.judging.records.take_over(old.judging.records)
            old.bid_farewell(set(new.watch.names), self.clock.wall_ns())
        new.take_over()
        self.work.running = new
        new.told_by(self.writing.note)
        old.let_go()
        self.plant.go_on(new.table, new.pipeline.image, new.runners)
        self.desk.commands.go_on(new.pipeline, new.watch, new.configuration.root.alarms.shelve)
        come, gone = await self.writing.go_on(None if new.same else new.watch)
        self.outlet.go_on(new, anew=anew)
        self._settle()
        await self.supervisor.remove(gone, STOP_WITHIN)
        self._supervise_all([*come, *(self.outlet.parts() if anew else ()), *([] if new.same else self._judging())])

    def _go_back(self, gone: Sequence[Runner], new: Running, *, anew: bool) -> None:
        """It failed on the way: what was ended begins again, unless all is ended."""
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            return
        for runner in gone:
            runner.mute(on=False)
        self._supervise(gone)
        if not new.same:
            self._supervise_all(self._judging())
        if anew:
            self.outlet.go_on(self.running, anew=True)
            self._settle()
            self._supervise_all(self.outlet.parts())

    async def _learn(self, new: Running) -> None:
        """What is known of assets goes over as it would at a restart."""
        await self.supervisor.remove(["models", "timed assets"], STOP_WITHIN)
        self.work.keep()
        self.work.remember()
        await self.keeping.restore(new.judging.learning, new.judging.records)
        if new.judging.models:
            await asyncio.to_thread(new.judging.models.renew)

    def _settle(self) -> None:
        """What follows from what runs."""
        running, root = self.running, self.running.configuration.root
        self.gate.tune(root.pipeline.tick, root.pipeline.queue, running.watch.prompt(running.table.device))
        self.keeping.history = root.alarms.history
        self.wall.expect(strict=root.gateway.clock == "synchronised")
        self.certificates.watch([runner.adapter for runner in running.runners])
        running.look_after(self.lasting, self.outlet.publisher, self.desk.commands, self.writing, self.certificates)
        if running.judging.models:
            running.judging.models.late = self.work.late

    def _supervise(self, runners: Sequence[Runner]) -> None:
        for runner in runners:
            self.defence.guard(runner)
            self.supervisor.add(part(runner), runner.run)

    def _supervise_all(self, parts: Parts) -> None:
        for name, one in parts:
            self.supervisor.add(name, one)

    def _judging(self) -> Parts:
        """What is run for the assets."""
        judging = self.running.judging
        models: Parts = [("models", judging.models.run)] if judging.models else []
        return models + ([("timed assets", self.work.score_by_time)] if judging.judged.timed else [])

    def _tell_broken(self, known: Mapping[str, str]) -> None:
        running = self.running
        lost = [(running.devices[name], why) for name, why in running.configuration.broken.items() if name not in known]
        broken(lost, self.gate, self._around)

    # -- what is told ------------------------------------------------------------------------------------------------

    def _send(self, cls: Class, name: str, event: AlarmEvent | GatewayEvent) -> None:
        self.running.pipeline.send(cls, name, event)

    def _announce(self, name: str, kind: str, text: str, fields: Mapping[str, Any] = MappingProxyType({})) -> None:
        self._send(Class.EVENT, name, GatewayEvent(kind, name, self.clock.wall_ns(), text, fields))

    def _hear(self, one: Occurrence) -> None:
        """Something happened in a device."""
        self._send(Class.EVENT, one.device, GatewayEvent(one.kind, one.device, one.time, one.text, one.fields))

    def _progress(self) -> Progress:
        return Progress(
            [
                Stage("pipeline", lambda: self.gate.turns, lambda: self.gate.waiting),
                Stage("outbox", lambda: self.outbox.turns, lambda: self.outbox.waiting),
            ]
        )

"""All that writes to devices, as one part of the gateway: the ways in, the door, the audit, and what follows alarms."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import orjson

from gateway.config.schema import Root
from gateway.deliver.ear import Reply, Request
from gateway.deliver.event import SCHEMA
from gateway.deliver.publisher import Publisher
from gateway.operators.audit import Audit
from gateway.operators.calling import Calling
from gateway.operators.calls import Calls
from gateway.operators.permits import Permits
from gateway.operators.plant import Plant
from gateway.operators.reflex import Reflexes
from gateway.operators.writer import Tell
from gateway.operators.writes import Answer, Writes
from gateway.ops.health import Health, State
from gateway.ops.inbox import Inbox
from gateway.ops.metrics import Sample
from gateway.sdk import Clock, Log
from gateway.stages.states import Transition
from gateway.stages.watch import Watch
from gateway.state import history

WRITES: Final = "writes"  # folder of the state, for notes of the command line
AUDIT: Final = "audit.db"
_LOOK: Final = 0.2  # s between two looks for notes
_ANSWERS: Final = 100  # that wait to be written; the eldest goes

Parts = list[tuple[str, Callable[[], Awaitable[None]]]]


@dataclass(frozen=True)
class Around:
    """What writing needs of the gateway: configuration, state folder, clock, log and health; `tell` sends events.

    `doubt` gives why the clock is not to be trusted now; empty: it is.
    """

    root: Root
    state: Path
    clock: Clock
    log: Log
    health: Health
    tell: Tell
    doubt: Callable[[], str] = str


class Writing:
    """Writes of one gateway: to what `plant` knows, and what follows the alarms of `watch`. Idle unless enabled."""

    def __init__(self, plant: Plant, watch: Watch, around: Around) -> None:
        self._around, config = around, around.root.writes
        self.enabled, self._plant = config.enabled, plant
        self._audit = Audit(around.state / AUDIT, config.audit)
        self.writes = Writes(plant, self._audit, config, around.clock, around.tell)
        permits = Permits(plant, around.clock)
        calls = Calls(permits, self._audit, self.writes.known, config, around.clock, around.tell)
        self.calling = Calling(permits, calls, around.state, around.root.gateway.id, around.log, enabled=config.enabled)
        self._reflexes = self._following(watch)
        self._inbox = Inbox(around.state, WRITES)
        self._answers: deque[tuple[str, Answer]] = deque(maxlen=_ANSWERS)
        self._publisher: Publisher | None = None

    # -- life --------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take up what an earlier run knew. When alarms have been taken up."""
        if not self.enabled:
            return
        await self.writes.open()
        await self._restore()

    def parts(self) -> Parts:
        """What the supervisor is to run: (name, part)."""
        if not self.enabled:
            return []
        calls: Parts = [("calls", self.calling.calls.run), ("calls asked for", self.calling.run)]
        return [("writes", self._run), *calls, *map(self._part, self.writes.lines)]

    async def close(self) -> None:
        """Keep what waits."""
        if self.enabled:
            await self._audit.close()

    async def go_on(self, watch: Watch | None) -> tuple[Parts, list[str]]:
        """The plant knows another configuration: parts to be run from now on, and names of those to be ended.

        `watch`: its alarms, where they are other ones; what rules would still have written is counted anew from when
        each alarm was raised.
        """
        if not self.enabled:
            return [], []
        if watch is not None:
            self._reflexes.end()
            self._reflexes = self._following(watch)
            await self._restore()
        come, gone = self.writes.go_on()
        return [self._part(device) for device in sorted(come)], [f"writes {device}" for device in gone]

    def _following(self, watch: Watch) -> Reflexes:
        around, give = self._around, self.writes.give
        return Reflexes(watch, give, self._plant.there, around.root.writes.expires, around.clock, around.doubt)

    async def _restore(self) -> None:
        with suppress(history.HistoryError):
            self._reflexes.restore(await asyncio.to_thread(history.raised, self._around.state / history.FILE))

    def _part(self, device: str) -> tuple[str, Callable[[], Awaitable[None]]]:
        return f"writes {device}", partial(self.writes.serve, device)

    # -- ways in -----------------------------------------------------------------------------------------------------

    def listen(self, publisher: Publisher) -> None:
        """Take commands over MQTT, too, where `publisher` has an ear. Before it runs."""
        if self.enabled and publisher.ear is not None:
            self._publisher = publisher
            publisher.ear.add("write", self.hear)
            self.calling.listen(publisher)

    def note(self, change: Transition) -> None:
        """An alarm has changed its state."""
        if self.enabled:
            self._reflexes.note(change)

    def hear(self, requests: Sequence[Request], no_room: int) -> None:
        """Take requests; `no_room` had none."""
        if no_room:
            self.writes.drop("mqtt", no_room)
        for request in requests:
            self.writes.take(request.content, "mqtt", partial(self._reply, request), request.fault)

    def _reply(self, request: Request, answer: Answer) -> None:
        if self._publisher is not None:
            body = orjson.dumps({"schema": SCHEMA, "gateway": self._around.root.gateway.id} | answer)
            self._publisher.reply(Reply(request.answer_to, body, request.correlation))

    async def _run(self) -> None:
        """Take the notes of the command line, and write the answers."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK)

    async def look(self) -> None:
        """Look once: for notes, for answers to them, for storms, and whether the audit can be kept."""
        for name, note in await asyncio.to_thread(self._inbox.collect):
            self.writes.take(note, "cli", partial(self._answer, name))
        for name in sorted(self._inbox.alien):
            self._around.log.warning("command not readable", file=str(self._inbox.folder / name))
        while self._answers:
            name, answer = self._answers.popleft()
            with suppress(OSError):  # the disk is full; the audit and the event say what was done
                await asyncio.to_thread(self._inbox.answer, name, answer)
        self.writes.tell_storms()
        fault = self._audit.fault
        remedy = "nothing is written until the audit can be kept" if fault else ""
        self._around.health.report("audit", State.FAILED if fault else State.OK, fault, remedy)

    def _answer(self, name: str, answer: Answer) -> None:
        self._answers.append((name, answer))

    # -- figures -----------------------------------------------------------------------------------------------------

    def samples(self) -> Iterable[Sample]:
        """For the metrics."""
        yield from self.calling.samples()
        if not self.enabled:
            return
        writer = self.writes.writer
        for result, count in list(writer.results.items()):
            yield Sample("writes_total", count, {"result": str(result)})
        for reason, count in list(writer.refused.items()):
            yield Sample("writes_refused_total", count, {"reason": str(reason)})
        yield Sample("writes_waiting", self.writes.waiting)
        yield Sample("audit_records_total", self._audit.records)
        for name, seconds in writer.seconds.items():
            yield Sample(name, seconds)

    def document(self) -> dict[str, object]:
        """For the status."""
        if not self.enabled:
            return {}
        writer = self.writes.writer
        return {
            "results": {str(result): count for result, count in list(writer.results.items())},
            "refused": {str(reason): count for reason, count in list(writer.refused.items())},
            "waiting": self.writes.waiting,
            "audit": self._audit.fault or "ok",
        }

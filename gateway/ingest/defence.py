"""The gateway against its own plugins: sees what holds the loop, floods, or ends the process, names it, sets it aside.

One object, wired once. What it finds goes to the log, to health, as an event to the plant, and into the metrics.
"""

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

from gateway.config.limits import LimitsConfig
from gateway.ingest.guarded import REMEDY, Guarded
from gateway.ingest.runner import Runner, Surroundings
from gateway.ops.culprit import Plugins
from gateway.ops.health import Health, State
from gateway.ops.inbox import Inbox, Note
from gateway.ops.lastwords import ENDED, LastWords, Words
from gateway.ops.levels import LEVELS, NUMBERS
from gateway.ops.metrics import Sample
from gateway.ops.quarantine import Quarantine
from gateway.ops.selfwatch import SelfWatch, Ties
from gateway.ops.stall import Hold, StallWatch
from gateway.ops.walltime import WallWatch
from gateway.sdk.adapter import Adapter
from gateway.sdk.batch import Sink
from gateway.sdk.clock import Clock

OPERATIONS: Final = "operations"  # folder of the state with what `fieldgate quarantine` and `log` ask for
_EVERY: Final = 1.0  # s between two looks for what is asked
_PATIENCE: Final = 0.25  # s between two looks for reads that do not return
_LEAVE: Final = 0.5  # s for a plugin's tasks to end, and then for the process to do so by itself
_LOOP: Final = "event loop"  # the part of the health

Tell = Callable[[str, str, str], None]


class Defence:
    """Guards one gateway.

    Args:
        state: its state folder.
        clock: its clock.
        log: its log.
        health: where parts report.
        tell: an event for the plant: name, kind, text.
        limits: bounds of what it may take.
        wall: the watch over its wall clock.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it looks after, and whom it tells
        self, state: Path, clock: Clock, log: Any, health: Health, tell: Tell, limits: LimitsConfig, wall: WallWatch
    ) -> None:
        self._log, self._health, self._tell = log, health, tell
        self.plugins = Plugins()
        self.quarantine = Quarantine(state, clock)
        self.counters: Counter[str] = Counter(loop_holds_total=0)
        self._words = LastWords(state, self.plugins)
        self._watch = StallWatch(self.plugins, self._held, self._goes_on, limits.hold)
        ties = Ties(clock, log, health, self.plugins, tell, self._accused)
        self._self = SelfWatch(limits.bounds(), ties, wall)
        self._inbox = Inbox(state, OPERATIONS)
        self._guarded: WeakValueDictionary[str, Guarded] = WeakValueDictionary()
        self._loop: asyncio.AbstractEventLoop | None = None

    def runner(self, adapter: Adapter, sink: Sink, around: Surroundings) -> Guarded:
        """The runner of one connection, under guard."""
        connection = adapter.connection
        self.plugins.know(connection.devices[0].config.adapter, connection.name, type(adapter).__module__)
        return Guarded(adapter, sink, around, self.quarantine)

    def guard(self, runner: Runner) -> None:
        """Look after a runner that is about to run."""
        if isinstance(runner, Guarded):
            self._guarded[runner.connection.name] = runner

    async def open(self) -> None:
        """Before any connection runs: what the last process died of, and what was asked for since."""
        self._loop = asyncio.get_running_loop()
        self.quarantine.told = self._told
        await asyncio.to_thread(self.quarantine.load)
        await asyncio.to_thread(self.quarantine.judge)
        for connection, verdict in self.quarantine.aside.items():
            self._log.warning("set aside", connection=connection, why=verdict.why, remedy=REMEDY.format(connection))
        await self._look()
        words = await asyncio.to_thread(self._words.open)
        if words is not None:
            self._judge(words)

    async def close(self) -> None:
        """An end in order, also where a plugin does not let itself be ended: then without it."""
        left = [task for task in asyncio.all_tasks() if self.plugins.in_task(task)]
        for task in left:
            task.cancel()
        pending = (await asyncio.wait(left, timeout=_LEAVE))[1] if left else ()
        self._words.close()
        for task in pending:
            self._log.error("does not end", plugin=self.plugins.in_task(task))
        if pending:  # whoever closes the loop would wait for them for ever
            last = threading.Timer(_LEAVE, os._exit, (0,))
            last.daemon = True
            last.start()

    def parts(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """What runs as long as the gateway does."""
        yield "stall watch", self._watch.run
        yield "quarantine", self._keep_looking
        yield "patience", self._keep_waiting
        yield "self watch", self._self.run

    def samples(self) -> Iterator[Sample]:
        """For Prometheus."""
        for name, count in self.counters.items():
            yield Sample(name, count)
        yield Sample("connections_set_aside", len(self.quarantine.aside))
        yield from self._self.samples()

    # -- what was found ----------------------------------------------------------------------------------------------

    def _held(self, hold: Hold) -> None:
        """On the watching thread: the loop is held."""
        self.counters["loop_holds_total"] += 1
        why = f"held by {_whose(hold)} at {hold.where}"
        self._log.error(
            "the loop is held", connection=hold.connection, plugin=hold.adapter, where=hold.where, stack=hold.stack
        )
        self._health.report(_LOOP, State.DEGRADED, why, "report it to whoever made the plugin; everything else waits")
        if hold.connection:
            self.quarantine.holding(hold.connection, f"was killed while it held the loop at {hold.where}")

    def _goes_on(self, hold: Hold) -> None:
        """On the watching thread: the loop is free again."""
        self._health.report(_LOOP, State.OK)
        self._log.warning("the loop goes on", connection=hold.connection, plugin=hold.adapter, seconds=hold.seconds)
        self._later(self._tell, hold.connection or _LOOP, "loop held", f"{_whose(hold)} held the loop: {hold.where}")
        if hold.connection:
            self.quarantine.holding("", "")
            self.quarantine.strike(hold.connection, "blocks", f"held the loop at {hold.where}")

    def _told(self, connection: str, harm: str, why: str, out: bool) -> None:  # noqa: FBT001
        """A connection has done harm; from any thread."""
        self.counters[f"harms_{harm}_total"] += 1
        self._log.warning("connection does harm", connection=connection, why=why)
        if out:
            remedy = REMEDY.format(connection)
            self._log.error("set aside", connection=connection, why=why, remedy=remedy)
            self._later(self._tell, connection, "set aside", f"{connection} is set aside, for the plugin {why}")
            self._later(self._look_again, connection)

    def _accused(self, adapter: str, why: str) -> None:
        """Memory grows by a plugin's doing. One of several connections cannot be told from another."""
        connection = self.plugins.alone(adapter)
        if connection and self.quarantine.strike(connection, "leaks", why):
            self._stop_all_of(adapter)

    def _stop_all_of(self, adapter: str) -> None:
        """End what the plugin of a connection that is set aside has left running beside it."""
        for task in asyncio.all_tasks():
            if self.plugins.in_task(task) == adapter:
                task.cancel()

    def _judge(self, words: Words) -> None:
        """Set aside whose code ended the last process."""
        self._log.error(
            "the last run ended badly",
            how=words.how,
            connection=words.connection,
            plugin=words.adapter,
            where=words.where,
        )
        self._tell(words.connection or _LOOP, "ended badly", f"the last run ended: {words.how} at {words.where}")
        if words.connection and words.adapter:
            harm = "exits" if words.how == ENDED else "kills"
            self.quarantine.strike(words.connection, harm, f"ended the last run: {words.how} at {words.where}")

    # -- what is asked for -------------------------------------------------------------------------------------------

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            await self._look()

    async def _keep_waiting(self) -> None:
        while True:
            await asyncio.sleep(_PATIENCE)
            for guarded in list(self._guarded.values()):
                guarded.patience()

    async def _look(self) -> None:
        for name, note in await asyncio.to_thread(self._inbox.collect):
            await asyncio.to_thread(self._answer, name, self._carry_out(note))

    def _carry_out(self, note: Note) -> Note:
        if "part" not in note:
            return self._release(str(note.get("connection", "")))
        part, level = str(note["part"]), str(note.get("level"))
        if level not in NUMBERS:
            return {"result": "refused", "text": f"'{level}' is no level; there are {', '.join(NUMBERS)}"}
        LEVELS.set(part, level)
        return {"result": "done", "text": f"{part} is heard from {level} on, until the next start"}

    def _release(self, connection: str) -> Note:
        if not self.quarantine.release(connection):
            return {"result": "refused", "text": f"'{connection}' is not set aside"}
        self._look_again(connection)
        self._log.warning("let in again", connection=connection)
        self._tell(connection, "let in again", f"{connection} is tried again")
        return {"result": "done", "text": f"{connection} is tried again"}

    def _answer(self, name: str, answer: Note) -> None:
        try:
            self._inbox.answer(name, answer)
        except OSError as error:
            self._log.warning("no answer can be left", error=str(error))

    def _look_again(self, connection: str) -> None:
        if guarded := self._guarded.get(connection):
            guarded.look_again()

    def _later(self, do: Callable[..., None], *values: str) -> None:
        """On the loop's thread, when it gets to it; not at all when it has ended."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(do, *values)


def _whose(hold: Hold) -> str:
    if not hold.adapter:
        return "the gateway's own code"
    return f"plugin {hold.adapter}" + (f", connection {hold.connection}" if hold.connection else "")

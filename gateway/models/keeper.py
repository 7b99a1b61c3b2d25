"""Keeps all users' models: brings bundles in, has their versions run, and acts on commands, gates and faults.

The decisions are the table's (`lifecycle`), the calls are the scorer's (`remote`); here they meet, on the loop.
Whatever reads or checks a bundle while the gateway runs does so in another thread.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.config.schema import ModelsConfig
from gateway.models.cohorts import Watched
from gateway.models.engine import Engine
from gateway.models.life import Life, Surroundings
from gateway.models.lifecycle import LifecycleError
from gateway.models.manifest import BundleError
from gateway.models.process import Limits
from gateway.models.remote import Remote
from gateway.models.shelf import Shelf
from gateway.models.signing import read_trusted
from gateway.ops.health import Health
from gateway.sdk.clock import Clock
from gateway.stages.score import Scores

LOOK_EVERY: Final = 1.0  # s between two looks at commands, gates and probations
BUNDLES: Final = "bundles/"

Announce = Callable[[str, str, str, Mapping[str, Any]], None]
"""Takes (name of the model, kind of the event, text, fields)."""


@dataclass(frozen=True)
class Ties:
    """What the keeper is tied to: time, the log, health, and where events go."""

    clock: Clock
    log: Any
    health: Health
    announce: Announce


class Models:
    """All users' models of one gateway."""

    def __init__(
        self, settings: ModelsConfig, home: Path, state: Path, ties: Ties, look_every: float = LOOK_EVERY
    ) -> None:
        """Opens no bundle yet.

        Args:
            settings: the section `models`.
            home: folder of the configuration, whose `bundles/` are taken up at start.
            state: folder of the state.
            ties: what events and health go to.
            look_every: seconds between two looks at commands, gates and probations.

        Raises:
            ConfigError: when a trusted key cannot be read.
        """
        self.late: Callable[[int, Scores], None] = lambda _ticket, _scores: None
        self.shelf = Shelf(state, read_trusted(settings.keys), settings.size)
        self._settings, self._home, self._ties, self._look_every = settings, home, ties, look_every
        self.lives: dict[str, Life] = {}
        self._news: list[tuple[str, str, str, Mapping[str, Any]]] = []
        self._running = False
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[Engine, asyncio.Task[None]] = {}

    def scorer(self, model: str, assets: Sequence[Watched]) -> Remote:
        """The scorer of `model` (bundles/NAME) for these assets, which all have as many tags.

        What is wrong with a bundle is told by event and health, not raised: the gateway runs without it.
        """
        name = model.removeprefix(BUNDLES)
        settings = self._settings
        limits = Limits(settings.memory, settings.deadline, tuple(settings.providers))
        around = Surroundings(self._ties.clock, self._ties.health, self.shelf, settings, limits, self._announce)
        life = Life(name, assets, around, self._start, self._stop)
        life.remote.late = self._late
        self.lives[name] = life
        life.begin(self._home / BUNDLES)
        return life.remote

    def renew(self) -> None:
        """Take up what another keeper of the same shelf has decided since these lives began. Before `run`."""
        for life in self.lives.values():
            record = self.shelf.record(life.name)
            if record.encode() != life.record.encode():
                life.record = record
                life.follow([])

    def _late(self, ticket: int, scores: Scores) -> None:
        self.late(ticket, scores)

    # -- work --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run the engines and look after them; until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group, self._running = group, True
                self._flush()
                for life in self.lives.values():
                    for engine in life.engines():
                        self._start(engine)
                while True:
                    await self._look()
                    await asyncio.sleep(self._look_every)
        finally:
            self._group, self._running = None, False
            self._tasks.clear()

    async def _look(self) -> None:
        for name, command in await asyncio.to_thread(self.shelf.inbox.collect):
            answer = await self._obey(command)
            await asyncio.to_thread(self.shelf.inbox.answer, name, answer)
        for life in self.lives.values():
            life.look()
            await self._keep(life)

    async def _keep(self, life: Life) -> None:
        """Bring to disk what has changed, and fetch what the next change may need."""
        if life.changed:
            life.changed = False
            await asyncio.to_thread(self.shelf.keep, life.record)
        if report := life.take_report():
            await asyncio.to_thread(self.shelf.keep_report, life.name, *report)
        if missing := life.missing():
            try:
                life.bundles[missing] = await asyncio.to_thread(self.shelf.take, life.name, missing)
            except BundleError as error:
                life.lost(missing, error)

    async def _obey(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a command; what is answered."""
        verb, name, version = (command.get(key) for key in ("verb", "name", "version"))
        life = self.lives.get(str(name))
        if life is None:
            return {"ok": False, "text": f"no asset has the model bundles/{name}"}
        try:
            text = await self._carry_out(life, str(verb), None if version is None else str(version))
        except (BundleError, LifecycleError) as error:
            self._announce(life.name, "model refused", str(error), {"verb": str(verb)})
            return {"ok": False, "text": str(error)}
        await self._keep(life)
        return {"ok": True, "text": text}

    async def _carry_out(self, life: Life, verb: str, version: str | None) -> str:
        if version is not None and version not in life.bundles:
            bundle = await asyncio.to_thread(self.shelf.take, life.name, version)
            life.install(bundle)
        match verb:
            case "shadow" if version is not None:
                return life.follow(life.record.shadow(version))
            case "promote":
                return life.follow(life.record.promote(version, "by command"))
            case "rollback":
                return life.follow(life.record.roll_back(version, "by command"))
        raise LifecycleError(f"'{verb}' is no command for a model")

    # -- engines -----------------------------------------------------------------------------------------------------

    def _start(self, engine: Engine) -> None:
        if self._group is not None and engine not in self._tasks:
            self._tasks[engine] = self._group.create_task(engine.run(), name=f"model {engine.bundle.label}")

    def _stop(self, engine: Engine) -> None:
        task = self._tasks.pop(engine, None)
        if task is not None:
            task.cancel()

    # -- told --------------------------------------------------------------------------------------------------------

    def _announce(self, name: str, kind: str, text: str, fields: Mapping[str, Any]) -> None:
        self._news.append((name, kind, text, fields))
        if self._running:
            self._flush()

    def _flush(self) -> None:
        news, self._news = self._news, []
        for name, kind, text, fields in news:
            self._ties.log.info("model", model=name, what=kind, text=text)
            self._ties.announce(name, kind, text, fields)

    def states(self) -> list[dict[str, Any]]:
        """Each model: its versions, who scores, what it runs on, how it compares."""
        return [life.state() for life in self.lives.values()]

    def phases(self) -> dict[str, str]:
        """What each asset with a model of its own is doing: scoring, filling, or why not."""
        return {asset.name: phase for life in self.lives.values() for asset, phase in life.phases()}

    def counters(self) -> dict[str, Counter[str]]:
        """Counters by model."""
        return {name: life.counters() for name, life in self.lives.items()}

"""All of users' models as a gateway has them, on a folder: rows come in, answers and events come out."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.config.schema import ModelsConfig
from gateway.models.bundle import Bundle
from gateway.models.cohorts import Watched
from gateway.models.keeper import Models, Ties
from gateway.models.life import Life
from gateway.models.remote import Remote
from gateway.ops.clock import SystemClock
from gateway.ops.health import Health
from gateway.sdk.testing import SilentLog
from gateway.stages.score import Abstain, Scores
from tests.models.made import KEY, bundle, mean_square

WITHIN = 60.0
TAGS = ("p.flow", "p.pressure")
UNITS = ("m³/h", "bar")


async def until(condition: Any, what: str) -> None:
    for _ in range(int(WITHIN / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not within {WITHIN:.0f} s: {what}")


class Rig:
    """One gateway's models, with two assets of model bundles/pump-7."""

    def __init__(self, folder: Path, *, fallback: bool = False, **settings: Any) -> None:
        self.fallback = fallback
        self.folder, self.state = folder, folder / "state"
        keys = folder / "keys"
        for one in (self.state, keys, folder / "bundles"):
            one.mkdir(exist_ok=True)
        (keys / "a.pub").write_bytes(public_pem())
        self.settings = ModelsConfig.model_validate({"keys": keys, "deadline": 0.4, "rows": 20, **settings})
        self.clock, self.health = SystemClock(), Health(SystemClock())
        self.events: list[tuple[str, str, Mapping[str, Any]]] = []
        self.asked: list[int] = []
        self.answers: dict[int, Scores] = {}
        self.lag: list[float] = []
        self.unanswered = 0

    def lay(self, one: Bundle) -> None:
        """As the operator does: beside the configuration."""
        (self.folder / "bundles" / f"{one.manifest.name}.tar").write_bytes(one.archive())

    def open(self) -> None:
        ties = Ties(self.clock, SilentLog(), self.health, self.told)
        self.models = Models(self.settings, self.folder, self.state, ties, look_every=0.05)
        self.models.late = self.late
        assets = [Watched(name, TAGS, UNITS, 1.0, self.fallback) for name in ("north", "south")]
        remote = self.models.scorer("bundles/pump-7", assets)
        self.remote: Remote = remote

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.open)
        self.tasks = [asyncio.create_task(one) for one in (self.models.run(), self.measure())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self.tasks:
            task.cancel()
        ended = await asyncio.gather(*self.tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended

    def told(self, name: str, kind: str, text: str, fields: Mapping[str, Any]) -> None:
        assert name == "pump-7"
        self.events.append((kind, text, fields))

    def late(self, ticket: int, scores: Scores) -> None:
        assert ticket not in self.answers, "an answer comes once"
        self.answers[ticket] = scores

    async def measure(self) -> None:
        """How late the loop is, every 5 ms: what polling would feel."""
        due = time.monotonic()
        while True:
            due += 0.005
            await asyncio.sleep(due - time.monotonic())
            self.lag.append(time.monotonic() - due)
            due = max(due, time.monotonic() - 0.005)

    # -- what happens to it ------------------------------------------------------------------------------------------

    @property
    def life(self) -> Life:
        return self.models.lives["pump-7"]

    def row(self, value: float = 1.0) -> Scores:
        scores = self.remote.score(np.array([0, 1]), np.full((2, 2), value))
        if scores.ticket:
            self.asked.append(scores.ticket)
        self.unanswered += int(np.count_nonzero(scores.reason == Abstain.MODEL_FAILED))
        return scores

    async def rows(self, count: int, value: float = 1.0, pause: float = 0.01) -> None:
        for _ in range(count):
            self.row(value)
            await asyncio.sleep(pause)

    async def rows_until(self, condition: Any, what: str, value: float = 1.0) -> None:
        """Rows come in until something has happened."""
        deadline = time.monotonic() + WITHIN
        while not condition():
            assert time.monotonic() < deadline, f"not within {WITHIN:.0f} s: {what}; {self.kinds()}"
            await self.rows(1, value)

    async def command(self, verb: str, version: str | None = None) -> dict[str, Any]:
        """As `fieldgate model` does; rows go on coming in."""
        inbox = self.models.shelf.inbox
        ticket = await asyncio.to_thread(inbox.leave, {"verb": verb, "name": "pump-7", "version": version})
        path = inbox.folder / ".answers" / ticket
        await self.rows_until(path.exists, f"{verb} is answered")
        answer = await asyncio.to_thread(inbox.answered, ticket, 0.0)
        assert answer is not None
        return answer

    async def shadow(self, one: Bundle) -> dict[str, Any]:
        await asyncio.to_thread(self.models.shelf.put, one)
        return await self.command("shadow", one.manifest.version)

    async def answered(self) -> None:
        await until(lambda: len(self.answers) == len(self.asked), "all calls are answered")

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.events]

    def moves(self) -> list[tuple[str, str]]:
        """(version, state) of each change."""
        return [(str(fields["version"]), str(fields["state"])) for _, _, fields in self.events if "state" in fields]

    def states(self) -> dict[str, str]:
        return {version: state.value for version, state in self.life.record.states.items()}

    def failed(self) -> int:
        """Rows that no version has scored."""
        lost = sum(int(np.count_nonzero(one.reason == Abstain.MODEL_FAILED)) for one in self.answers.values())
        return lost + self.unanswered


def public_pem() -> bytes:
    return KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def twice(version: str = "2.0", **more: Any) -> Bundle:
    """A later version, which scores twice as high."""
    return bundle(mean_square(2.0), version, golden={"rows": [[1, 1]] * 3, "score": 2.0}, **more)

"""Calls and acknowledgements as one part of the gateway: the ways in, the door, what stands in the devices, figures."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Never

import orjson

from gateway.deliver.ear import Reply, Request
from gateway.deliver.event import SCHEMA, rfc3339
from gateway.deliver.publisher import Publisher
from gateway.operators.calls import Calls
from gateway.operators.permits import Permits
from gateway.operators.writes import Answer
from gateway.ops.inbox import Inbox
from gateway.ops.metrics import Sample
from gateway.sdk import Log

CALLS: Final = "calls"  # folder of the state, for notes of the command line
TOPICS: Final = ("call", "condition")  # names under class `command`: rights on the broker differ
_LOOK: Final = 0.2  # s between two looks for notes
_ANSWERS: Final = 100  # that wait to be written; the eldest goes
_SHOWN: Final = 1000  # conditions in a status


class Calling:
    """Of one gateway. Idle unless `enabled`; what stands is shown all the same."""

    def __init__(self, permits: Permits, calls: Calls, state: Path, gateway: str, log: Log, *, enabled: bool) -> None:
        self.calls, self._permits, self._enabled = calls, permits, enabled
        self._gateway, self._log = gateway, log
        self._inbox = Inbox(state, CALLS)
        self._answers: deque[tuple[str, Answer]] = deque(maxlen=_ANSWERS)
        self._publisher: Publisher | None = None

    # -- ways in -----------------------------------------------------------------------------------------------------

    def listen(self, publisher: Publisher) -> None:
        """Take commands over MQTT, too, where `publisher` has an ear. Before it runs."""
        if publisher.ear is not None:
            self._publisher = publisher
            for name in TOPICS:
                publisher.ear.add(name, partial(self.hear, name))

    def hear(self, name: str, requests: Sequence[Request], no_room: int) -> None:
        """Take requests that came on the topic of `name`; `no_room` had none."""
        if no_room:
            self.calls.drop("mqtt", no_room)
        for request in requests:
            fault = request.fault or _wrong_topic(name, request.content)
            self.calls.take(request.content, "mqtt", partial(self._reply, request), fault)

    def _reply(self, request: Request, answer: Answer) -> None:
        if self._publisher is not None:
            body = orjson.dumps({"schema": SCHEMA, "gateway": self._gateway} | answer, default=str)
            self._publisher.reply(Reply(request.answer_to, body, request.correlation))

    async def run(self) -> Never:
        """Take the notes of the command line, and write the answers."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK)

    async def look(self) -> None:
        """Look once: for notes, for answers to them, for storms."""
        for name, note in await asyncio.to_thread(self._inbox.collect):
            self.calls.take(note, "cli", partial(self._answer, name))
        for name in sorted(self._inbox.alien):
            self._log.warning("command not readable", file=str(self._inbox.folder / name))
        while self._answers:
            name, answer = self._answers.popleft()
            with suppress(OSError):  # the disk is full; the audit and the event say what was done
                await asyncio.to_thread(self._inbox.answer, name, answer)
        self.calls.tell_storms()

    def _answer(self, name: str, answer: Answer) -> None:
        self._answers.append((name, answer))

    # -- what is seen ------------------------------------------------------------------------------------------------

    def standing(self) -> list[dict[str, Any]]:
        """The conditions that stand in the devices, the most severe first; for the status, from any thread."""
        found = [
            {"condition": name, "since": rfc3339(one.time), "text": one.text}
            | {key: value for key, value in one.fields.items() if key not in ("condition", "event_id")}
            for name, one in self._permits.standing().items()
        ]
        found.sort(key=lambda row: (-(row.get("severity") or 0), row["condition"]))
        return found[:_SHOWN]

    def samples(self) -> Iterable[Sample]:
        """For the metrics."""
        yield Sample("conditions_standing", len(self._permits.standing()))
        if not self._enabled:
            return
        for result, count in list(self.calls.results.items()):
            yield Sample("calls_total", count, {"result": str(result)})
        for reason, count in list(self.calls.refused.items()):
            yield Sample("calls_refused_total", count, {"reason": str(reason)})


def _wrong_topic(name: str, content: dict[str, object] | None) -> str:
    """Why a command may not come on this topic: whoever may acknowledge may not call for that."""
    other = "method" if name == "condition" else "condition"
    return f"{other} does not belong on this topic" if content and content.get(other) else ""

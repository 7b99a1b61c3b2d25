"""Where commands come in: notes of the command line in the state folder, and requests over MQTT."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson

from gateway.deliver.ear import Ear, Reply, Request
from gateway.deliver.event import SCHEMA
from gateway.deliver.publisher import Publisher
from gateway.operators.commands import Commands
from gateway.ops.inbox import Inbox, Note
from gateway.sdk import Log

COMMANDS: Final = "commands"  # folder of the state


class Desk:
    """Hands commands on, and answers on the way that they came."""

    def __init__(self, commands: Commands, state: Path, gateway: str, log: Log) -> None:
        """`state` is the folder in which the command line leaves its notes, `gateway` the id that answers bear."""
        self.commands, self._gateway, self._log = commands, gateway, log
        self._inbox = Inbox(state, COMMANDS)
        self._publisher: Publisher | None = None

    def listen(self, publisher: Publisher) -> None:
        """Take requests over MQTT, too. Before `publisher` runs."""
        self._publisher = publisher
        publisher.ear = Ear(publisher.topics, self.hear, self._log)

    async def look(self) -> None:
        """Take the notes that lie there; once a second."""
        self.commands.tick()
        for name, note in await asyncio.to_thread(self._inbox.collect):
            answer = self.commands.take(note, "cli")
            if answer is not None:
                await asyncio.to_thread(self._answer, name, answer)
        for name in sorted(self._inbox.alien):
            self._log.warning("command not readable", file=str(self._inbox.folder / name))

    def _answer(self, name: str, answer: Note) -> None:
        with suppress(OSError):  # the disk is full: the command was carried out, and its event says so
            self._inbox.answer(name, answer)

    def hear(self, requests: Sequence[Request], no_room: int) -> None:
        """Take requests; `no_room` had none."""
        if no_room:
            self.commands.drop(no_room)
        for request in requests:
            answer = self.commands.take(request.content, "mqtt", request.fault)
            if answer is not None and self._publisher is not None:
                body = orjson.dumps({"schema": SCHEMA, "gateway": self._gateway} | answer)
                self._publisher.reply(Reply(request.answer_to, body, request.correlation))

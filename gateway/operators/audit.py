"""Records on their way into the audit: a thread of its own, and one commit for all that wait while the last is done."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway.state.audit import AuditError, AuditLog, KnownIdError, Record

Content = Mapping[str, Any]


class Audit:
    """The audit of one gateway, in the file at `path`.

    Attributes:
        fault: why nothing can be kept now; empty while all is well.
        records: kept since the start.
    """

    def __init__(self, path: Path, most: int) -> None:
        self.fault, self.records = "not open yet", 0
        self._path, self._most = path, most
        self._thread = ThreadPoolExecutor(1, "audit")
        self._log: AuditLog | None = None
        self._waiting: list[tuple[Content, asyncio.Future[Record]]] = []
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self, most: int) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """Open the file: the last record of each of the `most` latest commands, and when each tag was written last.

        A file that cannot be opened gives nothing, and `fault` says why: then nothing can be kept.
        """
        loop = asyncio.get_running_loop()
        try:
            self._log = log = await loop.run_in_executor(self._thread, AuditLog, self._path, self._most)
        except AuditError as error:
            self.fault = str(error)
            return [], {}
        self.fault = ""
        return await loop.run_in_executor(self._thread, lambda: (log.ends(most), log.latest()))

    def append(self, content: Content) -> "asyncio.Future[Record]":
        """Keep a record. The future gives it when it is on disk, or raises AuditError."""
        waiter: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        self._waiting.append((content, waiter))
        if self._idle.is_set():
            self._begin()
        return waiter

    def _begin(self) -> None:
        self._idle.clear()
        batch, self._waiting = self._waiting, []
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._write, [content for content, _ in batch])
        work.add_done_callback(lambda done: self._told([waiter for _, waiter in batch], done.result()))

    def _write(self, contents: Sequence[Content]) -> Sequence[Record | AuditError]:
        """On the thread: all in one commit; one by one where an id among them has been used before."""
        if self._log is None:
            return [AuditError(self.fault)] * len(contents)
        try:
            return self._log.append(contents)
        except KnownIdError as error:
            return [error] if len(contents) == 1 else [self._write([content])[0] for content in contents]
        except AuditError as error:
            return [error] * len(contents)

    def _told(self, waiters: Sequence["asyncio.Future[Record]"], found: Sequence[Record | AuditError]) -> None:
        if self._waiting:
            self._begin()
        else:
            self._idle.set()
        for waiter, one in zip(waiters, found, strict=True):
            self._settle(waiter, one)

    def _settle(self, waiter: "asyncio.Future[Record]", one: Record | AuditError) -> None:
        if isinstance(one, Record):
            self.records += 1
            self.fault = ""
        elif not isinstance(one, KnownIdError):
            self.fault = str(one)
        if waiter.done():
            return  # whoever waited has been cancelled; the record stands
        waiter.set_result(one) if isinstance(one, Record) else waiter.set_exception(one)

    async def close(self) -> None:
        """Keep what waits, and close."""
        loop, log = asyncio.get_running_loop(), self._log
        await self._idle.wait()
        if log is not None:
            await loop.run_in_executor(self._thread, log.close)
        self._thread.shutdown(wait=False)  # it has nothing left to do

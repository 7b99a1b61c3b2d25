"""A worker process as the gateway sees it: started, asked, killed. The event loop never waits for it.

A deadline counts the processor time that the worker itself has used: a busy machine, on which an idle-class process
gets little of it, does not make a model late. A second, longer one counts time by the wall.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from gateway.models.columns import Columns, anonymous
from gateway.models.manifest import BundleError, Manifest
from gateway.models.worker import LONGEST, REPLY, REQUEST
from gateway.sdk.errors import FieldgateError

PATIENCE: Final = 15.0  # deadlines by the wall for one by processor time
_LOOKS, _LOOK_EVERY = 250, 0.02  # s; a killed process is gone within them


class WorkerError(FieldgateError):
    """A worker failed at a call. `code`: deadline, died, failed (the runtime's error; the process lives on)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Limits:
    """What a worker may take.

    Attributes:
        memory: bytes beyond what the runtime takes.
        deadline: seconds of processor time for one call.
        providers: execution providers, the preferred first.
        start: seconds of processor time until it is ready.
    """

    memory: int = 512 * 2**20
    deadline: float = 1.0
    providers: Sequence[str] = ("cpu",)
    start: float = 5.0


@dataclass(frozen=True)
class Answer:
    """What a model says to B windows: score f8[B], contrib and expected f8[B, D], and how long it took, in seconds."""

    score: NDArray[np.float64]
    contrib: NDArray[np.float64]
    expected: NDArray[np.float64]
    seconds: float


class Process:
    """One worker with one model."""

    def __init__(self, label: str, limits: Limits, sock: socket.socket, columns: Columns) -> None:
        """Use `start`."""
        self.label, self.told = label, {"provider": ""}
        self._limits, self._sock, self._columns = limits, sock, columns
        self._number = 0
        self._popen: subprocess.Popen[bytes]

    @classmethod
    async def start(cls, model: bytes, manifest: Manifest, limits: Limits, members: int = 2) -> "Process":
        """A worker that has loaded the model and given the golden answer.

        Args:
            model: the ONNX file, which has been looked at.
            manifest: how it is meant.
            limits: what it may take.
            members: windows that one call may bring.

        Raises:
            BundleError: refused, golden, not-finite, shape: the model is wrong; deadline, died: so is what it did.
        """
        window, width, members = manifest.window.rows, manifest.width, max(members, 1)
        room = anonymous("columns", Columns.size(members, window, width))
        work = anonymous("job", content=_framed(job(manifest, limits, members), model))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            process = cls(f"{manifest.name} {manifest.version}", limits, ours, Columns(room, members, window, width))
            ours.settimeout(0)
            process._popen = _spawn(theirs.fileno(), work, room)
        finally:
            theirs.close()
            os.close(room)
            os.close(work)
        await process._begin()
        return process

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._popen.pid

    async def ask(self, windows: NDArray[np.float64]) -> Answer:
        """Score windows f8[B, rows, D], in the order of the model's inputs. One call at a time.

        Raises:
            WorkerError: when there is no answer; after deadline and died the process is gone.
        """
        rows, columns = len(windows), self._columns
        self._number += 1
        columns.x[:rows] = windows
        try:
            self._sock.send(REQUEST.pack(self._number, rows))
            reply = await self._receive(self._limits.deadline)
        except WorkerError:
            await self.close()
            raise
        except OSError as error:
            await self.close()
            raise WorkerError("died", f"{self.label}: {self._ending()}") from error
        except asyncio.CancelledError:
            self.kill()
            raise
        _, fault, seconds = REPLY.unpack(reply[: REPLY.size])
        if fault:
            raise WorkerError("failed", f"{self.label}: {reply[REPLY.size :].decode(errors='replace')}")
        score, contrib, expected = (c[:rows].copy() for c in (columns.score, columns.contrib, columns.expected))
        return Answer(score, contrib, expected, seconds)

    def kill(self) -> None:
        """End it now."""
        self._sock.close()
        self._popen.kill()

    async def close(self) -> None:
        """End it, and wait until it is gone."""
        self.kill()
        for _ in range(_LOOKS):
            if self._popen.poll() is not None:
                return
            await asyncio.sleep(_LOOK_EVERY)

    async def _begin(self) -> None:
        try:
            told: dict[str, Any] = orjson.loads(await self._receive(self._limits.start))
        except (WorkerError, OSError, orjson.JSONDecodeError) as error:
            await self.close()
            code = error.code if isinstance(error, WorkerError) else "died"
            raise BundleError(code, f"{self.label}: while it was loaded: {error}") from error
        except asyncio.CancelledError:
            self.kill()
            raise
        if not told.pop("ready"):
            await self.close()
            raise BundleError(told["code"], f"{self.label}: {told['why']}")
        self.told = told

    async def _receive(self, deadline: float) -> bytes:
        """The next message, within `deadline` seconds of the worker's processor time."""
        began, used = time.monotonic(), self._used()
        task = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(self._sock, LONGEST))
        try:
            while not (await asyncio.wait([task], timeout=deadline))[0]:
                if self._used() - used >= deadline or time.monotonic() - began >= PATIENCE * deadline:
                    raise WorkerError("deadline", f"{self.label}: no answer within {deadline:g} s")
            message = task.result()
        finally:
            task.cancel()
        if not message:
            raise WorkerError("died", f"{self.label}: {self._ending()}")
        return message

    def _used(self) -> float:
        """Processor time that the worker has used, s."""
        # The clock of another process: clock_getcpuclockid(3), as glibc forms it for CPUCLOCK_SCHED.
        try:
            return time.clock_gettime((~self.pid << 3) | 2)
        except OSError:
            return 0.0

    def _ending(self) -> str:
        code = self._popen.poll()
        return "the worker ended" + (f" by signal {-code}" if code is not None and code < 0 else "")


def job(manifest: Manifest, limits: Limits, members: int) -> dict[str, Any]:
    """What the worker is told, as plain JSON: it needs neither pydantic nor the rest of the gateway."""
    mean, scale = manifest.columns()
    return {
        "input": manifest.input,
        "outputs": manifest.outputs.model_dump(),
        "window": manifest.window.rows,
        "width": manifest.width,
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "golden": manifest.golden.model_dump(),
        "members": members,
        "memory": limits.memory,
        "providers": list(limits.providers),
    }


def _framed(content: dict[str, Any], model: bytes) -> bytes:
    head = orjson.dumps(content)
    return len(head).to_bytes(8, "little") + head + model


def _spawn(line: int, work: int, room: int) -> "subprocess.Popen[bytes]":
    """A fresh interpreter, never a fork: a copy of a process with threads is a lottery."""
    handles = (line, work, room)
    arguments = [*map(str, handles), str(os.getpid())]
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100 - '' is the working directory
    return subprocess.Popen(  # noqa: S603 - our own module by our own interpreter
        [sys.executable, "-m", "gateway.models.worker", *arguments],
        pass_fds=handles, cwd="/", env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

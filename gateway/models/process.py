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
from concurrent.futures import Future, ThreadPoolExecutor
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
_PATH: Final = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100 - '' is where we are
# One thread starts all workers and stays: a worker goes with the thread that made it (prctl(2), PR_SET_PDEATHSIG).
_STARTER: Final = ThreadPoolExecutor(1, "worker-start")
_GONE_WITHIN: Final = 5.0  # s until a killed process is no more


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

    def __init__(
        self, label: str, limits: Limits, popen: "subprocess.Popen[bytes]", sock: socket.socket, columns: Columns
    ) -> None:
        """Use `start`."""
        self.label, self.told = label, dict[str, Any]()
        self._limits, self._popen, self._sock, self._columns = limits, popen, sock, columns
        self._number = 0
        self._gone: Future[int] | None = None

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
        framed = _framed(job(manifest, limits, max(members, 1)), model)
        shape = (max(members, 1), manifest.window.rows, manifest.width)
        made = asyncio.get_running_loop().run_in_executor(_STARTER, _spawn, framed, shape)
        label = f"{manifest.name} {manifest.version}"
        try:
            process = cls(label, limits, *await asyncio.shield(made))
        except asyncio.CancelledError:  # the thread goes on: what it makes must end too
            await cls(label, limits, *await made).close()
            raise
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
        _, fault, seconds = REPLY.unpack(reply[: REPLY.size])
        if fault:
            raise WorkerError("failed", f"{self.label}: {reply[REPLY.size :].decode(errors='replace')}")
        score, contrib, expected = (c[:rows].copy() for c in (columns.score, columns.contrib, columns.expected))
        return Answer(score, contrib, expected, seconds)

    def kill(self) -> None:
        """End it now; a thread sees to it that it is gone."""
        if self._gone is None:
            self._sock.close()
            self._popen.kill()
            self._gone = _STARTER.submit(self._popen.wait, _GONE_WITHIN)

    async def close(self) -> None:
        """End it, and wait until it is gone."""
        self.kill()
        if self._gone is not None:
            await asyncio.wait([asyncio.wrap_future(self._gone)])

    async def _begin(self) -> None:
        try:
            told: dict[str, Any] = orjson.loads(await self._receive(self._limits.start))
        except (WorkerError, OSError, orjson.JSONDecodeError) as error:
            await self.close()
            code = error.code if isinstance(error, WorkerError) else "died"
            raise BundleError(code, f"{self.label}: while it was loaded: {error}") from error
        except asyncio.CancelledError:
            await self.close()
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


def _spawn(framed: bytes, shape: tuple[int, int, int]) -> tuple["subprocess.Popen[bytes]", socket.socket, Columns]:
    """A fresh interpreter, never a fork: a copy of a process with threads is a lottery."""
    handles = [anonymous("job", content=framed), anonymous("columns", Columns.size(*shape))]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        handed = (theirs.fileno(), *handles)
        popen = subprocess.Popen(  # noqa: S603 - our own module by our own interpreter
            [sys.executable, "-m", "gateway.models.worker", *map(str, handed), str(os.getpid())],
            pass_fds=handed, cwd="/", env={**os.environ, "PYTHONPATH": _PATH, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    columns = Columns(handles[1], *shape)
    for handle in handles:
        os.close(handle)
    ours.settimeout(0)
    return popen, ours, columns

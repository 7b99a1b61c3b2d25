"""What is done by `fieldgate` itself in a process of its own: the expanded configuration, and the support bundle.

Both read and work for seconds with ten thousand tags; in this process they would hold up the scans.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import orjson
from starlette.responses import Response

from gateway.config.compare import LASTING
from gateway.console.calls import Call, Route
from gateway.console.host import Host, changes_of, now
from gateway.console.rights import Refused, Right

_WITHIN: Final = 60.0  # s
_LARGEST: Final = 128 * 2**20  # bytes of a bundle


class Beside:
    """Has work done on the configuration of `host`, each kind one at a time."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._next: dict[str, asyncio.Task[bytes]] = {}  # by kind, what has not begun yet
        self._locks: dict[str, asyncio.Lock] = {}
        self._bundling = asyncio.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()  # under way

    def routes(self) -> Sequence[Route]:
        """The paths."""
        return [
            Route("config", "GET", "/config", self._config),
            Route("plan", "POST", "/config/plan", self._plan),
            Route("bundle", "GET", "/bundle", self._bundle, Right.CONFIGURE, act=True),
        ]

    async def _shared(self, name: str, work: Callable[[], bytes]) -> bytes:
        """What `work` gives, on a thread, begun after this call; one at a time, and one for all who wait for it."""
        task = self._next.get(name)
        if task is None:
            task = self._next[name] = asyncio.create_task(self._begun(name, work), name=f"console {name}")
        return await asyncio.shield(task)

    async def _begun(self, name: str, work: Callable[[], bytes]) -> bytes:
        async with self._locks.setdefault(name, asyncio.Lock()):
            del self._next[name]  # who asks from here on has perhaps changed a file that is read already
            return await asyncio.to_thread(work)

    async def _config(self, _call: Call) -> bytes:
        """Handed on unread, for it is long."""
        found = await self._shared("config", self._expanded)
        return found[:-1] + b"," + orjson.dumps({"pending": self._pending()})[1:]

    def _expanded(self) -> bytes:
        done = self._run("gateway.console.expanded", [str(self._main)])
        if done.returncode or not done.stdout.endswith(b"}"):
            raise Refused(HTTPStatus.CONFLICT, "configuration", _said(done))
        return done.stdout

    def _pending(self) -> dict[str, Any] | None:
        """What is on trial, and until when (Unix ms)."""
        trial = self._host.changes.trial if self._host.changes else None
        if trial is None:
            return None
        left = trial.until - self._host.clock.monotonic()
        until = self._host.clock.wall_ns() // 10**6 + round(left * 1000)
        return {"number": trial.record.number, "by": trial.record.by, "until": until}

    async def _plan(self, _call: Call) -> dict[str, Any]:
        changes_of(self._host)
        plan: dict[str, Any] = orjson.loads(await self._shared("plan", self._planned))
        options = [option for one in plan["changes"] if one["what"] == "option" for option in one["options"]]
        return plan | {"restart": [option for option in options if option.partition(".")[0] in LASTING]}

    def _planned(self) -> bytes:
        done = self._run("gateway", ["plan", "--json", *self._options()])
        if done.returncode:
            raise Refused(HTTPStatus.CONFLICT, "configuration", _said(done))
        return done.stdout

    async def _bundle(self, _call: Call) -> Response:
        if self._bundling.locked():
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "busy", "a bundle is being made just now; try again", 5.0)
        async with self._bundling:
            name, content = await asyncio.to_thread(self._made)
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
        return Response(content, headers=headers, media_type="application/gzip")

    def _made(self) -> tuple[str, bytes]:
        with tempfile.TemporaryDirectory(prefix="fieldgate-bundle-") as folder:
            gateway = now(self._host).configuration.root.gateway.id
            stamp = f"{self._host.clock.wall_ns() // 10**9}"
            path = Path(folder) / f"fieldgate-bundle-{gateway}-{stamp}.tar.gz"
            done = self._run("gateway", ["bundle", *self._options(), "--output", str(path)])
            if done.returncode or not path.is_file() or path.stat().st_size > _LARGEST:
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "bundle", _said(done))
            return path.name, path.read_bytes()

    def _run(self, module: str, arguments: Sequence[str]) -> "subprocess.CompletedProcess[bytes]":
        """`python -m MODULE ARGUMENTS`, by our own interpreter. Raises Refused where it does not end."""
        command = [sys.executable, "-m", module, *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603 - our own
            self._processes.add(process)
            try:
                said, complained = process.communicate(timeout=_WITHIN)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy", f"{module}: {error}") from error
            finally:
                self._processes.discard(process)
        return subprocess.CompletedProcess(command, process.returncode, said, complained)

    def end(self) -> None:
        """The gateway ends: nobody waits for them any more."""
        for process in list(self._processes):
            process.kill()

    def _options(self) -> list[str]:
        return ["--config", str(self._main), "--state", str(self._host.state)]

    @property
    def _main(self) -> Path:
        """The main file of the configuration."""
        return now(self._host).configuration.files[0]


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    """What a verb that failed has said last."""
    said = (done.stderr or done.stdout).decode(errors="replace").strip()[-500:]
    return said or f"it ended with {done.returncode}"

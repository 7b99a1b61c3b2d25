"""Connections that have done harm to all others are set aside, over restarts too, until a person lets them in again.

A small file in the state folder. What counts as harm, and how much of it, is a table.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import orjson

from gateway.ops.files import give
from gateway.sdk.clock import Clock

FILE: Final = "quarantine.json"


@dataclass(frozen=True, slots=True)
class Harm:
    """A kind of harm: so many times within so many seconds, and the connection is set aside."""

    times: int
    within: float


HARMS: Final = {
    "blocks": Harm(3, 3600.0),  # held the loop, and gave it back or had it taken
    "floods": Harm(3, 600.0),  # more batches than its configuration can explain, three seconds long
    "leaks": Harm(1, 0.0),
    "exits": Harm(1, 0.0),  # ended the process, or tried to
    "kills": Harm(1, 0.0),  # the process was killed while it held the loop, or crashed in its code
    "stays": Harm(1, 0.0),  # does not end when it is told to
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a connection is set aside, and since when (wall ns)."""

    harm: str
    why: str
    since: int


class Quarantine:
    """The connections that are set aside. Called from any thread."""

    def __init__(self, state: Path, clock: Clock) -> None:
        """The file is in the folder `state`. Nobody is set aside before `load`."""
        self.aside: dict[str, Verdict] = {}
        self.told: Callable[[str, str, str, bool], None] = _nobody  # hears connection, harm, why, and whether it is out
        self._path, self._clock = state / FILE, clock
        self._lock, self._file = threading.Lock(), threading.Lock()
        self._strikes: dict[tuple[str, str], deque[float]] = {}
        self._holding: dict[str, str] = {}  # who holds the loop now, and what to say of it

    def load(self) -> Self:
        """Read what earlier processes have left; a file that cannot be read holds nobody. Blocks."""
        self.aside, self._holding = _read(self._path)
        return self

    def judge(self) -> None:
        """The process that has left the file is no more: whoever held its loop then is set aside. Blocks."""
        for connection, why in self._holding.items():
            self.aside.setdefault(connection, Verdict("kills", why, self._clock.wall_ns()))
        if self._holding:
            self.holding("", "")

    def of(self, connection: str) -> Verdict | None:
        """Why `connection` is set aside; None where it is not."""
        return self.aside.get(connection)

    def strike(self, connection: str, harm: str, why: str) -> bool:
        """Note a harm. Whether the connection is set aside for it."""
        limit, now = HARMS[harm], self._clock.monotonic()
        with self._lock:
            strikes = self._strikes.setdefault((connection, harm), deque(maxlen=limit.times))
            strikes.append(now)
            full = len(strikes) == limit.times and now - strikes[0] <= limit.within
            out = full and connection not in self.aside
            if out:
                self.aside[connection] = Verdict(harm, why, self._clock.wall_ns())
        if out:
            self._keep()
        self.told(connection, harm, why, out)
        return out

    def release(self, connection: str) -> bool:
        """Let it in again. Whether it was set aside."""
        with self._lock:
            known = self.aside.pop(connection, None) is not None
            for key in [key for key in self._strikes if key[0] == connection]:
                del self._strikes[key]
        if known:
            self._keep()
        return known

    def holding(self, connection: str, why: str) -> None:
        """`connection` holds the loop now, or "" nobody: should the process be killed, the next one knows."""
        self._holding = {connection: why} if connection else {}
        self._write()

    def _keep(self) -> None:
        """Write the file, on the loop's thread not at once: a disk may take seconds."""
        try:
            asyncio.get_running_loop().run_in_executor(None, self._write)
        except RuntimeError:  # another thread
            self._write()

    def _write(self) -> None:
        """The file as a whole. Where it cannot be written it is remembered as long as the process lives."""
        with self._file, contextlib.suppress(OSError):
            aside = {name: asdict(one) for name, one in dict(self.aside).items()}
            draft = self._path.with_suffix(".part")
            draft.write_bytes(orjson.dumps({"aside": aside, "holding": self._holding}))
            give(draft, self._path.parent)
            draft.replace(self._path)


def _nobody(_connection: str, _harm: str, _why: str, _out: bool) -> None:  # noqa: FBT001 - the shape of `told`
    pass


def _read(path: Path) -> tuple[dict[str, Verdict], dict[str, str]]:
    try:
        content = orjson.loads(path.read_bytes())
        return {name: Verdict(**one) for name, one in content["aside"].items()}, dict(content["holding"])
    except (OSError, orjson.JSONDecodeError, TypeError, KeyError, AttributeError, ValueError):
        return {}, {}

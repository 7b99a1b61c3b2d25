"""A real process with the real outbox on a real disk, killed at any instant: what it called accepted is there."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.ops.files import RealFiles
from gateway.sdk.testing import LoopClock
from tests.deliver.support import body, config, drain

# Imports once, then forks a child with the real outbox for each line that it is given.
NURSERY = """
import asyncio, os, sys
from pathlib import Path
from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.ops.files import RealFiles
from gateway.sdk.testing import LoopClock
from tests.deliver.support import body, config

async def main():
    wake = asyncio.Event()
    outbox = Outbox(RealFiles(), Path(sys.argv[1]), config(segment=20_000), LoopClock(), wake.set)
    recovery = outbox.open()
    assert not recovery.damages and not recovery.errors, recovery
    outbox.start()
    os.write(1, b"pid %d.\\n" % os.getpid())
    while True:
        for cls in Class:
            for _ in range(20):
                sequence = outbox.reserve(cls)
                outbox.put(cls, sequence, f"t/{cls}", body(cls, sequence), 7)
        await wake.wait()
        wake.clear()
        # what can be taken is accepted; nothing is acknowledged, so all of it must stay
        os.write(1, b"".join(b"%s %d.\\n" % (r.cls.encode(), r.sequence) for r in outbox.take(200)))

for _ in sys.stdin:
    pid = os.fork()
    if not pid:
        asyncio.run(main())
    os.waitpid(pid, 0)
    os.write(1, b"\\ndead.\\n")
"""


class Nursery:
    """Starts children and kills them."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", NURSERY, str(folder)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )

    def child(self, seconds: float) -> set[tuple[Class, int]]:
        """Start a child, kill it when it has run so long, and give what it said was accepted."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()
        pid = next(number for name, number in self._lines() if name == "pid")
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        return {(Class(name), number) for name, number in self._lines()}

    def _lines(self) -> Iterator[tuple[str, int]]:
        """What the child says, whole lines only, until it is dead."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line == b"dead.\n":
                return
            if line.endswith(b".\n"):
                name, number = line[:-2].decode().split()
                yield name, int(number)

    def close(self) -> None:
        self.process.communicate()


@pytest.mark.slow
def test_what_a_killed_process_had_accepted_is_there(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kills = max(20, request.config.getoption("--kills", 20))
    rng = random.Random(7)
    accepted: set[tuple[Class, int]] = set()
    nursery = Nursery(tmp_path / "outbox")
    for _ in range(kills):
        accepted |= nursery.child(rng.uniform(0.0, 0.15))
    nursery.close()
    outbox = Outbox(RealFiles(), tmp_path / "outbox", config(), LoopClock())
    recovery = outbox.open()
    assert not recovery.damages
    assert recovery.lost_bytes == 0
    assert not recovery.epoch_changed
    got = {(record.cls, record.sequence): record.body for record in drain(outbox)}
    assert len(accepted) > 20 * kills
    assert not accepted - got.keys()
    assert all(content == body(*key) for key, content in got.items())
    assert asyncio.run(outbox.close())

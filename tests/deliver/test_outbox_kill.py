"""A real process with the real outbox on a real disk, killed at any instant: what it called accepted is there."""

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.ops.files import RealFiles
from gateway.sdk.testing import LoopClock
from tests.deliver.support import body, config, drain

CHILD = """
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
    while True:
        for cls in Class:
            for _ in range(20):
                sequence = outbox.reserve(cls)
                outbox.put(cls, sequence, f"t/{cls}", body(cls, sequence), 7)
        await wake.wait()
        wake.clear()
        lines = b""
        for record in outbox.take(200):
            lines += b"%s %d\\n" % (record.cls.encode(), record.sequence)
        os.write(1, lines)  # what can be taken is accepted; nothing is acknowledged, so all of it must stay
asyncio.run(main())
"""


def accepted_before_the_kill(folder: Path, seconds: float) -> set[tuple[Class, int]]:
    """Run the child, kill it after so long, and give what it said was accepted."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    first = os.read(process.stdout.fileno(), 2**16)
    time.sleep(seconds)
    process.kill()
    told = first + process.stdout.read()
    process.stdout.close()
    assert process.wait() == -9
    lines = [line.split() for line in told.splitlines(keepends=True) if line.endswith(b"\n")]
    return {(Class(name.decode()), int(number)) for name, number in lines}


@pytest.mark.slow
def test_what_a_killed_process_had_accepted_is_there(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kills = max(20, request.config.getoption("--kills", 20))
    rng = random.Random(7)
    accepted: set[tuple[Class, int]] = set()
    for _ in range(kills):
        accepted |= accepted_before_the_kill(tmp_path / "outbox", rng.uniform(0.0, 0.1))
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

"""A fault proxy on a live session, open and encrypted: each fault has its stated end, and no value is ever wrong."""

import asyncio
import itertools
import random
import resource
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from gateway.sdk import Kind
from gateway.sdk.quality import UNCERTAIN
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import Relay
from tests.plugins.gateway_opcua.watched import Watched, until, watched

TIMEOUT: Final = 1.0  # s, of one request
NAMES: Final = [f"N{i}" for i in range(10, 18)]  # each holds its own number, and nothing else
GROWTH: Final = 64 << 10  # KiB of the whole test process
_HEADER: Final = 24  # bytes of a message before its content: type, size, channel, token, sequence, request


async def drop_by_drop(data: bytes) -> AsyncIterator[bytes]:
    """Seven bytes at a time; what is long faster, so that an answer still comes in time."""
    for at in range(0, len(data), 7):
        yield data[at : at + 7]
        await asyncio.sleep(min(0.001, 7 * 0.3 / len(data)))


def corrupt(where: Callable[[bytes], int]) -> Callable[[bytes], AsyncIterator[bytes]]:
    """One bit of all that comes at once is another one."""

    async def damage(data: bytes) -> AsyncIterator[bytes]:
        at = where(data)
        yield data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]

    return damage


def anywhere(data: bytes) -> int:
    """Of an encrypted message, which its signature tells."""
    return random.randrange(len(data))


def in_the_header(data: bytes) -> int:
    """Of an open one nobody can tell a bit of a number that is another; TCP's own sum is there for that."""
    return random.randrange(min(_HEADER, len(data)))


async def cut(relay: Relay) -> None:
    await relay.stop()


async def mend(relay: Relay) -> None:
    relay.hold = relay.broken = False
    relay.delay, relay.damage = 0.0, None
    await relay.start()


def set_to(**fields: object) -> Callable[[Relay, str], None]:
    def begin(relay: Relay, _: str) -> None:
        for name, value in fields.items():
            setattr(relay, name, value)

    return begin


def corrupted(relay: Relay, security: str) -> None:
    relay.damage = corrupt(in_the_header if security == "none" else anywhere)


@dataclass(frozen=True)
class Fault:
    """What is done to a live session, and how often its loss is told: not at all, or once."""

    begin: Callable[[Relay, str], object]
    losses: int
    within: float = 5 * TIMEOUT + 2.0  # s until it is told


FAULTS: Final = {
    "delay": Fault(set_to(delay=0.3 * TIMEOUT), 0),
    "dribble": Fault(set_to(damage=drop_by_drop), 0),
    "cut": Fault(lambda relay, _: cut(relay), 1),
    "half-open": Fault(lambda relay, _: relay.break_off(), 1),
    "blackhole": Fault(set_to(hold=True), 1),
    "corrupt": Fault(corrupted, 1),
}


def told(run: Watched, event: str) -> int:
    return [line for _, line, _ in run.log.lines].count(event)


def heard(run: Watched, since: int) -> bool:
    """Whether every tag was told, or confirmed, to be well, from the `since`th batch on."""
    return not {*NAMES} - {name for name, _ in readings(run, since, Kind.DATA, Kind.CONFIRM)}


def readings(run: Watched, since: int, *kinds: Kind) -> list[tuple[str, float]]:
    """(tag, value) of everything that is said to be good."""
    names = {tag.row: tag.name for device in run.runner.adapter.connection.devices for tag in device.tags}
    found: list[tuple[str, float]] = []
    for _, batch in itertools.islice(run.came, since, None):
        if batch.kind in kinds:
            rows = np.arange(len(names))[batch.rows] if isinstance(batch.rows, slice) else batch.rows
            well = batch.status < UNCERTAIN if batch.kind is not Kind.CONFIRM else np.ones(len(rows), bool)
            values = batch.value[well].tolist() if batch.kind is not Kind.CONFIRM else [np.nan] * len(rows)
            found += zip((names[row] for row in rows[well].tolist()), values, strict=True)
    return found


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("security", ["none", "sign_and_encrypt"])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_ends_as_it_should(relay: Relay, tmp_path: Path, name: str, security: str) -> None:
    """Half of the tags are read and half are told, in one session."""
    fault = FAULTS[name]
    modes = zip(NAMES, itertools.cycle(["read", "subscribe"]), strict=False)
    tags = {one: {"node": f"nsu={URI};s={one}", "mode": mode} for one, mode in modes}
    options = {"every": "100ms", "timeout": f"{TIMEOUT}s", "security": security}
    async with watched(tmp_path, relay.port, tags=tags, **options) as run:
        await until(lambda: heard(run, 0), 30)
        run.log.lines.clear()  # a busy machine may have taken two attempts
        before = peak()
        if asyncio.iscoroutine(begun := fault.begin(relay, security)):
            await begun
        if fault.losses:
            await until(lambda: bool(run.runner.lost), fault.within)
        await asyncio.sleep(3 * TIMEOUT)
        assert told(run, "device lost") == fault.losses
        await mend(relay)
        since = len(run.came)
        await until(lambda: heard(run, since), 40)
        await asyncio.sleep(2 * TIMEOUT)
        assert (told(run, "device lost"), told(run, "device back")) == (fault.losses, fault.losses)
        assert told(run, "exception") == 0
        assert set(readings(run, 0, Kind.DATA, Kind.HISTORY)) == {(one, float(one[1:])) for one in NAMES}
        assert peak() - before < GROWTH

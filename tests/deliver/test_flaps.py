"""A broker that comes and goes, refuses, and keeps silent, scripted byte by byte; and an hour without one.

The broker here is a few lines of MQTT 3.1.1 (§3): what a real one does rarely, this one does at each connection.
"""

import asyncio
import contextlib
import os
import random
import struct
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.deliver.event import Class
from gateway.sdk.testing import FakeClock
from tests.deliver.rig import Rig, contents
from tests.deliver.simfiles import SimFiles
from tests.deliver.support import assert_balanced, config, drain, opened

FLAPS = 300 if os.environ.get("FIELDGATE_FULL") == "1" else 60
CONNECT, PUBLISH, PINGREQ, DISCONNECT = 1, 3, 12, 14
ACCEPTED, NOT_AUTHORISED = b"\x20\x02\x00\x00", b"\x20\x02\x00\x05"


@dataclass
class Script:
    """What the broker does with one connection."""

    connack: bytes = ACCEPTED
    acks: int = 10**9  # PUBACKs that it gives
    takes: int = 10**9  # messages after which it hangs up


@dataclass
class Flapping:
    """A broker that follows a script per connection, then serves without a fault."""

    scripts: list[Script]
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    port: int = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Flapping"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts.pop(0) if self.scripts else Script()
        self.counts["connections"] += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._talk(reader, writer, script)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, script: Script) -> None:
        taken = acked = 0
        while taken < script.takes:
            kind, body = await packet(reader)
            if kind == CONNECT:
                writer.write(script.connack)
                if script.connack != ACCEPTED:
                    return
            elif kind == PINGREQ:
                writer.write(b"\xd0\x00")
            elif kind == DISCONNECT:
                return
            elif kind == PUBLISH:
                length = struct.unpack(">H", body[:2])[0]
                topic, number = body[2 : 2 + length].decode(), body[2 + length : 4 + length]
                self.heard.append((topic, body[4 + length :]))
                taken += 1
                if acked < script.acks:
                    acked += 1
                    writer.write(b"\x40\x02" + number)

    def bodies(self, cls: str) -> list[bytes]:
        return [body for topic, body in self.heard if f"/{cls}/" in topic]


async def packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """One control packet: its type, and what follows its fixed header (MQTT 3.1.1 §2.2)."""
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return first >> 4, await reader.readexactly(length)


def scripts(draw: random.Random) -> list[Script]:
    """Connections that are refused, cut in the middle of a burst, or acknowledged in part."""
    found = []
    for _ in range(FLAPS):
        kind = draw.random()
        if kind < 0.2:
            found.append(Script(connack=NOT_AUTHORISED))
        else:
            takes = draw.randrange(1, 40)
            found.append(Script(acks=draw.randrange(takes + 1), takes=takes))
    return found


@pytest.mark.timeout(300)
async def test_a_broker_that_flaps_and_refuses_costs_nothing(tmp_path: Path) -> None:
    async with (
        Flapping(scripts(random.Random(5))).running() as broker,
        Rig(tmp_path, f"mqtt://127.0.0.1:{broker.port}", version="3.1.1", reconnect_max="10ms").running() as rig,
    ):
        put: Counter[Class] = Counter()
        while broker.scripts:
            for cls in Class:
                rig.put(cls, 2)
                put[cls] += 2
            await asyncio.sleep(0.02)
        await rig.until(lambda: all(rig.acked(cls) == put[cls] for cls in Class), "everything is acknowledged", 60.0)
    for cls in Class:
        assert contents(broker.bodies(cls)).keys() == {f"{cls}/{n}" for n in range(1, put[cls] + 1)}
        assert not rig.outbox.stats().classes[cls].dropped_records
    assert broker.counts["connections"] >= FLAPS
    assert_balanced(rig.outbox)


async def test_acknowledgements_that_are_withheld_end_the_connection_and_nothing_is_lost(tmp_path: Path) -> None:
    mute = [Script(acks=3), Script(acks=0)]
    async with (
        Flapping(mute).running() as broker,
        Rig(
            tmp_path, f"mqtt://127.0.0.1:{broker.port}", version="3.1.1", reconnect_max="10ms", keepalive="300ms"
        ).running() as rig,
    ):
        rig.put(Class.TELEMETRY, 50)
        await rig.until(lambda: rig.acked() == 50, "everything is acknowledged by the third connection")
    assert contents(broker.bodies("telemetry")).keys() == {f"telemetry/{n}" for n in range(1, 51)}
    assert broker.counts["connections"] == 3


def test_an_hour_without_a_broker_loses_nothing_and_alarms_overtake() -> None:
    """In virtual time: ten messages a second, an alarm a minute; then everything is taken, and books balance."""
    clock = FakeClock()
    outbox, _ = opened(SimFiles(random.Random(0)), clock, config(memory=2**18, segment=2**18))
    put: Counter[Class] = Counter()
    for second in range(3600):
        for cls, count in ((Class.TELEMETRY, 10), (Class.EVENT, second % 10 == 0), (Class.ALARM, second % 60 == 0)):
            for _ in range(count):
                sequence = outbox.reserve(cls)
                outbox.put(cls, sequence, f"t/{cls}", f"{cls}/{sequence}".encode(), 40)
                put[cls] += 1
        outbox.step()
        clock.advance(1.0)
    assert_balanced(outbox)
    first = outbox.take(100)
    assert [one.cls for one in first[:60]] == [Class.ALARM] * 60
    outbox.rewind()
    got = drain(outbox)
    assert Counter(one.cls for one in got) == put
    assert {(one.cls, one.sequence): one.body for one in got} == {
        (cls, n): f"{cls}/{n}".encode() for cls in Class for n in range(1, put[cls] + 1)
    }
    assert_balanced(outbox)

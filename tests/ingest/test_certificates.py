"""How long certificates last, told at 60, 30, 7 and 1 days and at the end: once each, whatever the clocks do."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.ingest.certificates import CertificateWatch, step
from gateway.sdk import Adapter, DeviceConfig, Sink, TagConfig
from gateway.sdk.certificates import Certificate, Certificates
from gateway.sdk.testing import FakeClock, SilentLog, connection, host

DAY = 86400.0


class Minute(FakeClock):
    """A clock under which two waits end; the third lasts."""

    waits = 0

    async def sleep_until(self, due: float) -> None:
        self.waits += 1
        if self.waits > 2:
            await asyncio.Event().wait()
        await super().sleep_until(due)


class Secured(Adapter):
    """An adapter with certificates and nothing else."""

    Config = DeviceConfig
    shown: Sequence[Certificate] = ()

    async def connect(self) -> None:
        """Nothing to connect to."""

    async def run(self, sink: Sink) -> None:
        """Nothing to read."""

    async def close(self) -> None:
        """Nothing to close."""

    @classmethod
    def keeper(cls, home: Path, now: dt.datetime) -> Certificates:
        raise NotImplementedError

    def certificates(self) -> Sequence[Certificate]:
        return self.shown


def certificate(clock: FakeClock, days: float, role: str = "server", fingerprint: str = "AB") -> Certificate:
    now = dt.datetime.fromtimestamp(clock.wall_ns() / 1e9, dt.UTC)
    return Certificate(role, "press", fingerprint, now, now + dt.timedelta(days=days), "opc.tcp://press:4840")


class Rig:
    """The watch over one connection, and what it has told."""

    def __init__(self, state: Path, *shown: Certificate, clock: FakeClock) -> None:
        self.clock, self.state, self.told = clock, state, list[tuple[str, str, str]]()
        device = DeviceConfig(device="press", adapter="opcua", tags={"t": TagConfig()})
        self.adapter = Secured(connection(device), host(state))
        self.adapter.shown = shown
        self.log = SilentLog()
        self.watch = CertificateWatch(clock, state, self.log, lambda *one: self.told.append(one))
        self.watch.watch([self.adapter])

    def look(self, seconds: float = 30.0, wall: float | None = None) -> list[str]:
        """Let time pass and look: the texts that are new."""
        self.clock.advance(seconds, wall)
        before = len(self.told)
        self.watch.look()
        return [text for _, _, text in self.told[before:]]

    def days(self, count: float) -> list[str]:
        """Let days pass hour by hour."""
        return [text for _ in range(round(count * 24)) for text in self.look(3600.0)]


@pytest.mark.parametrize(
    ("days", "reached"),
    [(61.0, None), (60.0, 60), (30.5, 60), (30.0, 30), (7.1, 30), (1.5, 7), (1.0, 1), (0.0, 0), (-5.0, 0)],
)
def test_the_steps(days: float, reached: int | None) -> None:
    assert step(days) == reached


def test_each_step_is_told_once(tmp_path: Path) -> None:
    clock = FakeClock()
    rig = Rig(tmp_path, certificate(clock, 62.0), clock=clock)
    assert [text.split(" press ")[1].split(", on")[0] for text in rig.days(70)] == [
        "expires in 60 days", "expires in 30 days", "expires in 7 days", "expires within a day", "has expired",
    ]  # fmt: skip
    assert rig.told[0][:2] == ("press", "certificate expires")
    assert rig.told[-1][:2] == ("press", "certificate expired")
    assert "give the server a new one, and trust it here: fieldgate certs trust" in rig.told[0][2]


def test_a_gateway_that_was_off_tells_the_last_step_only(tmp_path: Path) -> None:
    clock = FakeClock()
    rig = Rig(tmp_path, certificate(clock, 5.0), clock=clock)
    assert len(rig.days(1)) == 1


def test_a_clock_that_is_set_is_not_believed_at_once(tmp_path: Path) -> None:
    clock = FakeClock()
    rig = Rig(tmp_path, certificate(clock, 100.0), clock=clock)
    rig.look()
    assert rig.look(30.0, wall=95 * DAY) == []  # a wrong clock, put right before the next look
    assert rig.look(30.0, wall=-95 * DAY) == []
    assert rig.look() == []
    rig.look(30.0, wall=95 * DAY)
    assert len(rig.look()) == 1  # it has stayed


def test_what_a_clock_that_was_ahead_has_told_is_told_again_in_its_time(tmp_path: Path) -> None:
    clock = FakeClock()
    rig = Rig(tmp_path, certificate(clock, 100.0), certificate(clock, 45.0, "own", "CD"), clock=clock)
    rig.days(1)
    assert len(rig.told) == 1  # the second within 60 days
    rig.look(30.0, wall=365 * DAY)
    assert ["has expired" in text for text in rig.look()] == [True, True]
    rig.look(30.0, wall=-365 * DAY)
    assert ["in 44 days" in text for text in rig.look()] == [True]
    assert sum("server's" in text for text in rig.days(70)) == 2  # at 60 and at 30 days


def test_a_clock_that_is_led_back_over_a_step_tells_nothing_twice(tmp_path: Path) -> None:
    clock = FakeClock()
    rig = Rig(tmp_path, certificate(clock, 60.0), clock=clock)
    rig.look()
    assert len(rig.look(2.0)) == 1
    for _ in range(10):
        assert rig.look(10.0, wall=9.0 if rig.clock.monotonic() % 20 else 8.5) == []


def test_a_clock_that_is_not_trusted_tells_nothing_of_certificates(tmp_path: Path) -> None:
    clock, doubt = FakeClock(), "stepped"
    rig = Rig(tmp_path, certificate(clock, 5.0), clock=clock)
    rig.watch = CertificateWatch(clock, tmp_path, rig.log, lambda *one: rig.told.append(one), lambda: doubt)
    rig.watch.watch([rig.adapter])
    assert rig.days(1) == []
    doubt = ""
    assert len(rig.days(1)) == 1


async def minute(rig: Rig) -> None:
    """A start, and a minute of running."""
    assert isinstance(rig.clock, Minute)
    rig.clock.waits = 0
    task = asyncio.create_task(rig.watch.run())
    async with asyncio.timeout(5.0):
        while rig.clock.waits < 3:  # noqa: ASYNC110 - the code under test must not know of tests
            await asyncio.sleep(0.001)
    task.cancel()


async def test_what_was_told_is_not_told_after_a_restart(tmp_path: Path) -> None:
    clock = Minute()
    shown = certificate(clock, 20.0), certificate(clock, 20.0, "own", "CD")
    for expected in (2, 0):
        rig = Rig(tmp_path, *shown, clock=clock)
        await minute(rig)
        assert len(rig.told) == expected
    rig = Rig(tmp_path, *shown, certificate(clock, 20.0, fingerprint="EF"), clock=clock)
    await minute(rig)
    assert len(rig.told) == 1  # another certificate is another matter


async def test_a_disk_that_takes_nothing_does_not_stop_the_watch(tmp_path: Path) -> None:
    (tmp_path / "certificates.new").mkdir()
    clock = Minute()
    rig = Rig(tmp_path, certificate(clock, 20.0), clock=clock)
    await minute(rig)
    assert len(rig.told) == 1
    assert [event for _, event, _ in rig.log.lines][-1] == "certificates told of are not remembered"


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"AB": "x"}'])
async def test_a_broken_memory_is_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "certificates.json").write_bytes(content)
    clock = Minute()
    rig = Rig(tmp_path, certificate(clock, 20.0), clock=clock)
    await minute(rig)
    assert len(rig.told) == 1


def test_days_are_shown_for_each_connection(tmp_path: Path) -> None:
    clock = FakeClock()
    rig = Rig(tmp_path, certificate(clock, 20.0), certificate(clock, -2.0, "own", "CD"), clock=clock)
    found = {sample.labels["role"]: round(sample.value, 3) for sample in rig.watch.samples()}
    assert found == {"server": 20.0, "own": -2.0}
    assert [(one["role"], one["days"], one["connection"]) for one in rig.watch.document()] == [
        ("server", 20.0, "line"), ("own", -2.0, "line"),
    ]  # fmt: skip

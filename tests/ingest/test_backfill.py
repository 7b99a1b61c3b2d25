"""Filling gaps with a device that answers late, never, or too much; and what is kept over a restart."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.ingest.backfill import Backfill
from gateway.sdk import Batch, DeviceConfig, Gap, Host, Kind, Memory, ReadsHistory, TagConfig
from gateway.sdk.testing import Collector, FakeClock, SilentLog, connection, host

SECOND = 10**9


class Device:
    """Remembers one reading a second of tags 0 and 1, in pieces of ten; and how it was asked."""

    def __init__(self, *, fails: int = 0, longest: float = 3600.0) -> None:
        self.fails, self.longest = fails, longest
        self.gaps: list[Gap] = []
        self.broken_after = 10**9

    async def remembers(self) -> Sequence[Memory]:
        return [Memory(0, np.array([0, 1], np.uint32), self.longest, 100.0)]

    async def missed(self, gap: Gap) -> AsyncGenerator[Batch, None]:
        self.gaps.append(gap)
        if self.fails:
            self.fails -= 1
            raise TimeoutError
        first, last = int(gap.since.min()) // SECOND + 1, int(gap.until.max()) // SECOND
        for piece, start in enumerate(range(first, last, 10)):
            if piece == self.broken_after:
                self.broken_after = 10**9
                raise TimeoutError
            yield _batch([second * SECOND for second in range(start, min(start + 10, last))], Kind.HISTORY)


def _batch(times: list[int], kind: Kind = Kind.DATA) -> Batch:
    rows = np.tile(np.array([0, 1], np.uint32), len(times))
    time = np.repeat(np.array(times, np.int64), 2)
    return Batch(0, -1, rows, time / SECOND, time, np.zeros(len(time), np.uint32), 1, kind=kind)


class Rig:
    def __init__(self, home: Path, device: Device | None = None) -> None:
        self.device, self.clock, self.log, self.sink = device or Device(), FakeClock(), SilentLog(), Collector()
        tags = {name: TagConfig() for name in ("a", "b", "silent")}
        line = connection(DeviceConfig(device="d", adapter="x", tags=tags))
        surroundings: Host = replace(host(home), clock=self.clock, log=self.log)
        self.counters: Counter[str] = Counter()
        self.fill = Backfill(self.device, line, surroundings, self.sink, self.counters)

    async def run(self, filled: int = 1, asked: int = 0) -> None:
        """Until so many gaps are filled, or the device was asked so often."""

        async def live() -> None:
            async with asyncio.timeout(10):
                while not self._over(filled, asked):  # noqa: ASYNC110 - the code under test must not know of tests
                    await asyncio.sleep(0.001)

        await self.fill.beside(live())

    def _over(self, filled: int, asked: int) -> bool:
        return self.done >= filled and len(self.device.gaps) >= asked and bool(self.fill._memories)

    @property
    def done(self) -> int:
        return self.counters["gaps_filled_total"] + self.counters["gaps_given_up_total"]

    @property
    def seconds(self) -> list[int]:
        return [int(batch.time[at]) // SECOND for batch in self.sink.batches for at in range(0, len(batch), 2)]


def outage(rig: Rig, since: int, until: int) -> None:
    rig.fill.note(_batch([since * SECOND]))
    rig.fill.cut()
    rig.fill.note(_batch([until * SECOND]))


def test_the_scripted_device_is_one_that_reads_history() -> None:
    assert isinstance(Device(), ReadsHistory)


async def test_a_gap_is_filled_in_order_and_no_faster_than_allowed(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    outage(rig, 100, 151)
    began = rig.clock.monotonic()
    await rig.run()
    assert rig.seconds == list(range(101, 151))
    assert rig.clock.monotonic() - began >= 1.0  # 100 readings at 100 a second
    assert (rig.counters["gaps_filled_total"], rig.counters["readings_backfilled_total"]) == (1, 100)
    assert len(rig.device.gaps) == 1


async def test_tags_without_a_memory_are_not_asked_for(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    outage(rig, 100, 110)
    await rig.run()
    assert rig.device.gaps[0].rows.tolist() == [0, 1]


async def test_a_device_that_does_not_answer_is_asked_again_later(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Device(fails=3))
    outage(rig, 100, 110)
    began = rig.clock.monotonic()
    await rig.run()
    assert rig.seconds == list(range(101, 110))
    assert rig.clock.monotonic() - began >= 10 + 20 + 40


async def test_a_device_that_never_answers_is_given_up_and_that_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Device(fails=10**6))
    outage(rig, 100, 110)
    await rig.run()
    assert len(rig.device.gaps) == 8
    assert rig.counters["gaps_given_up_total"] == 1
    assert [event for _, event, _ in rig.log.lines] == ["the device does not tell its history; a gap stays"]


async def test_a_gap_that_breaks_off_is_taken_up_where_it_was(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.device.broken_after = 2
    outage(rig, 100, 151)
    await rig.run()
    assert sorted(set(rig.seconds)) == list(range(101, 151))
    assert rig.device.gaps[1].since.min() >= 119 * SECOND


async def test_the_oldest_part_of_a_long_gap_stays_and_that_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Device(longest=20.0))
    outage(rig, 100, 1000)
    await rig.run()
    assert rig.seconds == list(range(981, 1000))
    assert [event for level, event, _ in rig.log.lines if level == "warning"] == [
        "gap longer than is asked for; its oldest part stays"
    ]


async def test_what_was_read_is_known_after_a_restart(tmp_path: Path) -> None:
    before = Rig(tmp_path)
    before.fill.note(_batch([100 * SECOND]))
    await before.run(0)
    after = Rig(tmp_path)
    await after.fill.restore()
    after.fill.note(_batch([110 * SECOND]))
    await after.run()
    assert after.seconds == list(range(101, 110))


async def test_a_kept_file_of_version_1_is_read(tmp_path: Path) -> None:
    file = tmp_path / "history" / "d.json"
    file.parent.mkdir()
    file.write_text('{"schema": 1, "complete_until": {"a": 100000000000, "b": 100000000000, "gone": 5}}')
    rig = Rig(tmp_path)
    await rig.fill.restore()
    rig.fill.note(_batch([103 * SECOND]))
    await rig.run()
    assert rig.seconds == [101, 102]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"complete_until": 5}', b'{"complete_until": {"a": "x"}}', b"\xff"]
)
async def test_a_damaged_file_costs_that_gap_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "d.json").write_bytes(content)
    rig = Rig(tmp_path)
    await rig.fill.restore()
    assert [event for _, event, _ in rig.log.lines] == ["what was read before the restart is not known: that gap stays"]
    await rig.run(0)
    assert rig.seconds == []


async def test_while_a_gap_is_open_only_what_is_complete_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ingest.backfill._LONGEST_WAIT", 1e9)
    monkeypatch.setattr("gateway.ingest.backfill._FIRST_WAIT", 1e9)
    rig = Rig(tmp_path, Device(fails=1))
    outage(rig, 100, 110)
    rig.fill.note(_batch([120 * SECOND]))
    await rig.run(0, asked=1)
    kept = json.loads((tmp_path / "history" / "d.json").read_text())
    assert kept == {"schema": 1, "complete_until": {"a": 100 * SECOND, "b": 100 * SECOND}}


async def test_the_error_of_the_live_side_is_the_one_that_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def live() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await rig.fill.beside(live())

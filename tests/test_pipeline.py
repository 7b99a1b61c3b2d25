"""The pipeline as a whole: batches in, messages out, every reading accounted for."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.config.assets import AlarmConfig, AssetConfig, RuleConfig
from gateway.deliver.event import Class
from gateway.ingest.gate import Gate
from gateway.models.cohorts import assemble
from gateway.pipeline import Outward, Pipeline
from gateway.replay import Kept, Replay
from gateway.sdk import Batch, DeviceConfig, Kind, TagConfig, TagTable, quality
from gateway.sdk.testing import LoopClock, SilentLog
from gateway.stages.condition import Mode

SECOND = 10**9
TAGS = {name: TagConfig(unit="bar") for name in ("a", "b", "c", "d")}
ASSET = AssetConfig(tags=[f"pump.{tag}" for tag in TAGS], calibrate=200, alarm=AlarmConfig(on_delay=2.0, off_delay=2.0))


def pump(**tags: TagConfig) -> DeviceConfig:
    return DeviceConfig(device="pump", adapter="x", every=1.0, tags=tags or TAGS)


class Rig:
    """A pipeline over one device, with an outbox that keeps."""

    def __init__(self, telemetry: Mode = "changes", **tags: TagConfig) -> None:
        self.table = TagTable.build([pump(**tags)])
        self.out = Kept()
        watch = assemble({}, self.table).watch
        self.pipeline = Pipeline(self.table, watch, Outward("g", self.out, lambda c, n: f"{c}/{n}", telemetry))
        self.time = 0

    def scan(self, *values: float, **other: Any) -> list[dict[str, Any]]:
        """One scan; what is sent for it."""
        self.time += SECOND
        batch = Batch.of(self.table.groups[0], np.array(values, float), self.time)
        batch.other.update({self.table.row(f"pump.{tag}"): thing for tag, thing in other.items()})
        self.pipeline.process([batch], self.time)
        return self.sent()

    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in self.out.take()]


def test_the_first_scan_is_sent_whole_and_then_only_changes() -> None:
    rig = Rig()
    [first] = rig.scan(1, 2, 3, 4)
    assert (first["tags"], first["values"]) == ([f"pump.{t}" for t in "abcd"], [1, 2, 3, 4])
    [second] = rig.scan(1, 9, 3, 4)
    assert (second["tags"], second["values"]) == (["pump.b"], [9])
    assert rig.scan(1, 9, 3, 4) == []


@pytest.mark.parametrize(("telemetry", "messages"), [("all", 3), ("changes", 1), ("off", 0)])
def test_telemetry_modes(telemetry: Mode, messages: int) -> None:
    rig = Rig(telemetry)
    assert sum(len(rig.scan(1, 2, 3, 4)) for _ in range(3)) == messages


def test_every_reading_is_accounted_for() -> None:
    rig = Rig()
    rng = np.random.default_rng(0)
    put = 0
    for _ in range(50):
        rig.scan(*rng.integers(0, 2, 4).tolist())
    put = sum(len(message["values"]) for message in rig.sent())
    rig = Rig()
    for _ in range(50):
        put += sum(len(message["values"]) for message in rig.scan(*rng.integers(0, 2, 4).tolist()))
    count = rig.pipeline.counters
    assert count["readings_total"] == 200 == put + count["readings_suppressed_total"]


def test_a_failed_read_is_told_once_and_never_gives_a_number() -> None:
    rig = Rig()
    rig.scan(1, 2, 3, 4)
    for _ in range(3):
        rig.time += SECOND
        rig.pipeline.process([Batch.failed(rig.table.groups[0], quality.BAD_TIMEOUT, rig.time)], rig.time)
    [told] = rig.sent()
    assert told["values"] == [None] * 4
    assert told["status"] == [quality.BAD_TIMEOUT] * 4


def test_what_goes_stale_is_told_with_its_last_value() -> None:
    rig = Rig()
    rig.scan(1, 2, 3, 4)
    rig.pipeline.sweep(rig.time + 4 * SECOND, rig.time + 4 * SECOND)
    [told] = rig.sent()
    assert told["values"] == [1, 2, 3, 4]
    assert told["status"] == [quality.UNCERTAIN_LAST_USABLE_VALUE] * 4
    assert told["time"] == rig.time // 10**6


def test_text_is_reported_when_it_changes() -> None:
    rig = Rig()
    assert rig.scan(1, 2, 3, np.nan, d="auto")[0]["values"] == [1, 2, 3, "auto"]
    assert rig.scan(1, 2, 3, np.nan, d="auto") == []
    assert rig.scan(1, 2, 3, np.nan, d="hand")[0]["values"] == ["hand"]


def test_a_number_in_the_place_of_text_is_a_number_again() -> None:
    rig = Rig()
    rig.scan(1, 2, 3, np.nan, d="fault")
    assert rig.scan(1, 2, 3, 7.0)[0]["values"] == [7.0]
    assert rig.pipeline.image.other == {}


def test_two_scans_of_a_group_in_one_turn_are_both_worked_on() -> None:
    rig = Rig("all")
    group = rig.table.groups[0]
    batches = [Batch.of(group, np.full(4, float(i)), SECOND * (i + 1)) for i in range(3)]
    rig.pipeline.process(batches, 3 * SECOND)
    assert [message["values"][0] for message in rig.sent()] == [0, 1, 2]


def recording(rows: int, seed: int = 3) -> NDArray[np.float64]:
    """Four tags that hang together; from row 300 to 400 the third leaves the others."""
    rng = np.random.default_rng(seed)
    load = np.cumsum(rng.normal(0, 0.1, rows)) * 0.1
    value = 10 + np.outer(load, [1.0, 0.5, -0.7, 0.2]) + rng.normal(0, 0.05, (rows, 4))
    value[300:400, 2] += 2.0
    return value


def replay(value: NDArray[np.float64]) -> tuple[list[dict[str, Any]], Replay]:
    run = Replay("g", [pump()], {"pump": ASSET})
    for number, row in enumerate(value):
        run.row((number + 1) * SECOND, row)
    return [json.loads(message.body) for message in run.out.take() if message.cls is Class.ALARM], run


def test_a_fault_raises_one_alarm_that_names_the_tag_and_returns() -> None:
    events, run = replay(recording(500))
    assert [event["state"] for event in events] == ["active-unacknowledged", "returned-unacknowledged"]
    raised = events[0]
    assert raised["contributions"][0]["tag"] == "pump.c"
    assert raised["contributions"][0]["unit"] == "bar"
    assert raised["contributions"][0]["value"] > raised["contributions"][0]["expected"] + 1
    assert raised["quality"] == {"good": 4, "of": 4}
    assert 300 < _row(raised) < 310
    count = run.pipeline.counters
    assert (
        count["rows_evaluated_total"] == 500 == count["rows_scored_total"] + count["rows_abstained_calibrating_total"]
    )


def _row(event: dict[str, Any]) -> int:
    """The row of an event: its second of 1970."""
    minutes, seconds = event["time"][14:19].split(":")
    return int(minutes) * 60 + int(seconds)


def test_a_replay_gives_the_same_events_every_time_and_looks_at_nothing_ahead() -> None:
    value = recording(500)
    whole, _ = replay(value)
    again, _ = replay(value)
    cut, _ = replay(value[:350])
    assert whole == again
    assert cut == whole[:1]


def test_a_row_without_good_tags_is_abstained_from_and_counted() -> None:
    value = recording(300)
    value[250:260] = np.nan
    _, run = replay(value)
    assert run.pipeline.counters["rows_abstained_too_few_good_total"] == 10


async def test_batches_may_share_a_turn_without_losing_a_row() -> None:
    """The gate gathers what comes within a tick; the detector still sees every row."""
    value = recording(400)
    run = Replay("g", [pump()], {"pump": ASSET})
    gate = Gate(run.pipeline.process, LoopClock(), SilentLog(), tick=60.0, limit=2**30)
    group = run.table.groups[0]
    for number, row in enumerate(value):
        gate(Batch.of(group, row, (number + 1) * SECOND))
    gate.turn()
    assert run.pipeline.counters["rows_evaluated_total"] == 400


def test_a_lost_group_does_not_hold_its_asset_back() -> None:
    other = DeviceConfig(device="valve", adapter="x", every=1.0, tags={"p": TagConfig()})
    table = TagTable.build([pump(), other])
    judged = assemble({"m": AssetConfig(tags=["pump.a", "valve.p"], calibrate=50, min_good=0.5)}, table)
    pipeline = Pipeline(table, judged.watch, Outward("g", Kept(), lambda c, n: f"{c}/{n}", "off"))
    first, second = table.groups
    pipeline.process([Batch.failed(second, quality.BAD_NOT_CONNECTED, 1, Kind.LOST)], 1)
    for time in range(1, 4):
        pipeline.process([Batch.of(first, np.ones(4), time * SECOND)], time * SECOND)
    assert pipeline.counters["rows_evaluated_total"] == 3


def test_the_servers_time_goes_with_what_is_sent_of_its_batch() -> None:
    rig = Rig()
    group = rig.table.groups[0]
    for number, values in enumerate([(1, 2, 3, 4), (1, 9, 3, 8)], 1):
        batch = Batch.of(group, np.array(values, float), number * SECOND)
        batch.served = np.array([number * SECOND + tag * 10**6 for tag in range(4)])
        plain = Batch.of(group, np.array(values, float), number * SECOND)
        rig.pipeline.process([batch, plain], number * SECOND)
    told = [(message["tags"], message.get("served")) for message in rig.sent()]
    assert told == [
        ([f"pump.{tag}" for tag in "abcd"], [1000, 1001, 1002, 1003]),
        (["pump.b", "pump.d"], [2001, 2003]),
    ]


@pytest.mark.parametrize(("telemetry", "messages"), [("all", 1), ("changes", 1), ("off", 0)])
def test_readings_of_the_past_go_out_as_such_and_touch_nothing_else(telemetry: Mode, messages: int) -> None:
    rig = Rig(telemetry, a=TagConfig(scale=10.0, range=(0.0, 500.0)), b=TagConfig())
    rig.scan(1, 2)
    before = rig.pipeline.image.value.copy(), rig.pipeline.image.time.copy()
    rows, time = np.array([0, 1, 0], np.uint32), np.array([1, 2, 3], np.int64) * 1000
    past = Batch(0, -1, rows, np.array([3.0, np.nan, 90.0]), time, np.zeros(3, np.uint32), 5 * SECOND, {1: "text"})
    past.kind = Kind.HISTORY
    rig.pipeline.process([past], 5 * SECOND)
    assert [rig.pipeline.image.value.tolist(), rig.pipeline.image.time.tolist()] == [b.tolist() for b in before]
    sent = rig.sent()
    assert len(sent) == messages
    for message in sent:
        assert message["historical"] is True
        assert message["tags"] == ["pump.a", "pump.b", "pump.a"]
        assert message["values"] == [30, "text", 500]
        assert message["status"] == [0, 0, quality.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED]
    counters = rig.pipeline.counters
    assert counters["readings_total"] == 5
    assert counters["readings_not_sent_total"] == (5 if telemetry == "off" else 0)
    assert counters["rows_evaluated_total"] == 0


@pytest.mark.parametrize("skew", [0, -3600, 3600])
def test_delays_go_on_over_a_value_that_is_dated_by_its_last_change(skew: int) -> None:
    """As many OPC UA servers do, with a clock of their own: it jumped once, and stays there."""
    device = DeviceConfig(device="boiler", adapter="x", tags={"t": TagConfig(unit="°C")})
    table, out = TagTable.build([device]), Kept()
    hot = RuleConfig(tag="boiler.t", above=100.0, alarm=AlarmConfig(on_delay=3.0, off_delay=2.0))
    watch = assemble({"boiler": AssetConfig(tags=["boiler.t"], rules={"hot": hot})}, table).watch
    pipeline = Pipeline(table, watch, Outward("g", out, lambda c, n: f"{c}/{n}", "off"))
    start = 10 * 3600
    for second, value, changed in [(s, 110.0, 1) for s in range(1, 7)] + [(s, 50.0, 7) for s in range(7, 12)]:
        time = np.array([(start + changed + skew) * SECOND])
        scan = Batch.of(table.groups[0], np.array([value]), (start + second) * SECOND, time=time)
        pipeline.process([scan], scan.received)
    alarms = [json.loads(message.body) for message in out.take() if message.cls is Class.ALARM]
    assert [alarm["state"] for alarm in alarms] == ["active-unacknowledged", "returned-unacknowledged"]
    hour = 10 + skew // 3600
    assert [alarm["time"][11:19] for alarm in alarms] == [f"{hour:02}:00:04", f"{hour:02}:00:09"]

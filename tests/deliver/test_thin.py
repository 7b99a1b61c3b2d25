"""Telemetry over the budget is thinned before it is dropped: extremes and last readings stay, and the books balance."""

import contextlib
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.deliver.event import Class
from gateway.deliver.ledger import Record
from gateway.deliver.outbox import Outbox
from gateway.deliver.payloads.thin import thin
from gateway.sdk.testing import FakeClock
from tests.deliver.simfiles import PowerCutError, SimFiles
from tests.deliver.support import FOLDER, assert_balanced, config, drain, opened

WINDOW = 10.0  # s
Reading = tuple[str, int, float | str | None, int]  # tag, ms, value, status


def message(sequence: int, device: str, time: int, readings: Sequence[tuple[str, float | str | None, int]]) -> bytes:
    content: dict[str, Any] = {
        "schema": 1, "id": f"g/e/telemetry/{sequence}", "gateway": "g", "epoch": "e", "device": device,
        "sequence": sequence, "time": time, "received": time,
        "tags": [tag for tag, _, _ in readings], "values": [value for _, value, _ in readings],
    }  # fmt: skip
    if any(status for _, _, status in readings):
        content["status"] = [status for _, _, status in readings]
    return orjson.dumps(content)


def record(sequence: int, device: str, time: int, readings: Sequence[tuple[str, float | str | None, int]]) -> Record:
    body = message(sequence, device, time, readings)
    return Record(Class.TELEMETRY, sequence, f"t/{device}", body, len(readings), 0.0, len(body))


def readings_of(body: bytes) -> list[Reading]:
    content = orjson.loads(body)
    count = len(content["tags"])
    times, status = content.get("times", [content["time"]] * count), content.get("status", [0] * count)
    return list(zip(content["tags"], times, content["values"], status, strict=True))


value = st.one_of(st.floats(-100, 100), st.sampled_from(["on", "off"]))
reading = st.tuples(st.sampled_from(["a.x", "a.y", "a.z"]), value, st.just(0)) | st.tuples(
    st.sampled_from(["a.x", "a.y"]), st.none(), st.sampled_from([0x80000000, 0x800A0000])
)
scans = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3000), st.lists(reading, min_size=1, max_size=5)))


@given(scans)
def test_of_each_tag_and_window_the_extremes_the_last_and_the_last_bad_stay(
    given_scans: list[tuple[str, int, list[tuple[str, float | str | None, int]]]],
) -> None:
    time, records = 1_700_000_000_000, []
    for sequence, (device, step, readings) in enumerate(given_scans, 1):
        time += step
        records.append(record(sequence, device, time, readings))
    kept = thin(records, WINDOW)
    before: defaultdict[tuple[str, str, int], list[Reading]] = defaultdict(list)
    after: defaultdict[tuple[str, str, int], list[Reading]] = defaultdict(list)
    for side, where in ((records, before), (kept, after)):
        for one in side:
            for tag, at, number, status in readings_of(one.body):
                where[one.topic, tag, at // 10_000].append((tag, at, number, status))
    assert after.keys() == before.keys()
    for key, came in before.items():
        stayed = after[key]
        assert set(map(repr, stayed)) <= set(map(repr, came))
        numbers = [number for _, _, number, _ in came if isinstance(number, float)]
        left = [number for _, _, number, _ in stayed if isinstance(number, float)]
        assert (not numbers and not left) or (min(numbers), max(numbers)) == (min(left), max(left))
        assert stayed[-1] == came[-1]
        bad = [one for one in came if one[3]]
        assert not bad or bad[-1] in stayed
        assert len(stayed) <= 4
    assert sum(one.readings for one in kept) == sum(map(len, after.values()))
    if records:
        assert kept[-1].sequence == records[-1].sequence
        assert [one.sequence for one in kept] == sorted({one.sequence for one in kept})
    assert [one.body for one in thin(kept, WINDOW)] == [one.body for one in kept]  # once is enough


def test_a_merged_message_has_an_id_of_its_own_and_says_what_it_is() -> None:
    records = [record(n, "a", 1_700_000_000_000 + n, [("a.x", float(n % 3), 0)]) for n in range(1, 8)]
    [one] = thin(records, WINDOW)
    content = orjson.loads(one.body)
    assert content["id"] == "g/e/telemetry/1-7"
    assert content["thinned"] is True
    assert content["sequence"] == 7
    assert content["values"] == [0.0, 2.0, 1.0]


def test_server_times_stay_with_their_readings() -> None:
    records = [record(n, "a", 1_700_000_000_000 + n, [("a.x", float(n % 3), 0)]) for n in range(1, 8)]
    timed = [
        one._replace(body=orjson.dumps(orjson.loads(one.body) | {"served": [one.sequence * 10]})) for one in records
    ]
    [merged] = thin([records[0], *timed[1:]], WINDOW)
    content = orjson.loads(merged.body)
    assert content["served"] == [int(at - 1_700_000_000_000) * 10 for at in content["times"]]


def test_what_is_no_columnar_message_stays_as_it_is() -> None:
    others = [
        Record(Class.TELEMETRY, n, "t", body, 1, 0.0, 9)
        for n, body in enumerate([b"\xf5\x00", b"[]", b'{"value": 1}'], 1)
    ]
    assert thin(others, WINDOW) == others


def fill(outbox: Outbox, clock: FakeClock, scan: int, count: int) -> int:
    """Put `count` scans of one device, a second apart, and commit each tenth."""
    for _ in range(count):
        scan += 1
        sequence = outbox.reserve(Class.TELEMETRY)
        body = message(sequence, "a", 1_700_000_000_000 + scan * 1000, [("a.x", float(scan * 37 % 101), 0)])
        outbox.put(Class.TELEMETRY, sequence, "t/a", body, 1)
        clock.advance(1.0)
        if scan % 10 == 0:
            outbox.step()
    return scan


def test_over_the_budget_telemetry_is_thinned_first_and_dropped_last() -> None:
    clock = FakeClock()
    outbox, _ = opened(SimFiles(random.Random(0)), clock, config(budget=40_000, memory=4000, thin=WINDOW))
    fill(outbox, clock, 0, 500)
    first = outbox.stats().classes[Class.TELEMETRY]
    assert first.dropped["thinned"] > 100
    assert "budget" not in first.dropped
    fill(outbox, clock, 500, 3000)
    stats = outbox.stats()
    assert stats.disk_bytes <= 40_000
    assert stats.classes[Class.TELEMETRY].dropped["budget"] > 0
    assert_balanced(outbox)
    got = [one for one in drain(outbox) if one.cls is Class.TELEMETRY]
    ids = [orjson.loads(one.body)["id"] for one in got]
    assert len(ids) == len(set(ids))
    whole = {n: float(n * 37 % 101) for n in range(1, 3501)}
    windows: defaultdict[int, list[float]] = defaultdict(list)
    for one in got:
        if orjson.loads(one.body).get("thinned"):
            for _, at, number, _ in readings_of(one.body):
                assert isinstance(number, float)
                windows[at // 10_000].append(number)
    assert len(windows) > 20
    inner = sorted(windows)[1:-1]  # the first and the last were cut by the ends of a segment
    exact = 0
    for place in inner:
        came = [v for n, v in whole.items() if (1_700_000_000_000 + n * 1000) // 10_000 == place]
        exact += (min(came), max(came)) == (min(windows[place]), max(windows[place]))
    assert exact >= 0.9 * len(inner)  # a window that a dropped segment took a part of is not whole
    assert_balanced(outbox)


def test_what_was_read_back_is_never_thinned() -> None:
    clock = FakeClock()
    outbox, _ = opened(SimFiles(random.Random(0)), clock, config(budget=40_000, memory=20_000, thin=WINDOW))
    scan = fill(outbox, clock, 0, 40)
    flying = outbox.take(1000)
    assert len(flying) == 40
    for _ in range(60):
        scan = fill(outbox, clock, scan, 10)
        flying += outbox.take(3)
        assert_balanced(outbox)
    assert outbox.stats().classes[Class.TELEMETRY].dropped["thinned"] > 100
    for one in flying:
        outbox.ack(one.cls, one.sequence)
    last = 0
    for one in flying + drain(outbox):
        first = orjson.loads(one.body)["id"].rpartition("/")[2].partition("-")[0]
        assert int(first) > last  # nothing twice: once as it was, and once merged
        last = one.sequence
    telemetry = outbox.stats().classes[Class.TELEMETRY]
    assert telemetry.balances
    assert telemetry.queued.records == telemetry.queued.readings == 0
    assert telemetry.dropped.keys() <= {"thinned", "budget"}


def crash_run(seed: int) -> list[str]:
    """Three lives with a crash after each, while telemetry is thinned. Gives what went wrong."""
    rng = random.Random(seed)
    files, clock, scan = SimFiles(rng), FakeClock(), 0
    limits = config(budget=30_000, memory=3000, segment=3000, thin=WINDOW)
    accepted: set[int] = set()
    for _ in range(3):
        with contextlib.suppress(PowerCutError):
            outbox, _ = opened(files, clock, limits)
            for _ in range(rng.randrange(5, 30)):
                following = outbox.following(Class.TELEMETRY)
                scan = fill(outbox, clock, scan, 10)
                accepted |= set(range(following, outbox.following(Class.TELEMETRY)))
                assert_balanced(outbox)
                if rng.random() < 0.1:
                    files.cut_after(rng.randrange(12))
        (files.kill if rng.random() < 0.3 else files.crash)()
    outbox, recovery = opened(files, clock, limits)
    wrong, covered, last = list(recovery.errors), set[int](), 0
    for one in drain(outbox):
        content = orjson.loads(one.body)
        first, _, end = content["id"].rpartition("/")[2].partition("-")
        covered |= set(range(int(first), one.sequence + 1))
        if int(first) <= last or int(end or first) != one.sequence:
            wrong.append(content["id"])
        last = one.sequence
    assert_balanced(outbox)
    oldest = min(covered, default=0)  # what is older was dropped for the budget
    return wrong + [f"lost {n}" for n in sorted(accepted - covered) if n > oldest]


def test_a_crash_in_the_midst_of_thinning_leaves_one_of_both() -> None:
    failures = {seed: wrong for seed in range(150) if (wrong := crash_run(seed))}
    assert not failures


def test_telemetry_leaves_others_the_room_that_is_told() -> None:
    files, clock = SimFiles(random.Random(0), quota=60_000), FakeClock()
    outbox, _ = opened(files, clock, config(budget=2**20, segment=5000, memory=3000, free=30_000))
    fill(outbox, clock, 0, 400)
    assert files.free(FOLDER) >= 25_000  # what the last segment took is seen at the next commit
    assert outbox.stats().classes[Class.TELEMETRY].dropped["free"] > 0
    assert_balanced(outbox)


def test_the_ballast_takes_alarms_when_others_have_filled_the_disk() -> None:
    files, clock = SimFiles(random.Random(0), quota=60_000), FakeClock()
    outbox, _ = opened(files, clock, config(ballast=10_000))
    outbox.step()
    assert files.used() == 10_000
    files.quota = files.used()  # by somebody else
    for _ in range(20):
        sequence = outbox.reserve(Class.ALARM)
        outbox.put(Class.ALARM, sequence, "t/alarm", b"x" * 100, 0)
        outbox.step()
    stats = outbox.stats()
    assert stats.classes[Class.ALARM].accepted.records == 20
    assert stats.failed  # nothing else can be kept
    sequence = outbox.reserve(Class.TELEMETRY)
    outbox.put(Class.TELEMETRY, sequence, "t", b"x", 1)  # there would be room, and it is not for this
    outbox.step()
    assert outbox.stats().classes[Class.TELEMETRY].dropped == {"disk": 1}
    files.quota = 60_000
    clock.advance(11.0)
    outbox.step()
    assert "/outbox/ballast" in files.seen  # taken again
    outbox.put(Class.TELEMETRY, outbox.reserve(Class.TELEMETRY), "t", b"x", 1)
    outbox.step()
    assert not outbox.stats().failed
    assert len(drain(outbox)) == 21

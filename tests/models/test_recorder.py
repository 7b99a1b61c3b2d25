from pathlib import Path

import numpy as np
import pytest

from gateway.models import recorder
from gateway.models.recorder import Recorder, RecordingMissingError, began, pieces, recorded, size

TAGS = [["a", "b"], ["c", "d"], ["e"]]
NAMES = ["one", "two", "three"]


def made(folder: Path, keep: int = 2**20) -> Recorder:
    return Recorder(folder, NAMES, TAGS, keep)


def feed(rec: Recorder, rows: int, start: int = 0) -> None:
    for i in range(start, start + rows):
        rec.note(np.array([0, 1]), np.full(2, i), np.array([[i, i + 0.5], [-i, np.nan]]))
        rec.note(np.array([2]), np.full(1, i), np.array([[i]]))
    rec.write(rec.take())


def test_what_was_recorded_is_read_back_by_asset(tmp_path: Path) -> None:
    rec = made(tmp_path)
    feed(rec, 50)
    feed(rec, 50, 50)
    time, x = recorded(tmp_path, "two", TAGS[1])
    assert time.tolist() == list(range(100))
    assert np.array_equal(x, np.stack([-np.arange(100.0), np.full(100, np.nan)], axis=1), equal_nan=True)
    assert recorded(tmp_path, "three", TAGS[2])[1].shape == (100, 1)


def test_it_never_takes_more_than_it_may_and_keeps_the_newest(tmp_path: Path) -> None:
    keep = 8 * 1024
    rec = made(tmp_path, keep)
    for start in range(0, 5000, 10):
        feed(rec, 10, start)
        assert size(tmp_path) <= 3 * (keep + keep // 8)
    time, _ = recorded(tmp_path, "one", TAGS[0])
    assert time[-1] == 4999
    assert len(time) > 200
    assert np.array_equal(np.diff(time), np.ones(len(time) - 1))


def test_a_row_that_was_cut_off_is_ignored_and_the_next_run_goes_on_behind_it(tmp_path: Path) -> None:
    feed(made(tmp_path), 10)
    last = max((tmp_path / "one").glob("*.rec"))
    last.write_bytes(last.read_bytes()[:-5])
    feed(made(tmp_path), 10, 10)
    assert recorded(tmp_path, "one", TAGS[0])[0].tolist() == [*range(9), *range(10, 20)]


def test_other_tags_begin_anew(tmp_path: Path) -> None:
    feed(made(tmp_path), 10)
    with pytest.raises(RecordingMissingError, match="other tags"):
        recorded(tmp_path, "one", ["a", "x"])
    Recorder(tmp_path, ["one"], [["a", "x"]], 2**20).write([(0, np.zeros(3).tobytes())])
    assert len(recorded(tmp_path, "one", ["a", "x"])[0]) == 1


def test_an_asset_without_a_recording_is_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(RecordingMissingError, match=r"recording\.keep"):
        recorded(tmp_path, "one", TAGS[0])


def test_what_the_disk_does_not_take_is_bounded_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "PENDING", 100)
    rec = made(tmp_path)
    for i in range(100):
        rec.note(np.array([0]), np.full(1, i), np.zeros((1, 2)))
    assert rec.dropped == 50
    ((asset, block),) = rec.take()
    assert (asset, len(block)) == (0, 50 * 24)


def test_a_span_of_it_is_read_segment_by_segment(tmp_path: Path) -> None:
    assert began(tmp_path, "one") is None
    rec = made(tmp_path, 8 * 1024)
    for start in range(0, 5000, 10):
        feed(rec, 10, start)
    time, x = recorded(tmp_path, "one", TAGS[0])
    assert began(tmp_path, "one") == time[0]
    for first, last in ((4700, 4990), (0, 10_000), (4999, 4999), (6000, 7000)):
        found = list(pieces(tmp_path, "one", TAGS[0], (first, last)))
        inside = (time >= first) & (time <= last)
        assert [at for one, _ in found for at in one.tolist()] == time[inside].tolist()
        assert np.array_equal(np.concatenate([np.zeros((0, 2)), *(part for _, part in found)]), x[inside])
    assert len(list(pieces(tmp_path, "one", TAGS[0], (4999, 4999)))) == 1, "the others are not looked into"
    with pytest.raises(RecordingMissingError):
        list(pieces(tmp_path, "one", ["a", "x"], (0, 1)))


@pytest.mark.parametrize("by", [10**6, -(10**6)])
def test_what_was_recorded_before_and_after_the_clock_was_set_is_found(tmp_path: Path, by: int) -> None:
    rec, start = made(tmp_path, 8 * 1024), 2 * 10**6
    for at in (*range(start, start + 120, 10), *range(start + 120 + by, start + 240 + by, 10)):
        feed(rec, 10, at)
    whole, _ = recorded(tmp_path, "one", TAGS[0])
    for first in (start + 70, start + 120 + by, start + 210 + by):
        found = [at for one, _ in pieces(tmp_path, "one", TAGS[0], (first, first + 29)) for at in one.tolist()]
        assert found == list(range(first, first + 30))
        assert first in whole


def test_a_segment_that_holds_no_whole_row_is_passed_over(tmp_path: Path) -> None:
    feed(made(tmp_path), 10)
    [segment] = (tmp_path / "one").glob("*.rec")
    (tmp_path / "one/00000007.rec").write_bytes(segment.read_bytes()[:-5][:12])
    (tmp_path / "one/00000008.rec").write_bytes(b"")
    assert [len(time) for time, _ in pieces(tmp_path, "one", TAGS[0], (0, 100))] == [10]

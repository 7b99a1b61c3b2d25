import gzip
from pathlib import Path

import numpy as np
import pytest

from gateway_sim.recording import RecordingError, load, safe_names
from gateway_sim.turns import Turns

TEXT = "timestamp,Flow RMS,state,level\n2020-01-01 00:00:00,1.5,on,2\n2020-01-01 00:00:01,,off,3\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "recording.csv"
    path.write_text(TEXT)
    return path


def test_a_recording_is_its_columns_of_numbers(path: Path) -> None:
    recording = load(path)
    assert recording.names == ("Flow_RMS", "level")
    assert recording.skipped == ("state",)
    assert np.array_equal(recording.rows, [[1.5, 2], [np.nan, 3]], equal_nan=True)


def test_gzip_is_read_too(path: Path) -> None:
    packed = path.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(TEXT.encode()))
    assert len(load(packed)) == 2


def test_columns_and_rows_can_be_chosen(path: Path) -> None:
    recording = load(path, ["level"], limit=1)
    assert recording.names == ("level",)
    assert recording.rows.tolist() == [[2.0]]


def test_a_column_that_is_not_there_is_named_with_the_ones_that_are(path: Path) -> None:
    with pytest.raises(RecordingError, match="no column speed; there are timestamp, Flow RMS, state, level"):
        load(path, ["speed"])


@pytest.mark.parametrize("text", ["", "timestamp,a\n", "timestamp,state\n1,on\n"])
def test_a_file_without_numbers_is_no_recording(tmp_path: Path, text: str) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(text)
    with pytest.raises(RecordingError, match="no rows of numbers"):
        load(path)


def test_names_become_safe_and_stay_different() -> None:
    names = safe_names(["Volume Flow RateRMS", "a/b", "a b", "°", "x" * 99, "x" * 98])
    assert names == ("Volume_Flow_RateRMS", "a_b", "a_b_2", "tag", "x" * 60, "x" * 60 + "_2")


def over(turns: Turns) -> bool:
    return turns.over


def test_in_lockstep_a_row_is_over_when_every_side_was_read() -> None:
    turns = Turns(2, ["opcua", "modbus"], lockstep=True)
    assert turns.read("opcua")
    assert not turns.read("opcua")
    assert not over(turns)
    assert not turns.read("modbus")
    assert over(turns)
    turns.step()
    assert (turns.row, turns.done, turns.over) == (1, False, False)
    assert turns.read("modbus")
    turns.read("opcua")
    turns.step()
    assert turns.done
    assert not turns.read("opcua")
    assert not over(turns)


def test_without_lockstep_reading_never_ends_a_row() -> None:
    turns = Turns(2, ["opcua"], lockstep=False)
    assert turns.read("opcua")
    assert not over(turns)

"""The format of a segment, and a store with one byte of it changed: start never refuses, only what was hit is lost."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.deliver.cursor import Cursor, Position, read_cursor, write_cursor
from gateway.deliver.event import Class
from gateway.deliver.segments import (
    HEADER_SIZE,
    MAGIC,
    Header,
    decode_header,
    encode,
    encode_header,
    scan,
    topic_of,
)
from gateway.sdk.testing import FakeClock
from tests.deliver.simfiles import Inode, SimFiles
from tests.deliver.support import FOLDER, config, drain, opened

one_record = st.tuples(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.binary(max_size=200),
)
records = st.lists(one_record, max_size=8)


@given(records, st.binary(max_size=20))
def test_what_was_encoded_is_found_again(written: list[tuple[int, int, str, bytes]], torn: bytes) -> None:
    data = b"".join(
        part for number, readings, topic, body in written for part in encode(number, readings, topic.encode(), body)
    )
    found = list(scan(data + torn))
    assert [(f.sequence, f.readings, topic_of(data, f), data[f.body : f.end]) for f in found] == written


@given(st.binary(max_size=300))
def test_any_bytes_can_be_scanned(data: bytes) -> None:
    for found in scan(data + MAGIC + data):
        assert found.end <= 2 * len(data) + len(MAGIC)
    decode_header(data)


def test_a_header_tells_what_was_written_into_it() -> None:
    header = Header(epoch=0x18BCFE56800, created_ms=1_700_000_000_000, previous=41)
    data = encode_header(header)
    assert len(data) == HEADER_SIZE
    assert decode_header(data) == header
    for place in range(len(data)):
        assert decode_header(_flipped(data, place)) is None


def test_a_damaged_cursor_is_no_cursor() -> None:
    files = SimFiles(random.Random(0))
    cursor = Cursor(7, {cls: Position(1, 2, 3) for cls in Class})
    write_cursor(files, FOLDER, cursor)
    assert read_cursor(files, FOLDER) == cursor
    inode = files.seen[str(FOLDER / "cursor")]
    whole = bytes(inode.seen)
    for place in range(len(whole)):
        inode.seen = bytearray(_flipped(whole, place))
        assert read_cursor(files, FOLDER) == Cursor()


def test_a_cursor_that_a_crash_left_half_written_is_overwritten() -> None:
    files = SimFiles(random.Random(0))
    files.seen[str(FOLDER / "cursor.new")] = Inode(bytearray(b"half"))
    write_cursor(files, FOLDER, Cursor(9))
    assert read_cursor(files, FOLDER).epoch == 9


BODIES = {n: f'{{"n":{n}}}'.encode() for n in range(1, 10)}


def three_segments() -> SimFiles:
    """Nine telemetry records in three segments, cleanly closed."""
    files = SimFiles(random.Random(0))
    outbox, _ = opened(files, FakeClock(), config(segment=150))
    for number, body in BODIES.items():
        assert outbox.reserve(Class.TELEMETRY) == number
        outbox.put(Class.TELEMETRY, number, "t", body, 2)
        outbox.step()
    outbox._thread.closing = True
    outbox.step()
    assert len([name for name in files.seen if name.endswith(".seg")]) == 3
    return files


def copied(files: SimFiles, changed: str, data: bytes) -> SimFiles:
    """The same disk with another content of one file."""
    copy = SimFiles(random.Random(0))
    for name, inode in files.seen.items():
        content = data if name == changed else bytes(inode.seen)
        copy.seen[name] = Inode(bytearray(content), content)
    copy.durable = dict(copy.seen)
    return copy


def hit(whole: bytes, places: range) -> set[int]:
    """The records that a change of these bytes hits."""
    return {f.sequence for f in scan(whole) if f.start < places.stop and places.start < f.end}


def start_again(files: SimFiles, clock: FakeClock) -> tuple[set[int], bool, str, int]:
    """What is there after a start, whether anything was shown, the epoch, and the next sequence."""
    outbox, recovery = opened(files, clock)
    following = outbox.reserve(Class.TELEMETRY)
    got = {record.sequence: record.body for record in drain(outbox)}
    assert all(BODIES[number] == body for number, body in got.items())
    shown = bool(recovery.damages or recovery.torn_bytes)
    return set(got), shown, recovery.epoch, following


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]


@pytest.mark.parametrize("cursor", [True, False], ids=["with cursor", "without cursor"])
def test_a_flipped_bit_loses_only_the_record_that_it_hits(cursor: bool) -> None:
    files, clock = three_segments(), FakeClock(wall_ns=1_800_000_000_000_000_000)
    if not cursor:
        del files.seen[str(FOLDER / "cursor")]
    _, _, epoch, _ = start_again(copied(files, "", b""), clock)
    for name in [name for name in files.seen if name.endswith(".seg")]:
        whole = bytes(files.seen[name].seen)
        for place in range(len(whole)):
            got, shown, now, following = start_again(copied(files, name, _flipped(whole, place)), clock)
            lost = hit(whole, range(place, place + 1))
            assert got == set(BODIES) - lost
            assert shown
            assert following > 9 or now != epoch  # no id comes back with another content


def test_a_cut_file_loses_only_what_was_cut_off() -> None:
    files, clock = three_segments(), FakeClock(wall_ns=1_800_000_000_000_000_000)
    _, _, epoch, _ = start_again(copied(files, "", b""), clock)
    for name in [name for name in files.seen if name.endswith(".seg")]:
        whole = bytes(files.seen[name].seen)
        for size in range(len(whole)):
            got, shown, now, following = start_again(copied(files, name, whole[:size]), clock)
            assert got == set(BODIES) - hit(whole, range(size, len(whole)))
            assert shown
            assert following > 9 or now != epoch


def test_a_store_of_a_newer_version_is_left_alone() -> None:
    files = three_segments()
    name = min(name for name in files.seen if name.endswith(".seg"))
    data = bytes(files.seen[name].seen)
    header = decode_header(data)
    assert header is not None
    newer = encode_header(header._replace(version=2)) + data[HEADER_SIZE:]
    copy = copied(files, name, newer)
    outbox, recovery = opened(copy, FakeClock())
    assert [name.rsplit("/", 1)[1]] == recovery.ignored
    drain(outbox)
    assert bytes(copy.seen[name].seen) == newer

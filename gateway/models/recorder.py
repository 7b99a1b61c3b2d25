"""A rolling recording of every asset on local disk, bounded in bytes, so that fits and replays need no other system.

STATE/recording/ASSET/ holds `tags.json` and segments NNNNNNNN.rec of rows: time i8, then the tags as f8, little-endian.
What is cut off by a crash is a part of the last row and is ignored; nothing is synced, for no alarm depends on it.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from gateway.sdk.errors import FieldgateError

SEGMENTS: Final = 8  # that the bytes of an asset are spread over; the eldest goes when there is one more
PENDING: Final = 2_000_000  # values that wait for the disk, at most


class RecordingMissingError(FieldgateError):
    """There is no recording, or it is of other tags; the message says where it was looked for."""


class Recorder:
    """Gathers rows as they are scored, and appends them to the files when told to."""

    def __init__(self, folder: Path, names: Sequence[str], tags: Sequence[Sequence[str]], keep: int) -> None:
        """Keep at most `keep` bytes of each asset; `tags` are their tags, in order."""
        self._folder, self._names, self._tags = folder, tuple(names), [list(of) for of in tags]
        self._segment = max(keep // SEGMENTS, 1)
        self._pending: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
        self._values = 0
        self._open: dict[int, int] = {}  # number of the segment that each asset writes
        self.dropped = 0

    def note(self, assets: NDArray[np.int64], time: NDArray[np.int64], x: NDArray[np.float64]) -> None:
        """Take one row of each of `assets` (i8[B]): when (i8[B], Unix ns) and what (f8[B, D]). The arrays are kept."""
        if self._values + x.size > PENDING:
            self.dropped += len(x)
            return
        self._pending.append((assets, time, x))
        self._values += x.size

    def take(self) -> list[tuple[int, bytes]]:
        """What waits, as bytes by asset, to be given to `write` in another thread."""
        pending, self._pending, self._values = self._pending, [], 0
        found: dict[int, list[bytes]] = {}
        for width in sorted({x.shape[1] for _, _, x in pending}):
            parts = [part for part in pending if part[2].shape[1] == width]
            assets, time, x = (np.concatenate([part[i] for part in parts]) for i in range(3))
            rows = np.concatenate([time.astype("<i8").view("<f8")[:, None], x.astype("<f8")], axis=1)
            order = np.argsort(assets, kind="stable")
            cuts = np.flatnonzero(np.diff(assets[order])) + 1
            for part in np.split(order, cuts):
                found.setdefault(int(assets[part[0]]), []).append(rows[part].tobytes())
        return [(asset, b"".join(parts)) for asset, parts in found.items()]

    def write(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        """Append what `take` gave. Raises OSError when the disk does."""
        for asset, block in blocks:
            folder = self._folder / self._names[asset]
            if asset not in self._open:
                self._open[asset] = _begin(folder, self._tags[asset])
            path = _path(folder, self._open[asset])
            with path.open("ab") as file:
                file.write(block)
                size = file.tell()
            if size >= self._segment:
                self._open[asset] += 1
                for old in _segments(folder)[: -(SEGMENTS - 1)]:
                    old.unlink()


def _begin(folder: Path, tags: list[str]) -> int:
    """A segment to write to: behind those that are there, for the last may end in half a row; other tags begin anew."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "tags.json"
    if not note.is_file() or orjson.loads(note.read_bytes()) != tags:
        for old in _segments(folder):
            old.unlink()
        note.write_bytes(orjson.dumps(tags))
    segments = _segments(folder)
    return int(segments[-1].stem) + 1 if segments else 0


def _segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.rec"))


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:08}.rec"


def recorded(folder: Path, asset: str, tags: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times i8[n] (Unix ns) and values f8[n, D] that were recorded of `asset`. Raises RecordingMissingError."""
    place = folder / asset
    _check_tags(place, asset, tags)
    row = 8 * (1 + len(tags))
    parts = [content[: len(content) // row * row] for content in (path.read_bytes() for path in _segments(place))]
    rows = np.frombuffer(b"".join(parts), "<f8").reshape(-1, 1 + len(tags))
    order = np.argsort(rows[:, 0].copy().view("<i8"), kind="stable")
    return rows[order, 0].copy().view("<i8").astype(np.int64), rows[order, 1:].astype(float)


def _check_tags(place: Path, asset: str, tags: Sequence[str]) -> None:
    note = place / "tags.json"
    if not note.is_file():
        raise RecordingMissingError(f"{place}: there is no recording of {asset}; `recording.keep` switches it on")
    if orjson.loads(note.read_bytes()) != list(tags):
        raise RecordingMissingError(f"{place}: the recording is of other tags than {asset} has now")


def began(folder: Path, asset: str) -> int | None:
    """When the recording of `asset` begins, Unix ns; None where there is none. Raises OSError."""
    return next((first for path in _segments(folder / asset) if (first := _first(path)) is not None), None)


def pieces(
    folder: Path, asset: str, tags: Sequence[str], span: tuple[int, int]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """As `recorded`, between two instants (Unix ns), segment by segment and mapped: however long, it takes no memory.

    Raises RecordingMissingError, OSError.
    """
    _check_tags(folder / asset, asset, tags)
    width = 1 + len(tags)
    for path in _segments(folder / asset):
        count = path.stat().st_size // (8 * width)
        if not count:
            continue
        rows = np.memmap(path, "<f8", "r", shape=(count, width))
        time = rows.view("<i8")[:, 0]
        ends = (int(time[0]), int(time[-1]))  # the last is not the latest where a clock was set back
        if max(ends) < span[0] or min(ends) > span[1]:
            continue
        inside = (time >= span[0]) & (time <= span[1])
        yield time[inside].astype(np.int64), rows[inside, 1:]


def _first(path: Path) -> int | None:
    """Time of the first row of a segment."""
    with path.open("rb") as file:
        head = file.read(8)
    return int.from_bytes(head, "little", signed=True) if len(head) == 8 else None  # noqa: PLR2004 - bytes of a time


def size(folder: Path) -> int:
    """Bytes that all recordings take."""
    return sum(path.stat().st_size for path in itertools.chain.from_iterable(map(_segments, folder.glob("*"))))

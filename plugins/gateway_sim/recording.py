"""A recording: rows of a CSV file (`timestamp`, then one column a tag), plain or gzip. Only numbers are kept."""

import csv
import gzip
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

TIME_COLUMN: Final = "timestamp"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_\-]+")
_LONGEST: Final = 60  # a name may have 64 characters; the rest is for what makes it unique


class RecordingError(Exception):
    """The file is no recording, or lacks a column that was asked for."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Names of the tags, values f8[rows, tags] (NaN where a cell is empty), and the columns that are no numbers."""

    names: tuple[str, ...]
    rows: NDArray[np.float64]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)


def load(path: Path, columns: Sequence[str] | None = None, limit: int | None = None) -> Recording:
    """Read `path`: the `columns` named by the file's head, all of them by default; the first `limit` rows.

    Raises RecordingError.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        head = next(lines, [])
        cells = list(islice(lines, limit))
    wanted = [name for name in head if name != TIME_COLUMN] if columns is None else list(columns)
    if missing := [name for name in wanted if name not in head]:
        raise RecordingError(f"{path}: no column {', '.join(missing)}; there are {', '.join(head)}")
    parsed = {name: _numbers(line[head.index(name)] for line in cells) for name in wanted}
    kept = {name: column for name, column in parsed.items() if column is not None}
    if not kept or not cells:
        raise RecordingError(f"{path}: no rows of numbers")
    skipped = tuple(name for name in wanted if name not in kept)
    return Recording(safe_names(list(kept)), np.column_stack(list(kept.values())), skipped)


def safe_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names made fit for topics and files, still different from each other: `Flow RMS` → `Flow_RMS`."""
    taken: set[str] = set()
    safe = []
    for name in names:
        plain = _UNSAFE.sub("_", name).strip("_")[:_LONGEST] or "tag"
        number, unique = 1, plain
        while unique in taken:
            number += 1
            unique = f"{plain}_{number}"
        taken.add(unique)
        safe.append(unique)
    return tuple(safe)


def _numbers(cells: Iterable[str]) -> list[float] | None:
    """A column as numbers; None when a cell is something else."""
    try:
        return [float(cell) if cell else float("nan") for cell in cells]
    except ValueError:
        return None

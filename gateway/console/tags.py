"""Windows of the tags, in columns: which rows a page shows, what they hold, and what has changed since it was told.

A window is encoded once for all pages that show it, and holds at most 500 rows, so that 10,000 tags cost no more than
what is looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from gateway.ingest.image import Image
from gateway.sdk.tags import TagTable
from gateway.stages.meaning import Meanings, text

LIMIT: Final = 500  # rows of one window
_QUALITIES: Final = ("good", "uncertain", "bad")
_TEXT: Final = 200  # characters that are shown of what is no number
_MS: Final = 1_000_000  # ns


@dataclass(frozen=True, slots=True)
class Look:
    """What a page shows of the tags: those that match, from number `offset` on, `limit` of them."""

    search: str = ""
    device: str = ""
    quality: str = ""
    offset: int = 0
    limit: int = 100


class Names:
    """The tags of one table, to be searched. `revision` is another with every table."""

    def __init__(self, table: TagTable, revision: int, meanings: Meanings) -> None:
        self.table, self.revision, self.meanings = table, revision, meanings

    @cached_property
    def _plain(self) -> list[str]:
        return [name.casefold() for name in self.table.names]

    def matching(self, look: Look) -> NDArray[np.int64]:
        """Rows whose names hold every word of the search, of the device that is asked for."""
        rows = np.arange(len(self.table))
        if look.device:
            ids = [device.id for device in self.table.devices if device.name == look.device]
            rows = rows[np.isin(self.table.device, ids)]
        words = look.search.casefold().split()
        if words:
            plain = self._plain
            rows = np.array([row for row in rows.tolist() if all(word in plain[row] for word in words)], np.int64)
        return rows


class Window:
    """One look at one table: what it shows now, and what has changed since the last time."""

    def __init__(self, names: Names, look: Look) -> None:
        self.names, self.look = names, look
        self._matching = names.matching(look)
        self._rows = np.zeros(0, np.int64)
        self._total = -1
        self._value = np.zeros(0)
        self._status = np.zeros(0, np.uint32)
        self._time = np.zeros(0, np.int64)
        self._known = -1
        self._texts: dict[int, Mapping[int, str]] = {}  # of the rows that have any

    def frame(self, image: Image) -> bytes | None:
        """What has changed since the last call, all of it when other rows are shown now; None when nothing has."""
        rows, total = self._shown(image.status)
        value, status, time = image.value[rows], image.status[rows], image.time[rows] // _MS
        before = self._rows, self._total, self._value, self._status, self._time
        self._rows, self._total, self._value, self._status, self._time = rows, total, value, status, time
        if total != before[1] or not np.array_equal(rows, before[0]) or self._known != self.names.meanings.known:
            self._learn(rows)
            return self.whole(image)
        changed = (time != before[4]) | (status != before[3]) | (value.view(np.int64) != before[2].view(np.int64))
        return self._encoded(image, changed) if changed.any() else None

    def whole(self, image: Image) -> bytes:
        """All of it, as the last `frame` has seen it."""
        return orjson.dumps(self._document(image, {"full": True}), option=orjson.OPT_SERIALIZE_NUMPY)

    def document(self, image: Image) -> dict[str, Any]:
        """All of it, as it is now."""
        self.frame(image)
        return self._document(image, {})

    def _learn(self, rows: NDArray[np.int64]) -> None:
        """What the values of these rows mean: asked when other rows are shown, or more is known."""
        meanings = self.names.meanings
        self._known = meanings.known
        self._texts = {row: texts for row in rows.tolist() if (texts := meanings.of(row).texts)}

    def _shown(self, status: NDArray[np.uint32]) -> tuple[NDArray[np.int64], int]:
        rows, look = self._matching, self.look
        if look.quality:
            rows = rows[np.minimum(status[rows] >> 30, 2) == _QUALITIES.index(look.quality)]
        return rows[look.offset : look.offset + look.limit], len(rows)

    def _document(self, image: Image, head: dict[str, Any]) -> dict[str, Any]:
        table, rows = self.names.table, self._rows.tolist()
        return head | {
            "revision": self.names.revision, "total": self._total, "offset": self.look.offset, "rows": self._rows,
            "names": [table.names[row] for row in rows], "units": [self.names.meanings.unit(row) for row in rows],
            "value": self._value, "status": self._status, "time": self._time, "other": _other(image, rows),
            "texts": self._meant(rows, self._value),
        }  # fmt: skip

    def _encoded(self, image: Image, changed: NDArray[np.bool_]) -> bytes:
        rows = self._rows[changed]
        table = {
            "full": False, "revision": self.names.revision, "rows": rows, "value": self._value[changed],
            "status": self._status[changed], "time": self._time[changed], "other": _other(image, rows.tolist()),
            "texts": self._meant(rows.tolist(), self._value[changed]),
        }  # fmt: skip
        return orjson.dumps(table, option=orjson.OPT_SERIALIZE_NUMPY)

    def _meant(self, rows: Sequence[int], value: NDArray[np.float64]) -> dict[str, str]:
        """What those values mean that have a text, by row."""
        if not self._texts:
            return {}
        found = ((row, text(self._texts.get(row, {}), one)) for row, one in zip(rows, value.tolist(), strict=True))
        return {str(row): meant for row, meant in found if meant}


def _other(image: Image, rows: Sequence[int]) -> dict[str, str]:
    """What is no number, by row."""
    if not image.other:
        return {}
    found = ((row, image.other.get(row)) for row in rows)
    return {str(row): str(value)[:_TEXT] for row, value in found if value is not None}

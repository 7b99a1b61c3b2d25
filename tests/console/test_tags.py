"""Windows of the tags: what matches, what has changed, and all of it when other rows are shown."""

import numpy as np
import orjson

from gateway.console.tags import Look, Names, Window
from gateway.ingest.image import Image
from gateway.sdk import DeviceConfig, TagConfig, TagTable, quality
from gateway.sdk.described import Described
from tests.stages.said import meanings


class Rows:
    """An image of 100 tags on two devices."""

    def __init__(self) -> None:
        tags = {f"t{i}": TagConfig(unit="bar") for i in range(50)}
        configs = [DeviceConfig(device=name, adapter="x", every=1.0, tags=tags) for name in ("pump", "fan")]
        self.table = TagTable.build(configs)
        self.image = Image(self.table)
        self.image.value[:], self.image.status[:], self.image.time[:] = 1.0, quality.GOOD, 10**9
        self.said: dict[str, Described] = {}
        self.names = Names(self.table, 3, meanings(self.table, self.said))

    def window(self, **look: object) -> Window:
        return Window(self.names, Look(**look))  # type: ignore[arg-type]


def test_a_window_shows_what_matches_and_only_so_many() -> None:
    rows = Rows()
    found = rows.window(search="FAN t1", limit=5, offset=1).document(rows.image)
    assert found["total"] == 11
    assert found["names"] == [f"fan.t{i}" for i in (10, 11, 12, 13, 14)]
    assert (found["revision"], found["units"]) == (3, ["bar"] * 5)
    assert rows.window(device="pump").document(rows.image)["total"] == 50
    assert rows.window(device="none").document(rows.image)["total"] == 0
    rows.image.status[7], rows.image.status[8] = quality.BAD_TIMEOUT, quality.UNCERTAIN
    totals = [rows.window(quality=one).document(rows.image)["total"] for one in ("good", "uncertain", "bad")]
    assert totals == [98, 1, 1]


def test_a_frame_holds_what_has_changed_and_all_when_other_rows_are_shown() -> None:
    rows = Rows()
    window = rows.window(quality="good", limit=3)
    first = orjson.loads(window.frame(rows.image) or b"")
    assert (first["full"], first["rows"], first["total"]) == (True, [0, 1, 2], 100)
    assert window.frame(rows.image) is None
    rows.image.value[1], rows.image.time[1] = np.nan, 2 * 10**9
    second = orjson.loads(window.frame(rows.image) or b"")
    assert (second["full"], second["rows"], second["value"], second["time"]) == (False, [1], [None], [2000])
    rows.image.other[1] = "RUNNING"
    rows.image.time[1] += 10**9
    assert orjson.loads(window.frame(rows.image) or b"")["other"] == {"1": "RUNNING"}
    rows.image.status[0] = quality.BAD_TIMEOUT
    third = orjson.loads(window.frame(rows.image) or b"")
    assert (third["full"], third["rows"], third["total"]) == (True, [1, 2, 3], 99)
    rows.image.status[99] = quality.BAD_TIMEOUT
    assert orjson.loads(window.frame(rows.image) or b"")["total"] == 98, "how many match is news, too"


def test_what_a_device_says_of_its_values_is_shown_when_it_is_learnt() -> None:
    rows = Rows()
    window = rows.window(search="pump", limit=2)
    first = orjson.loads(window.frame(rows.image) or b"")
    assert (first["units"], first["texts"]) == (["bar", "bar"], {})
    rows.said["pump.t1"] = Described("", None, {1: "Idle", 3: "Running"})
    learnt = orjson.loads(window.frame(rows.image) or b"")
    assert (learnt["full"], learnt["texts"]) == (True, {"1": "Idle"})
    rows.image.value[:2], rows.image.time[:2] = 3.0, 2 * 10**9
    changed = orjson.loads(window.frame(rows.image) or b"")
    assert (changed["full"], changed["texts"]) == (False, {"1": "Running"})
    rows.image.value[1] = 2.0
    assert orjson.loads(window.frame(rows.image) or b"")["texts"] == {}, "a number that means nothing"
    assert window.document(rows.image)["texts"] == {}

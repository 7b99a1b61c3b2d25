"""Whoever judges stays when rows are numbered anew, and is made anew when the assets are read otherwise."""

import numpy as np

from gateway.config.assets import AssetConfig
from gateway.models.cohorts import assemble, moved
from gateway.sdk.config import DeviceConfig, TagConfig
from gateway.sdk.tags import TagTable

ASSETS = {
    "pump": AssetConfig.model_validate({"tags": ["b.x", "b.y"], "when": "b.y > 0"}),
    "pair": AssetConfig.model_validate({"tags": ["a.x", "b.x", "b.y"], "rules": {"high": {"tag": "b.y", "above": 3}}}),
}


def table(*before: str, every: float = 1.0, unit: str = "") -> TagTable:
    """Devices a and b, behind others."""
    names = [(name, ("x",)) for name in before] + [("a", ("x",)), ("b", ("x", "y"))]
    return TagTable.build(
        [
            DeviceConfig(device=name, adapter="x", every=every, tags={tag: TagConfig(unit=unit) for tag in tags})
            for name, tags in names
        ]
    )


def test_rows_move_and_nothing_else() -> None:
    old, new = table(), table("new", "newer")
    judged = assemble(ASSETS, old)
    judged.watch.alarms.state[1] = 3
    watch = moved(judged, old, new)
    assert watch is not None
    assert watch.rows == tuple(tuple(row + 2 for row in rows) for rows in judged.watch.rows)
    assert watch.alarms is judged.watch.alarms
    for now, before in zip(watch.cohorts, judged.watch.cohorts, strict=True):
        assert now.scorer is before.scorer
        assert now.sensors is before.sensors
        np.testing.assert_array_equal(now.index, before.index + 2)
    assert watch.operating is not None
    assert judged.watch.operating is not None
    assert watch.operating.runs is judged.watch.operating.runs
    assert [when.rows for when in watch.operating.whens if when] == [(4,)]


def test_another_rhythm_or_unit_is_another_thing() -> None:
    judged = assemble(ASSETS, table())
    assert moved(judged, table(), table(every=2.0)) is None
    assert moved(judged, table(), table(unit="bar")) is None
    assert moved(judged, table(), table()) is not None

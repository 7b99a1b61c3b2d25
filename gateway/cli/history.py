"""What an asset was like over a replay: columns for a report, and figures where the rows are labelled."""

import itertools
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.deliver.event import Class, dumps
from gateway.replay import Message, Replay
from gateway.stages.alarm import ACTIVE

APART: Final = 30  # rows; alarms closer than this are one event, and one that comes so early has still hit


@dataclass
class History:
    """One asset, one entry a row.

    Attributes:
        name: of the asset.
        tags: names of its tags, with their units.
        time: Unix ns.
        x: values f8[D].
        score: NaN where the asset abstained.
        limit: the threshold that held.
        active: whether the alarm was.
        parts: contributions f8[D].
        label: 1 where the recording says that something was wrong; NaN where it says nothing.
        messages: alarms and events, decoded.
    """

    name: str
    tags: list[tuple[str, str]]
    time: list[int] = field(default_factory=list)
    x: list[NDArray[np.float64]] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)
    active: list[bool] = field(default_factory=list)
    parts: list[NDArray[np.float64]] = field(default_factory=list)
    label: list[float] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)


class Histories:
    """The histories of all assets of a replay, or of some."""

    def __init__(self, replay: Replay, names: list[str] | None = None) -> None:
        watch, table = replay.judged.watch, replay.table
        self._replay = replay
        self.of = {
            i: History(name, [(table.names[row], table.units[row]) for row in watch.rows[i]])
            for i, name in enumerate(watch.names)
            if names is None or name in names
        }

    def note(self, time: int, label: float = float("nan")) -> None:
        """Take down the row that was replayed last."""
        alarms = self._replay.judged.watch.alarms
        for _, assets, seen, scores in self._replay.pipeline.scored:
            for place, asset in enumerate(assets.tolist()):
                history = self.of.get(asset)
                if history is None:
                    continue
                history.time.append(time)
                history.x.append(seen.x[place])
                history.score.append(float(scores.score[place]))
                history.limit.append(float(alarms.limit[asset]))
                history.active.append(int(alarms.state[asset]) in ACTIVE)
                history.parts.append(scores.contrib[place])
                history.label.append(label)

    def tell(self, message: Message, body: dict[str, Any]) -> None:
        """Take down an alarm or an event."""
        name = body.get("asset") if message.cls is Class.ALARM else body.get("name")
        for history in self.of.values():
            if history.name == name:
                history.messages.append(body)


def figures(history: History) -> dict[str, float | str]:
    """F1, false and missed alarm rate in percent, segments hit and false events of a labelled history; else nothing."""
    label = np.array(history.label)
    known = ~np.isnan(label) & ~np.isnan(np.array(history.score))
    if not known.any():
        return {}
    wrong, alarm = label[known] == 1, np.array(history.active)[known]
    hit, false, missed = (int(np.count_nonzero(m)) for m in (alarm & wrong, alarm & ~wrong, ~alarm & wrong))
    starts = [first for first, _ in runs(alarm, APART)]
    segments = runs(wrong, 0)
    near = [any(first - APART <= at <= last + APART for first, last in segments) for at in starts]
    return {
        "F1": round(2 * hit / max(2 * hit + false + missed, 1), 3),
        "false alarm rate %": round(100 * false / max(int(np.count_nonzero(~wrong)), 1), 2),
        "missed alarm rate %": round(100 * missed / max(int(np.count_nonzero(wrong)), 1), 2),
        "segments hit": f"{sum(any(a - APART <= at <= b for at in starts) for a, b in segments)}/{len(segments)}",
        "false events": near.count(False),
    }


def runs(mask: NDArray[np.bool_], gap: int) -> list[tuple[int, int]]:
    """First and last row of each run of `mask`; runs with up to `gap` rows between them are one."""
    rows = np.flatnonzero(mask)
    if not len(rows):
        return []
    cuts = np.flatnonzero(np.diff(rows) > gap + 1) + 1
    edges = [0, *cuts.tolist(), len(rows)]
    return [(int(rows[a]), int(rows[b - 1])) for a, b in itertools.pairwise(edges)]


def as_json(history: History) -> bytes:
    """Figures and messages of a history, for machines."""
    return dumps({"asset": history.name, "rows": len(history.time), "figures": figures(history)})

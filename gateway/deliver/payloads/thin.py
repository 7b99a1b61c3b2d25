"""Columnar telemetry thinned: of each tag and window the least, the greatest, the last and the last bad reading. Pure.

What is long past is wanted as a curve, and a curve keeps its shape by its extremes; an outage that outlasts the disk so
costs resolution before it costs time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from gateway.deliver.event import dumps
from gateway.deliver.ledger import Record
from gateway.deliver.segments import RECORD_SIZE

_KEY: Final = ("epoch", "device", "historical", "clock")
Message = dict[str, Any]


@dataclass(slots=True)
class _Window:
    """Messages of one device and one stretch of time, in order."""

    records: list[Record]
    messages: list[Message]


def thin(records: Sequence[Record], window: float) -> list[Record]:
    """Fewer records in place of `records`, in order; the last one keeps its sequence.

    Args:
        records: telemetry in the order of its sequences; what is no columnar message stays as it is.
        window: seconds.
    """
    open_windows: dict[tuple[object, ...], _Window] = {}
    done: list[_Window] = []
    for record in records:
        message = _message(record)
        if message is None:
            done.append(_Window([record], []))
            continue
        key = (record.topic, *(message.get(name) for name in _KEY))
        place = message["time"] // round(window * 1000)
        held = open_windows.get((*key, place))
        if held is None:
            held = open_windows[*key, place] = _Window([], [])
            done.append(held)
        held.records.append(record)
        held.messages.append(message)
    return sorted((_merged(held) for held in done), key=lambda record: record.sequence)


def _message(record: Record) -> Message | None:
    try:
        message = orjson.loads(record.body)
    except orjson.JSONDecodeError:
        return None
    columnar = isinstance(message, dict) and isinstance(message.get("tags"), list) and "values" in message
    return message if columnar else None


def _merged(window: _Window) -> Record:
    """One record for those of a window, under the last one's sequence."""
    last = window.records[-1]
    if not window.messages:
        return last
    columns = _columns(window.messages)
    kept = _kept(columns["tags"], columns["values"], columns["status"])
    if len(window.records) == 1 and len(kept) == len(columns["tags"]):
        return last
    times = [columns["times"][at] for at in kept]
    message: Message = window.messages[-1] | {
        "id": _id(window.messages[0]["id"], last.sequence),
        "time": max(times),
        "tags": [columns["tags"][at] for at in kept],
        "values": [columns["values"][at] for at in kept],
        "times": times,
        "thinned": True,
    }
    for name in ("status", "served"):
        column = [columns[name][at] for at in kept]
        message.pop(name, None)
        if any(column):
            message[name] = column
    encoded = dumps(message)
    size = RECORD_SIZE + len(last.topic.encode()) + len(encoded)
    return last._replace(body=encoded, readings=len(kept), size=size)


def _id(first: str, last: int) -> str:
    """The id of a merged message: gateway/epoch/telemetry/FIRST-LAST, which no other content ever bore."""
    front, _, sequence = first.rpartition("/")
    return f"{front}/{sequence.partition('-')[0]}-{last}"


def _columns(messages: Sequence[Message]) -> dict[str, list[Any]]:
    """The columns of all messages, one behind the other."""
    columns: dict[str, list[Any]] = {"tags": [], "values": [], "times": [], "status": [], "served": []}
    for message in messages:
        count = len(message["tags"])
        columns["tags"] += message["tags"]
        columns["values"] += message["values"]
        columns["times"] += message.get("times") or [message["time"]] * count
        columns["status"] += message.get("status") or [0] * count
        columns["served"] += message.get("served") or [0] * count
    return columns


def _kept(tags: Sequence[str], values: Sequence[Any], status: Sequence[int]) -> list[int]:
    """The places of the readings that stay, in order."""
    _, tag = np.unique(np.array(tags, object).astype(str), return_inverse=True)
    number = np.array([value if isinstance(value, int | float) else np.nan for value in values], np.float64)
    bad = np.flatnonzero(np.array(status, np.uint32))
    finite = np.flatnonzero(np.isfinite(number))
    rising = finite[np.lexsort((number[finite], tag[finite]))]  # by tag, then by value
    falling = rising[::-1]
    extremes = (_last(tag, rising), _last(tag, falling))
    places: list[int] = np.unique(
        np.concatenate([_last(tag, np.arange(len(tag))), _last(tag, bad), *extremes])
    ).tolist()
    return places


def _last(tag: NDArray[np.intp], places: NDArray[np.intp]) -> NDArray[np.intp]:
    """Of `places`, the last of each tag."""
    _, first = np.unique(tag[places][::-1], return_index=True)
    return places[::-1][first]

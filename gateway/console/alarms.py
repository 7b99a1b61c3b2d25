"""Alarms for the page: what is not normal, with what may be done about it, and what has happened."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.console.host import Host, now
from gateway.running import Running
from gateway.stages.command import ACTIONS
from gateway.stages.states import TABLE, State
from gateway.state import history

MS: Final = 1_000_000  # ns
_URGENCY: Final = ("low", "medium", "high", "critical")
_STANDS: Final = (State.ACTIVE_UNACKNOWLEDGED, State.RETURNED_UNACKNOWLEDGED, State.ACTIVE_ACKNOWLEDGED)
ACTS: Final = {state: [name for name, event in ACTIONS.items() if (state, event) in TABLE] for state in State}
"""What operators may do, by the state of the alarm."""


def alarms(host: Host) -> list[dict[str, Any]]:
    """All alarms that are not normal: those that stand first, the most urgent of them before the others. Blocks."""
    running, last = now(host), _latest(host)
    states = running.watch.alarms.state.tolist()
    rows = [(State(state), row(running, asset, last)) for asset, state in enumerate(states) if state != State.NORMAL]
    rows.sort(key=lambda one: _order(*one))
    return [one for _, one in rows]


def alarm(host: Host, asset: int) -> dict[str, Any] | None:
    """The alarm of one asset, by its number; None while it is normal. Blocks."""
    running = now(host)
    if running.watch.alarms.state[asset] == State.NORMAL:
        return None
    return row(running, asset, _latest(host))


def row(running: Running, asset: int, last: Mapping[str, history.Change]) -> dict[str, Any]:
    """One alarm; `last` is the last change of each, as far as it is on disk."""
    watch = running.watch
    state, name, until = State(watch.alarms.state[asset]), watch.names[asset], watch.alarms.until(asset)
    change = last.get(name)
    if change is not None and change.state != state.word:
        change = None  # it has just moved, and the disk does not know it yet
    return {
        "asset": name, "state": state.word, "severity": watch.configs[asset].alarm.severity.value,
        "since": change.time // MS if change else None, "message": change.message if change else "",
        "score": number(running.status.score[asset]), "threshold": number(watch.alarms.limit[asset]),
        "by": change.by if change else "", "comment": change.comment if change else "",
        "until": until // MS if until is not None and until > 0 else None, "acts": ACTS[state],
    }  # fmt: skip


def figures(host: Host) -> dict[str, Any]:
    """How many there are."""
    return now(host).judging.records.document()


def past(host: Host, asset: str, since: int, most: int) -> list[dict[str, Any]]:
    """Changes of states from `since` (Unix ms) on, the latest first, of one asset or, unnamed, of all. Blocks."""
    try:
        found = history.read(host.state / history.FILE, [asset] if asset else [], since * MS, most)
    except history.HistoryError:
        return []  # nothing has happened yet, or the disk does not answer: then health says so
    return [_told(change) for change in reversed(found)]


def _told(change: history.Change) -> dict[str, Any]:
    names = ("asset", "previous", "state", "severity", "score", "threshold", "by", "comment", "message")
    return {"time": change.time // MS} | {name: getattr(change, name) for name in names}


def _latest(host: Host) -> Mapping[str, history.Change]:
    try:
        return history.latest(host.state / history.FILE)
    except history.HistoryError:
        return {}


def _order(state: State, alarm: Mapping[str, Any]) -> tuple[int, int, int]:
    """Unacknowledged before acknowledged before set aside; then by severity; then the latest first."""
    place = _STANDS.index(state) if state in _STANDS else len(_STANDS)
    return place, -_URGENCY.index(alarm["severity"]), -(alarm["since"] or 0)


def number(value: float) -> float | None:
    """As JSON takes it."""
    return None if value != value else round(float(value), 4)  # noqa: PLR0124 - NaN is not itself

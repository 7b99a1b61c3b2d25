"""Assets for the page: how each is, in the words of NAMUR NE 107; one with its tags, its alarm and its model."""

from http import HTTPStatus
from typing import Any, Final

import numpy as np

from gateway.config.problems import did_you_mean
from gateway.console import alarms
from gateway.console.host import Host, now
from gateway.console.rights import Refused
from gateway.models.answers import ANSWERS
from gateway.models.cohorts import DEFAULT
from gateway.operators.devices import Ne107
from gateway.running import Running
from gateway.stages.sensor import Fault
from gateway.stages.states import ACTIVE, State

MS: Final = 1_000_000  # ns
_CANNOT: Final = ("model_failed",)
_NOT_YET: Final = ("calibrating", "fitting", "filling")


def assets(running: Running) -> list[dict[str, Any]]:
    """Every asset."""
    return [entry(running, asset, known) for asset, known in enumerate(running.status.assets())]


def entry(running: Running, asset: int, known: dict[str, Any]) -> dict[str, Any]:
    """One asset; `known` is what the status says of it."""
    watch = running.watch
    limit = alarms.number(watch.alarms.limit[asset])
    return {
        **known,
        "signal": _signal(running, asset, known["phase"]).value,
        "threshold": known["threshold"] if limit is None else limit,
        "severity": watch.configs[asset].alarm.severity.value,
    }


def find(running: Running, name: str) -> int:
    """The number of the asset `name`. Raises Refused (404)."""
    names = running.watch.names
    if name not in names:
        hint = did_you_mean(name, names)
        raise Refused(HTTPStatus.NOT_FOUND, "unknown", f"there is no asset '{name}'; {hint}".rstrip("; "))
    return names.index(name)


def page(host: Host, name: str) -> dict[str, Any]:
    """One asset with all that belongs to it. Blocks. Raises Refused (404)."""
    running = now(host)
    asset = find(running, name)
    watch, judging = running.watch, running.judging
    cohort_of, place = watch.places()
    cohort = watch.cohorts[cohort_of[asset]]
    taught = watch.configs[asset].model == DEFAULT
    return {
        **entry(running, asset, running.status.assets()[asset]),
        "model": cohort.model, "version": cohort.version,
        "message": running.why.of(name)["verdict"],
        "tags": _tags(running, asset, int(cohort_of[asset]), int(place[asset])),
        "alarm_row": alarms.alarm(host, asset),
        "answers": list(ANSWERS) if taught else [],
        "recorded": judging.recorder is not None,
        "versions": _versions(running, watch.configs[asset].model),
    }  # fmt: skip


def _tags(running: Running, asset: int, cohort: int, place: int) -> list[dict[str, Any]]:
    table, image, rows = running.table, running.pipeline.image, list(running.watch.rows[asset])
    meanings = running.meanings
    shares, expected = running.status.shares[cohort][place], running.status.expected[cohort][place]
    return [
        {
            "tag": table.names[row], "row": row, "unit": meanings.unit(row), "value": plain(image.value[row]),
            "text": meanings.text(row, float(image.value[row])),
            "status": int(image.status[row]), "time": int(image.time[row]) // MS,
            "contribution": plain(shares[i]), "expected": plain(expected[i]),
        }
        for i, row in enumerate(rows)
    ]  # fmt: skip


def models(running: Running) -> list[dict[str, Any]]:
    """Each user's model, with how the version beside the active one compares; null where none runs beside it."""
    keeper = running.judging.models
    lives = keeper.lives.values() if keeper else ()
    compared = [(life, life.remote.comparison) for life in lives]
    return [{**life.state(), "comparison": found.report() if found else None} for life, found in compared]


def _versions(running: Running, model: str) -> dict[str, Any] | None:
    return next((entry for entry in models(running) if model.endswith(f"/{entry['model']}")), None)


def _signal(running: Running, asset: int, phase: str) -> Ne107:
    """NE 107: what it is, not how bad: the alarm's severity says that."""
    state = State(running.watch.alarms.state[asset])
    if phase in _CANNOT:
        return Ne107.FAILURE
    if state in ACTIVE:
        return Ne107.OUT_OF_SPECIFICATION
    if phase in _NOT_YET or state is State.OUT_OF_SERVICE:
        return Ne107.FUNCTION_CHECK
    return Ne107.MAINTENANCE if _sensor_at_fault(running, asset) else Ne107.GOOD


def _sensor_at_fault(running: Running, asset: int) -> bool:
    cohort_of, place = running.watch.places()
    sensors = running.watch.cohorts[cohort_of[asset]].sensors
    if sensors is None:
        return False
    fault = sensors.fault[place[asset]]
    return bool(np.any((fault > Fault.SUSPECT) & (fault < Fault.RELEASED)))


def plain(value: float) -> float | None:
    """As JSON takes it, all digits."""
    return None if value != value else float(value)  # noqa: PLR0124 - NaN is not itself

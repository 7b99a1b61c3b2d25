"""What an operator answers to an alarm that stays, or to a drift: accept as new normal, recalibrate, or real fault.

An answer is a note in STATE/answers (gateway.ops.inbox).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.models.cohorts import Judged
from gateway.ops.inbox import Inbox
from gateway.sdk.errors import FieldgateError

ANSWERS: Final = ("accept", "recalibrate", "fault")


class AnswerError(FieldgateError):
    """An answer that cannot be carried out; the message says why."""


def leave(state: Path, asset: str, answer: str) -> None:
    """Leave `answer` for the gateway that keeps its state in `state`."""
    Inbox(state, "answers").leave({"asset": asset, "answer": answer})


def collect(state: Path) -> list[tuple[str, str]]:
    """(asset, answer) of those that wait, the eldest first; they are gone from the folder."""
    notes = Inbox(state, "answers").collect()
    return [(str(note.get("asset", "")), str(note.get("answer", ""))) for _, note in notes]


def carry_out(judged: Judged, asset: str, answer: str) -> str:
    """Do what `answer` says; what was done, in a sentence. Raises AnswerError."""
    number, member, place = _find(judged, asset)
    doing: dict[str, Callable[[], str]] = {
        "accept": lambda: _accept(judged, number, member, place),
        "recalibrate": lambda: _recalibrate(judged, number, member, place),
        "fault": lambda: _fault(judged, place),
    }
    if answer not in doing:
        raise AnswerError(f"'{answer}' is no answer; there are {', '.join(ANSWERS)}")
    return f"{asset}: {doing[answer]()}"


def _find(judged: Judged, asset: str) -> tuple[int, int, int]:
    """Number of the detector, of the member in it, and of the asset."""
    if asset not in judged.watch.names:
        raise AnswerError(f"there is no asset '{asset}'")
    place = judged.watch.names.index(asset)
    for number, taught in enumerate(judged.taught):
        if place in taught:
            return number, taught.tolist().index(place), place
    raise AnswerError(f"{asset} is scored by a model of its own; what is normal for it is that model's")


def _accept(judged: Judged, number: int, member: int, place: int) -> str:
    if judged.detectors[number].status(member):
        raise AnswerError("it is still calibrating: there is nothing to be accepted yet")
    judged.detectors[number].accept(member)
    judged.watch.alarms.forgive(place)
    return "what it is like now is normal from here on"


def _recalibrate(judged: Judged, number: int, member: int, place: int) -> str:
    judged.detectors[number].recalibrate(member)
    cohort_of, places = judged.watch.places()
    sensors = judged.watch.cohorts[int(cohort_of[place])].sensors
    if sensors is not None:
        sensors.restart(int(places[place]))
    judged.watch.alarms.forgive(place)
    return f"it learns anew from its next {judged.detectors[number].members[member].calibrate} good rows"


def _fault(judged: Judged, place: int) -> str:
    judged.watch.alarms.forgive(place)  # an event that was right must not raise the bar for the next one
    return "noted as a real fault; its normal stays as it is"

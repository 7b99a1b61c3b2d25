"""What the detectors have learnt, kept over a restart: calibrations taken over, stored, restored, and told of."""

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from gateway.models.calibration import CalibrationError
from gateway.models.cohorts import VERSION, Judged
from gateway.models.detector import Detector
from gateway.stages.rules import Rules
from gateway.stages.score import Abstain
from gateway.stages.sensor import Sensors

Chunk = tuple[str, str, int, bytes]
"""(asset, fingerprint, number of the first row, rows f8[n, D] as bytes)."""


class Keep(Protocol):
    """Where calibrations are kept; `gateway.state.store.StateStore` is one."""

    def calibration(self, asset: str, fingerprint: str) -> bytes | None:
        """The calibration of an asset, if it was made for these tags and this model."""

    def memory(self, asset: str, fingerprint: str) -> bytes | None:
        """What an asset's detector remembered last."""

    def gathered(self, asset: str, fingerprint: str) -> bytes:
        """The rows that were gathered for a calibration so far; empty where there are none."""

    def keep_calibration(self, asset: str, fingerprint: str, made: int, content: bytes) -> None:
        """Keep it."""


class Learning:
    """Looks after the calibrations of all assets."""

    def __init__(self, judged: Judged, learnt: Callable[[str, int], None], log: Any) -> None:
        """`learnt(asset, rows)` is called for each asset that has just become able to judge."""
        self.judged, self._learnt, self._log = judged, learnt, log
        self._cohort_of, self._place = judged.watch.places()
        self._kept: dict[tuple[Detector, int], int] = {}  # rows that are kept already

    def restore(self, keep: Keep) -> None:
        """Take up what was kept; what does not fit is learnt anew."""
        for detector, member, asset in self._members():
            content = keep.calibration(self._name(asset), self.fingerprint(asset))
            if content is None:
                self._resume(detector, member, keep.gathered(self._name(asset), self.fingerprint(asset)))
                continue
            memory = keep.memory(self._name(asset), self.fingerprint(asset))
            try:
                detector.restore(member, content)
                if memory is not None:
                    self._remember(detector, member, asset, memory)
            except CalibrationError as error:
                self._log.warning("calibration not usable", asset=self._name(asset), why=str(error))

        for rules, member, asset in self._rules():
            rules.restore(member, keep.memory(self._name(asset), self.fingerprint(asset)) or b"")

    def _remember(self, detector: Detector, member: int, asset: int, memory: bytes) -> None:
        """What was smoothed, and what is usual for the sensors."""
        size = len(detector.memory(member))
        detector.remember(member, memory[:size])
        self._sensors(asset).usual.restore(int(self._place[asset]), memory[size:])

    def _sensors(self, asset: int) -> Sensors:
        sensors = self.judged.watch.cohorts[int(self._cohort_of[asset])].sensors
        assert sensors is not None  # noqa: S101 - rules alone have none
        return sensors

    def _resume(self, detector: Detector, member: int, rows: bytes) -> None:
        """Go on gathering where the last run stopped."""
        width = 8 * detector.width
        if rows and len(rows) % width == 0:
            detector.gather(member, np.frombuffer(rows).reshape(-1, detector.width))
            self._kept[detector, member] = detector.progress(member)[0]

    def gathering(self) -> list[Chunk]:
        """What has been gathered for calibrations since the last call, to be kept now and then and at the end."""
        chunks = []
        for detector, member, asset in self._members():
            first = self._kept.get((detector, member), 0)
            if first > detector.progress(member)[0]:
                first = 0  # it learns anew
            rows = detector.gathered(member, first)
            if len(rows):
                chunks.append((self._name(asset), self.fingerprint(asset), first, rows.tobytes()))
                self._kept[detector, member] = first + len(rows)
        return chunks

    def poll(self) -> list[tuple[str, str, bytes]]:
        """Take over what has been fitted: (asset, fingerprint, content) to be kept."""
        fresh = []
        for number, detector in enumerate(self.judged.detectors):
            for member in detector.poll():
                asset = int(self.judged.taught[number][member])
                content = detector.calibration(member)
                if content is not None:
                    fresh.append((self._name(asset), self.fingerprint(asset), content))
                self._learnt(self._name(asset), detector.members[member].calibrate)
        return fresh

    def memories(self) -> list[tuple[str, str, bytes]]:
        """(asset, fingerprint, content) of every asset that scores, to be kept now and then and at the end."""
        scoring = [
            (self._name(asset), self.fingerprint(asset), detector.memory(member) + self._usual(asset))
            for detector, member, asset in self._members()
            if detector.status(member) is Abstain.NONE
        ]
        return scoring + [
            (self._name(asset), self.fingerprint(asset), rules.snapshot(member))
            for rules, member, asset in self._rules()
        ]

    def _usual(self, asset: int) -> bytes:
        return self._sensors(asset).usual.snapshot(int(self._place[asset]))

    def _rules(self) -> list[tuple[Rules, int, int]]:
        return [
            (cohort.scorer, member, int(asset))
            for cohort in self.judged.watch.cohorts
            if isinstance(cohort.scorer, Rules)
            for member, asset in enumerate(cohort.assets)
        ]

    def fingerprint(self, asset: int) -> str:
        """Of the tags and the model: another set of tags needs another calibration."""
        tags = "\n".join(self.judged.watch.configs[asset].tags)
        return hashlib.sha256(f"{VERSION}\n{tags}".encode()).hexdigest()[:16]

    def states(self) -> list[dict[str, Any]]:
        """For each asset, whether it calibrates or scores, and how far it is."""
        found = []
        for detector, member, asset in self._members():
            rows, needed = detector.progress(member)
            phase = detector.status(member).name.lower()
            found.append({"asset": self._name(asset), "phase": "scoring" if phase == "none" else phase,
                          "rows": rows, "needed": needed})  # fmt: skip
        return found

    def _members(self) -> list[tuple[Detector, int, int]]:
        return [
            (detector, member, asset)
            for detector, taught in zip(self.judged.detectors, self.judged.taught, strict=True)
            for member, asset in enumerate(taught.tolist())
        ]

    def _name(self, asset: int) -> str:
        return self.judged.watch.names[asset]

"""What the detectors have learnt, kept over a restart: calibrations taken over, stored, restored, and told of."""

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

from gateway.models.calibration import CalibrationError
from gateway.models.cohorts import VERSION, Judged
from gateway.models.detector import Detector
from gateway.stages.score import Abstain


class Keep(Protocol):
    """Where calibrations are kept; `gateway.state.store.StateStore` is one."""

    def calibration(self, asset: str, fingerprint: str) -> bytes | None:
        """The calibration of an asset, if it was made for these tags and this model."""

    def memory(self, asset: str, fingerprint: str) -> bytes | None:
        """What an asset's detector remembered last."""

    def keep_calibration(self, asset: str, fingerprint: str, made: int, content: bytes) -> None:
        """Keep it."""


class Learning:
    """Looks after the calibrations of all assets."""

    def __init__(self, judged: Judged, learnt: Callable[[str, int], None], log: Any) -> None:
        """`learnt(asset, rows)` is called for each asset that has just become able to judge."""
        self._judged, self._learnt, self._log = judged, learnt, log

    def restore(self, keep: Keep) -> None:
        """Take up what was kept; what does not fit is learnt anew."""
        for detector, member, asset in self._members():
            content = keep.calibration(self._name(asset), self.fingerprint(asset))
            if content is None:
                continue
            memory = keep.memory(self._name(asset), self.fingerprint(asset))
            try:
                detector.restore(member, content)
                if memory is not None:
                    detector.remember(member, memory)
            except CalibrationError as error:
                self._log.warning("calibration not usable", asset=self._name(asset), why=str(error))

    def poll(self) -> list[tuple[str, str, bytes]]:
        """Take over what has been fitted: (asset, fingerprint, content) to be kept."""
        fresh = []
        for number, detector in enumerate(self._judged.detectors):
            for member in detector.poll():
                asset = int(self._judged.watch.cohorts[number].assets[member])
                content = detector.calibration(member)
                if content is not None:
                    fresh.append((self._name(asset), self.fingerprint(asset), content))
                self._learnt(self._name(asset), detector.members[member].calibrate)
        return fresh

    def memories(self) -> list[tuple[str, str, bytes]]:
        """(asset, fingerprint, content) of every asset that scores, to be kept now and then and at the end."""
        return [
            (self._name(asset), self.fingerprint(asset), detector.memory(member))
            for detector, member, asset in self._members()
            if detector.status(member) is Abstain.NONE
        ]

    def fingerprint(self, asset: int) -> str:
        """Of the tags and the model: another set of tags needs another calibration."""
        tags = "\n".join(self._judged.watch.configs[asset].tags)
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
            (detector, member, int(asset))
            for detector, cohort in zip(
                self._judged.detectors, self._judged.watch.cohorts, strict=False
            )  # users' models follow
            for member, asset in enumerate(cohort.assets)
        ]

    def _name(self, asset: int) -> str:
        return self._judged.watch.names[asset]

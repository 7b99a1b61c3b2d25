"""The life of one model in one gateway: its record, its bundles in memory, the versions at work, and what is told.

Nothing here waits: bundles that a step may need lie in memory already, the files are the keeper's affair.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.config.schema import ModelsConfig
from gateway.models.bundle import Bundle, places
from gateway.models.cohorts import Watched
from gateway.models.compare import Comparison, Gate, text
from gateway.models.engine import Engine
from gateway.models.fallback import Cover
from gateway.models.lifecycle import Change, State
from gateway.models.manifest import BundleError, order
from gateway.models.process import Limits, WorkerError
from gateway.models.remote import Remote
from gateway.models.shelf import Shelf
from gateway.ops.health import Health
from gateway.ops.health import State as Condition
from gateway.sdk.clock import Clock

FAULTS_WITHIN: Final = 600.0  # s
REMEDY: Final = "see `fieldgate model list`; bring a mended version into shadow, or roll back"


@dataclass(frozen=True)
class Surroundings:
    """What a life needs of the gateway."""

    clock: Clock
    health: Health
    shelf: Shelf
    settings: ModelsConfig
    limits: Limits
    announce: Callable[[str, str, str, Mapping[str, Any]], None]


class Life:
    """One model. Satisfies remote.Keeper."""

    def __init__(
        self,
        name: str,
        assets: Sequence[Watched],
        around: Surroundings,
        start: Callable[[Engine], None],
        stop: Callable[[Engine], None],
    ) -> None:
        """`start` and `stop` have an engine run and end; assets are numbered from 0 in this order."""
        self.name, self.assets, self.bundles = name, tuple(assets), dict[str, Bundle]()
        self.remote = Remote(name, len(assets), len(assets[0].tags), self, [asset.baseline for asset in assets])
        self.record = around.shelf.record(name)
        self.changed = False
        covered = [asset.name for asset in assets if asset.fallback]
        self._cover = Cover(name, covered, self._tell)
        self._around, self._start, self._stop = around, start, stop
        self._engines: dict[str, Engine] = {}
        self._faults: dict[str, deque[float]] = {}
        self._reported = -1
        self._retired: Counter[str] = Counter()  # counters of engines that are gone

    # -- beginning ---------------------------------------------------------------------------------------------------

    def begin(self, folder: Path) -> None:
        """Take up what the configuration's `folder` and the shelf hold, before the gateway runs."""
        changes = self._fetch(self.record.last_good)
        found = self._configured(folder)
        if found is not None and self.record.active is None:
            changes += self._first(found)
        self.follow(changes)
        if self.record.active is None:
            self._ail("no version is active")

    def _configured(self, folder: Path) -> str | None:
        """The version that lies beside the configuration, installed; None where there is none that can be used."""
        path = next((one for one in (folder / self.name, folder / f"{self.name}.tar") if one.exists()), None)
        if path is None:
            return None
        try:
            bundle = self._around.shelf.open(path)
            self.install(bundle)
            self._around.shelf.put(bundle)
        except BundleError as error:
            self._tell("model refused", f"{path.name}: {error}", {"code": error.code})
            self._ail(str(error))
            return None
        return bundle.manifest.version

    def _first(self, version: str) -> list[Change]:
        """The configuration names the model and nothing is active: that is the act that starts it."""
        if self.record.floor and order(version) < order(self.record.floor):
            self._tell("model refused", f"{version} is older than {self.record.floor}, which was active", {})
            return []
        if self.record.states[version] is not State.INSTALLED:
            return []
        return self.record.promote(version, "named by the configuration")

    def _fetch(self, version: str | None) -> list[Change]:
        """Have a bundle in memory; what changes where it cannot be used."""
        if version is None or version in self.bundles:
            return []
        try:
            bundle = self._around.shelf.take(self.name, version)
            self.places(bundle)
        except BundleError as error:
            return self.record.fail(version, str(error))
        self.bundles[version] = bundle
        return []

    def _ready(self) -> list[Change]:
        """Have in memory what is to run; what changes where that cannot be."""
        changes: list[Change] = []
        while lacking := [one for one in (self.record.active, self.record.second) if one and one not in self.bundles]:
            changes += self._fetch(lacking[0])
        return changes

    def install(self, bundle: Bundle) -> None:
        """Note a bundle that lies on the shelf. Raises BundleError when it does not suit the assets."""
        if bundle.manifest.name != self.name:
            raise BundleError("manifest", f"the bundle holds the model {bundle.manifest.name}, not {self.name}")
        self.places(bundle)
        version = bundle.manifest.version
        self.bundles[version] = bundle
        if version not in self.record.states:
            self.record.install(version)
            self.changed = True
            self._tell("model installed", f"{bundle.label} is installed, signed by {bundle.key}", {"version": version})

    def places(self, bundle: Bundle) -> NDArray[np.int64]:
        """Where each asset has the tag of each input: i8[n, D]. Raises BundleError (units, pace)."""
        return places(bundle, self.assets)

    def lost(self, version: str, error: BundleError) -> None:
        """A version that was to be kept at hand cannot be used."""
        self.follow(self.record.fail(version, str(error)))

    # -- steps -------------------------------------------------------------------------------------------------------

    def engines(self) -> list[Engine]:
        """Those that are to run."""
        return list(self._engines.values())

    def follow(self, changes: Sequence[Change]) -> str:
        """Act on what the record has decided; in words, what that was."""
        changes = [*changes, *self._ready()]
        for change in changes:
            words = f"{self.name} {change.version}: {change.previous} → {change.state}: {change.why}"
            fields = {"version": change.version, "previous": change.previous.value, "state": change.state.value}
            self._tell(f"model {change.state}", words, {**fields, **self._figures(change)})
        self.changed = self.changed or bool(changes)
        active, second = self._engine(self.record.active), self._engine(self.record.second)
        self._compare(active, second)
        self.remote.swap(active, second)
        self._cover.look(out=active is None)
        for version, engine in list(self._engines.items()):
            if engine not in (active, second):
                self._retired += engine.counters
                del self._engines[version]
                self._stop(engine)
        if changes and active is None:
            self._ail(self.record.why.get(changes[-1].version, ""))
        return "; ".join(f"{change.version} is {change.state}" for change in changes)

    def _engine(self, version: str | None) -> Engine | None:
        if version is None:
            return None
        if version not in self._engines:
            bundle = self.bundles[version]
            self._engines[version] = Engine(bundle, self.places(bundle), self._around.limits, self.remote)
            self._faults[version] = deque(maxlen=self._around.settings.faults)
            self._start(self._engines[version])
        return self._engines[version]

    def _compare(self, active: Engine | None, second: Engine | None) -> None:
        old, remote = self.remote.comparison, self.remote
        if active is None or second is None:
            remote.comparison = None
            return
        pair = (active.version, second.version)
        if old is not None and (old.active.version, old.second.version) == pair:
            return
        swapped = old is not None and (old.second.version, old.active.version) == pair
        remote.comparison = Comparison(*pair, before=old if swapped else None)
        self._reported = -1

    # -- remote.Keeper -----------------------------------------------------------------------------------------------

    def ready(self, remote: Remote, engine: Engine) -> None:
        """The process of a version is there."""
        if engine is remote.active:
            self._around.health.report(self._part, Condition.OK)
        told = engine.told
        passed = "".join(f"; {name} not: {why}" for name, why in told["passed"])
        if engine.counters["starts"] == 1 or passed:
            text = f"{engine.bundle.label} runs on {told['provider']}{passed}"
            self._tell("model running", text, {"version": engine.version, "provider": told["provider"]})

    def failed(self, remote: Remote, engine: Engine, error: WorkerError | BundleError) -> None:
        """Count a fault; too many, or one in shadow's golden run or in probation, and the version is quarantined."""
        faults = self._faults.get(engine.version)
        if faults is None or engine not in (remote.active, remote.second):
            return
        now = self._around.clock.monotonic()
        faults.append(now)
        fields = {"version": engine.version, "code": error.code}
        self._tell("model fault", f"{error}", fields)
        often = len(faults) == faults.maxlen and now - faults[0] <= FAULTS_WITHIN
        on_trial = engine is remote.active and self.record.holder(State.STANDBY) is not None
        refused = engine is remote.second and isinstance(error, BundleError)
        if often or on_trial or refused:
            self.follow(self.record.fail(engine.version, str(error)))
        elif engine is remote.active:
            self._around.health.report(self._part, Condition.DEGRADED, str(error), "the worker is started again")

    # -- looks -------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Promote a shadow that has passed its gate, end a probation, or go back from a version that has shifted."""
        comparison, record, settings = self.remote.comparison, self.record, self._around.settings
        if comparison is None:
            return
        if record.holder(State.SHADOW) is not None:
            if settings.promote == "gate" and all(kept for _, kept, _ in comparison.findings(self.gate)):
                self.follow(record.promote(None, "it has passed the gate"))
        elif record.active is not None and (shift := comparison.shifted()):
            self.follow(record.fail(record.active, shift))
        elif comparison.rows >= settings.rows:
            self.follow(record.settle())

    @property
    def gate(self) -> Gate:
        """What a shadow must keep."""
        settings = self._around.settings
        return Gate(settings.rows, settings.agreement, settings.alarm_rate, settings.latency)

    def take_report(self) -> tuple[dict[str, Any], str] | None:
        """The comparison for programs and people, where it has gone on since the last call."""
        comparison = self.remote.comparison
        if comparison is None or comparison.rows == self._reported:
            return None
        self._reported = comparison.rows
        report, findings = comparison.report(), comparison.findings(self.gate)
        gates = [{"criterion": what, "kept": kept, "text": words} for what, kept, words in findings]
        return {"model": self.name, **report, "gate": gates}, text(self.name, report, findings)

    def missing(self) -> str | None:
        """A version that a step may need at once and that is not in memory."""
        last = self.record.last_good
        return last if last is not None and last not in self.bundles else None

    def state(self) -> dict[str, Any]:
        """For status pages."""
        active = self.remote.active
        return {
            "model": self.name,
            "active": self.record.active,
            "beside": self.record.second,
            "provider": active.told.get("provider") if active else None,
            "versions": {version: state.value for version, state in self.record.states.items()},
            "waiting": self.remote.waiting,
            "pid": active.pid if active else 0,
            **self.counters(),
        }

    def phases(self) -> list[tuple[Watched, str]]:
        """What each asset is doing."""
        if self.remote.out:
            return [(asset, "fallback" if asset.fallback else "model_failed") for asset in self.assets]
        filling = self.remote.filling()
        return [(asset, "filling" if filling[number] else "scoring") for number, asset in enumerate(self.assets)]

    def counters(self) -> Counter[str]:
        """Of the scorer and of all engines so far."""
        return sum((engine.counters for engine in self.engines()), self.remote.counters + self._retired)

    # -- told --------------------------------------------------------------------------------------------------------

    @property
    def _part(self) -> str:
        return f"model {self.name}"

    def _figures(self, change: Change) -> dict[str, Any]:
        comparison = self.remote.comparison
        judged = (State.ACTIVE, State.QUARANTINED)
        return {"comparison": comparison.report()} if comparison is not None and change.state in judged else {}

    def _ail(self, why: str) -> None:
        self._around.health.report(self._part, Condition.FAILED, why, REMEDY)

    def _tell(self, kind: str, words: str, fields: Mapping[str, Any]) -> None:
        self._around.announce(self.name, kind, words, fields)

"""Why a value or an alarm is missing: each planted failure is named by its step. Real parts, no network."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from gateway.config.assets import AlarmConfig, AssetConfig
from gateway.config.schema import OutboxConfig
from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.models.cohorts import assemble
from gateway.models.learning import Learning
from gateway.ops.files import RealFiles
from gateway.ops.health import Health, State
from gateway.pipeline import Outward, Pipeline
from gateway.sdk import Batch, DeviceConfig, Kind, TagConfig, TagTable, quality
from gateway.sdk.testing import FakeClock, SilentLog
from gateway.stages.sensor import Fault
from gateway.stages.states import Event
from gateway.status import Parts, Status
from gateway.why import Why

SECOND, ROWS = 10**9, 200
TAGS = {"a": TagConfig(unit="bar"), "b": TagConfig(deadband=5.0), "c": TagConfig(), "d": TagConfig()}
ASSET = AssetConfig(tags=[f"pump.{tag}" for tag in TAGS], calibrate=ROWS, alarm=AlarmConfig(on_delay=3.0, realarm=0.0))


class FakePublisher:
    """Stands for a connection to a broker: as connected as it is told to be."""

    def __init__(self) -> None:
        self.connected, self.last_error, self.trouble, self.counters = True, "", "", Counter[str]()


class Scene:
    """One device with four tags, one asset on them; everything is well and judged."""

    def __init__(self, folder: Path, telemetry: Any = "changes", asset: AssetConfig = ASSET) -> None:
        self.clock, self.health, self.publisher = FakeClock(), Health(FakeClock()), FakePublisher()
        self.table = TagTable.build([DeviceConfig(device="pump", adapter="x", every=1.0, tags=TAGS)])
        self.judged = assemble({"line": asset}, self.table)
        self.outbox = Outbox(RealFiles(), folder / "outbox", OutboxConfig(), self.clock)
        self.outbox.open()
        out = Outward("g", self.outbox, lambda cls, name: f"{cls}/{name}", telemetry)
        self.pipeline = Pipeline(self.table, self.judged.watch, out)
        self.learning = Learning(self.judged, lambda _asset, _rows: None, SilentLog())
        nobody = cast("Any", None)
        publisher = cast("Any", self.publisher)
        parts = Parts("g", self.health, self.pipeline, nobody, self.judged, self.learning, self.outbox, publisher, (),
                      nobody, nobody)  # fmt: skip
        self.status = Status(parts)
        self.why = Why(parts, self.status, self.table, telemetry)
        self.rng, self.time = np.random.default_rng(0), 0
        self.health.report("device pump", State.OK)

    def scan(self, *values: float, status: list[int] | None = None) -> None:
        self.time += SECOND
        codes = None if status is None else np.array(status, np.uint32)
        batch = Batch.of(self.table.groups[0], np.array(values, float), self.time, status=codes)
        self.take(batch)

    def scans(self, *rows: tuple[float, ...]) -> None:
        for row in rows:
            self.scan(*row)

    def take(self, batch: Batch) -> None:
        self.pipeline.process([batch], self.time)
        self.status.note()
        self.learning.poll()
        self.outbox.step()
        for record in self.outbox.take(100):
            self.outbox.ack(record.cls, record.sequence)

    def learn(self, rows: int = ROWS + 20) -> "Scene":
        for _ in range(rows):
            self.scan(*self.rng.normal(50, 1, 4).tolist())
        return self


def lost(scene: Scene) -> None:
    scene.health.report("device pump", State.DEGRADED, "BadTimeout", "check power")
    group = scene.table.groups[0]
    scene.take(Batch.failed(group, quality.BAD_NOT_CONNECTED, scene.time + SECOND, Kind.LOST))


def shelve(scene: Scene) -> None:
    scene.judged.watch.alarms.command(0, Event.SHELVE, scene.time, scene.time + 3600 * SECOND)


def out_of_service(scene: Scene) -> None:
    scene.judged.watch.alarms.command(0, Event.REMOVE, scene.time)


def broker_away(scene: Scene) -> None:
    scene.publisher.connected, scene.publisher.last_error = False, "connection refused"


def refusing(scene: Scene) -> None:
    scene.publisher.counters["refused"], scene.publisher.last_error = 3, "Not authorized"


def overflow(scene: Scene) -> None:
    scene.outbox._memory = 10
    scene.scan(1, 2, 3, 4)


def host_away(scene: Scene) -> None:
    scene.publisher.trouble = "telemetry waits for the primary host scada"


def slow_broker(scene: Scene) -> None:
    for cls in Class:
        scene.outbox.put(cls, scene.outbox.reserve(cls), "t", b"{}", 1)
    scene.outbox.step()
    scene.clock.advance(60.0)


def frozen(scene: Scene) -> None:
    cohort = scene.judged.watch.cohorts[0]
    assert cohort.sensors is not None
    cohort.sensors.fault[0, 2] = Fault.FROZEN


TELEMETRY: list[tuple[str, Callable[[Scene], None], str, str]] = [
    ("pump.a", lost, "device", "pump: BadTimeout; check power"),
    ("pump.a", lambda s: s.scan(1, 2, 3, 4, status=[quality.BAD_OUT_OF_RANGE, 0, 0, 0]), "quality", "BadOutOfRange"),
    (
        "pump.a",
        lambda s: s.pipeline.sweep(s.time + 60 * SECOND, s.time),
        "quality",
        "stale: not read for more than 3 s",
    ),
    ("pump.b", lambda s: s.scans((50, 50, 50, 50), (50, 51, 50, 50)), "telemetry", "dead-band of 5"),
    ("pump.a", lambda s: s.scans((50, 50, 50, 50), (50, 50, 50, 50)), "telemetry", "sent as 50 bar, and has not"),
]
ALARMS: list[tuple[Callable[[Scene], None], str, str]] = [
    (lost, "device", "BadTimeout"),
    (lambda s: s.scan(50, 50, 50, 50, status=[quality.BAD_TIMEOUT] * 3 + [0]), "quality", "too few of its tags"),
    (shelve, "alarm", "shelved"),
    (out_of_service, "alarm", "out-of-service"),
    (broker_away, "broker", "connection refused"),
    (frozen, "sensors", "pump.c is frozen"),
    (lambda _: None, "score", "taken for normal"),
]  # fmt: skip


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Scene]:
    return lambda: Scene(tmp_path_factory.mktemp("scene")).learn()


@pytest.mark.parametrize(("name", "plant", "step", "text"), TELEMETRY)
def test_what_is_in_the_way_of_a_value(
    taught: Callable[[], Scene], name: str, plant: Callable[[Scene], None], step: str, text: str
) -> None:
    scene = taught()
    plant(scene)
    way = scene.why.of(name)
    assert way["kind"] == "tag"
    assert (way["culprit"], text in way["verdict"]) == (step, True), way


@pytest.mark.parametrize(("plant", "step", "text"), ALARMS)
def test_what_is_in_the_way_of_an_alarm(
    taught: Callable[[], Scene], plant: Callable[[Scene], None], step: str, text: str
) -> None:
    scene = taught()
    plant(scene)
    way = scene.why.of("line")
    assert way["kind"] == "asset"
    assert (way["culprit"], text in way["verdict"]) == (step, True), way


@pytest.mark.parametrize(
    ("plant", "step", "text"),
    [
        (refusing, "broker", "refused 3"),
        (overflow, "outbox", "(overflow)"),
        (slow_broker, "outbox", "the broker is slow"),
        (host_away, "broker", "waits for the primary host scada"),
    ],
)
def test_what_is_in_the_way_behind_the_gateway(
    taught: Callable[[], Scene], plant: Callable[[Scene], None], step: str, text: str
) -> None:
    scene = taught()
    scene.scan(*scene.rng.normal(80, 1, 4).tolist())
    plant(scene)
    found = [one for one in scene.why.of("pump.c")["steps"] if one["step"] == step]
    assert text in found[0]["text"]
    assert found[0]["stand"] != "ok"


@pytest.mark.parametrize(
    ("values", "codes", "text"),
    [
        ((50, 50, 50, 3), [0, 0, 0, 0], "suppressed by design: pump.d > 10 does not hold"),
        ((50, 50, 50, 50), [0, 0, 0, quality.BAD_TIMEOUT], "whether pump.d > 10 holds is not known"),
        ((50, 50, 50, 50), [0, 0, 0, 0], "pump.d > 10 must hold for 5 s"),
    ],
)
def test_a_machine_that_does_not_run_is_not_judged(
    tmp_path: Path, values: tuple[float, ...], codes: list[int], text: str
) -> None:
    scene = Scene(tmp_path, asset=ASSET.model_copy(update={"when": "pump.d > 10", "settle": 5.0})).learn(ROWS + 30)
    scene.scan(1, 1, 1, 3)
    assert not scene.judged.watch.alarms.active[0]
    scene.scan(*values, status=codes)
    way = scene.why.of("line")
    assert (way["culprit"], text in way["verdict"]) == ("operating", True), way
    scene.scans(*[(50, 50, 50, 50)] * 6)
    assert scene.why.of("line")["culprit"] != "operating"


def test_an_asset_that_learns_says_how_far_it_is(tmp_path: Path) -> None:
    scene = Scene(tmp_path).learn(ROWS // 2)
    way = scene.why.of("line")
    assert (way["culprit"], way["verdict"]) == (
        "detector",
        f"it still learns what is normal: {ROWS // 2} of {ROWS} rows",
    )


def test_a_score_above_waits_for_its_delay_and_then_nothing_is_in_the_way(taught: Callable[[], Scene]) -> None:
    scene = taught()
    scene.scan(*scene.rng.normal(90, 9, 4).tolist())
    assert scene.why.of("line")["culprit"] == "alarm"
    for _ in range(5):
        scene.scan(*scene.rng.normal(90, 9, 4).tolist())
    assert scene.why.of("line")["verdict"] == "nothing is in its way"


def test_telemetry_that_is_off_and_a_device_that_was_never_heard(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "off").learn(3)
    assert scene.why.of("pump.a")["culprit"] == "telemetry"
    scene.health.report("device pump", State.STARTING)
    assert scene.why.of("pump.a")["verdict"] == "pump has not been heard from yet"


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    assert set(scene.why.names()) == {"line", "pump.a", "pump.b", "pump.c", "pump.d"}
    with pytest.raises(KeyError):
        scene.why.of("pump.z")

"""The daemon under load, killed by SIGKILL at any instant while the broker comes and goes: what it accepted arrives.

    ./dev bench kill [--kills 100] [--seed N]

The daemon tells in its debug log what it has accepted, after the fsync. A subscriber whose session outlives the broker
must get all of that, whole, and twice only under the same id with the same bytes. Without mosquitto the embedded broker
serves; it keeps no sessions over a restart, so it is frozen instead of stopped.
"""

import argparse
import contextlib
import json
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson

from bench.rig import Mosquitto, Sink, answered_us, counter_of, farm_config, journal
from gateway.cli.children import Child, ChildError, daemon, listening, simulator, write_configuration
from gateway.cli.status import fetch

FARM, REGISTERS, PERIOD = 20, 60, "100ms"
ASSETS = 4  # each with a signal that swings far beyond all that it has learnt
CALM, WILD, SWING = 60.0, 100.0, "400ms"  # the signal that they learn, what it swings to afterwards, and how fast
STARTED_WITHIN, DRAINED_WITHIN = 30.0, 60.0
ALARM_STATES = {"normal", "active-unacknowledged", "returned-unacknowledged"}  # nobody acknowledges here
EVENTS = {"calibrated", "device lost", "device back"}  # a kill alone damages nothing
_ID = re.compile(r"bench/([0-9a-f]+)/(alarm|event|telemetry)/([1-9]\d*)")


class Key(NamedTuple):
    """What makes an id."""

    cls: str
    epoch: str
    sequence: int


# -- broker and subscriber ---------------------------------------------------------------------------------------------


class Broker(Protocol):
    """A broker that can go away and come back without forgetting what its subscribers have not had."""

    port: int

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Frozen:
    """The embedded broker; it goes away by falling silent."""

    def __init__(self, folder: Path) -> None:
        self._child, ready = simulator("broker", log=folder / "broker.log")
        self.port = int(ready["mqtt5"])

    def start(self) -> None:
        self._child.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._child.process.send_signal(signal.SIGSTOP)

    def end(self) -> None:
        self.start()
        self._child.stop()


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """Mosquitto where it is installed, else the embedded one. It runs."""
    if shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").is_file():
        real = Mosquitto(folder)
        try:
            yield real
        finally:
            real.stop()
    else:
        embedded = Frozen(folder)
        try:
            yield embedded
        finally:
            embedded.end()


class Ear(Sink):
    """Keeps topic and bytes of every message; knows nothing of JSON, so that nothing broken escapes it."""

    def __init__(self, port: int, topic: str) -> None:
        self.heard: list[tuple[str, bytes]] = []
        super().__init__(port, topic)
        until = time.monotonic() + STARTED_WITHIN
        while not self.heard:  # the subscription stands when a message comes back
            assert time.monotonic() < until, "the broker does not answer"
            self._client.publish(topic.replace("#", "probe/probe"), b"probe", 1)
            time.sleep(0.05)

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        self.heard.append((message.topic, bytes(message.payload)))
        self.messages.append((time.time_ns(), {}))

    def of(self, *classes: str) -> list[bytes]:
        """Payloads of these classes, in the order of arrival."""
        return [body for topic, body in list(self.heard) if topic.split("/")[2] in classes]


class Weather(threading.Thread):
    """Lets the broker go and come at random until it is over; the broker is there then."""

    def __init__(self, one: Broker, rng: random.Random) -> None:
        super().__init__(name="weather", daemon=True)
        self._broker, self._rng, self._over = one, rng, threading.Event()
        self.outages = 0
        self.failure: str = ""

    def run(self) -> None:
        try:
            while not self._over.wait(self._rng.uniform(0.5, 4.0)):
                self._broker.stop()
                self.outages += 1
                self._over.wait(self._rng.uniform(0.2, 2.5))
                self._broker.start()
        except SystemExit as error:  # a broker that does not come back
            self.failure = str(error)

    def end(self) -> None:
        self._over.set()
        self.join(STARTED_WITHIN)


# -- the torture -------------------------------------------------------------------------------------------------------


@dataclass
class Told:
    """What the lives of the daemon said that they had accepted, in their order: (class, epoch, first, last)."""

    lives: list[list[tuple[str, str, int, int]]] = field(default_factory=list)

    def hear(self, log: Path) -> None:
        """Take in the log of one life. A line that the kill cut off says nothing."""
        life = []
        for line in log.read_bytes().split(b"\n"):
            with contextlib.suppress(json.JSONDecodeError):
                said = json.loads(line) if b'"accepted"' in line else {}
                if said.get("event") == "accepted":
                    life.append((said["cls"], said["epoch"], said["first"], said["last"]))
        self.lives.append(life)

    @property
    def accepted(self) -> set[Key]:
        return {Key(c, e, n) for life in self.lives for c, e, first, last in life for n in range(first, last + 1)}

    def may_have(self, key: Key) -> bool:
        """Whether `key` can have been written though no life told of it: killed between write and word."""
        spans = [[(f, t) for c, e, f, t in life if (c, e) == key[:2]] for life in self.lives]
        ranges = [(span[0][0], span[-1][1]) for span in spans if span]
        inside = any(first <= key.sequence <= last for first, last in ranges)
        return not inside and key.sequence <= max((last for _, last in ranges), default=0)


@dataclass
class Torture:
    """One run: what was told, what was heard, and what the farm had answered."""

    told: Told
    heard: list[bytes]
    answered: dict[tuple[int, int], int]  # (device, number of the read) → wall us
    outages: int
    seconds_a_kill: float


class Scene:
    """Farm, broker and subscriber, and a daemon that never lives long."""

    def __init__(self, folder: Path, one: Broker) -> None:
        self.folder, self.broker, self.state = folder, one, folder / "state"
        self.state.mkdir()
        options = ("--devices", str(FARM), "--registers", str(REGISTERS), "--period", PERIOD)
        self.farm, self._ready = simulator(
            "farm", *options, "--journal", str(folder / "journal.csv"), log=folder / "farm.log"
        )
        self.ear = Ear(one.port, "fieldgate/bench/#")
        self.told, self.lives = Told(), 0
        self.load = self._configured("load", swing=True)

    def _configured(self, name: str, *, swing: bool = False, farm: bool = True) -> Path:
        """The configuration of one act: the farm, and the devices with the signal that the assets judge."""
        folder = self.folder / name
        ready = self._ready if farm else {**self._ready, "ports": []}
        folder.mkdir()
        root = json.loads(farm_config(folder, ready, self.broker.port, "all" if farm else "off").read_text())
        half = (WILD - CALM) / 2 if swing else 0.0
        level = {"wave": "square", "mean": CALM + half, "amplitude": half, "period": SWING, "noise": 0.2}
        devices = [
            {"device": f"swing-{i}", "adapter": "sim", "every": PERIOD, "seed": i, "tags": {"level": level}}
            for i in range(ASSETS)
        ]
        alarm = {"on_delay": "0s", "off_delay": "0s"}
        root["assets"] = {
            f"asset-{i}": {"tags": [f"swing-{i}.level"], "calibrate": 50, "alarm": alarm} for i in range(ASSETS)
        }
        return write_configuration(folder, root, devices)

    def start(self, config: Path) -> tuple[Child, Path]:
        """The next life, and its log."""
        self.lives += 1
        log = self.folder / f"life-{self.lives:04}.log"
        return daemon(config, self.state, log, "--log-level", "debug"), log

    def learn(self) -> None:
        """Let the assets learn a steady signal."""
        gateway, log = self.start(self._configured("learn"))
        address = listening(gateway, self.state)
        wait(lambda: all(a["phase"] == "scoring" for a in fetch(address)["assets"]), "the assets learn", gateway)
        gateway.stop()
        self.told.hear(log)

    def live(self, rng: random.Random) -> None:
        """One life under load, ended at a random instant: while it starts, soon after its first commit, or later."""
        began = time.monotonic()
        gateway, log = self.start(self.load)
        if rng.random() < 0.3:
            time.sleep(rng.uniform(0.0, 1.0))
        else:
            wait(lambda: b'"accepted"' in log.read_bytes(), "the first commit", gateway)
            time.sleep(rng.uniform(0.0, 0.4) if rng.random() < 0.8 else rng.uniform(1.0, 1.5))
        gateway.kill()
        assert time.monotonic() - began < STARTED_WITHIN
        self.told.hear(log)

    def drain(self) -> None:
        """A last life with nothing new to tell brings everything out."""
        gateway, log = self.start(self._configured("drain", farm=False))
        address = listening(gateway, self.state)
        wait(lambda: not queued(fetch(address)), "the outbox is empty", gateway, DRAINED_WITHIN)
        self.ear.quiet(1.0, 10.0)
        gateway.stop()
        self.told.hear(log)


def queued(status: dict[str, Any]) -> int:
    """Messages that wait; at least one while there is no broker."""
    waiting = sum(int(one["queued"]) for one in status["outbox"]["classes"].values())
    return waiting + (not status["broker"]["connected"])


def wait(condition: Any, what: str, gateway: Child, within: float = STARTED_WITHIN) -> None:
    until = time.monotonic() + within
    while not condition():
        if not gateway.alive or time.monotonic() > until:
            raise ChildError(f"{what}: not within {within:.0f} s; {gateway.last_words()}")
        time.sleep(0.01)


def torture(folder: Path, kills: int, seed: int) -> Torture:
    """Kill the daemon `kills` times, then let it drain."""
    rng = random.Random(seed)
    with broker(folder) as one, contextlib.ExitStack() as stack:
        scene = Scene(folder, one)
        stack.callback(scene.farm.stop)
        stack.callback(scene.ear.stop)
        scene.learn()
        weather = Weather(one, random.Random(seed + 1))
        weather.start()
        began = time.monotonic()
        for _ in range(kills):
            scene.live(rng)
        took = (time.monotonic() - began) / max(kills, 1)
        weather.end()
        assert not weather.failure, weather.failure
        scene.drain()
    answered = {(device, count): at for device, count, at in journal(folder / "journal.csv")}
    return Torture(scene.told, scene.ear.of("alarm", "event", "telemetry"), answered, weather.outages, took)


# -- the judge ---------------------------------------------------------------------------------------------------------


@dataclass
class Verdict:
    """What is wrong, by kind; nothing when all is well."""

    kinds: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    figures: dict[str, int] = field(default_factory=dict)

    def note(self, kind: str, *examples: object) -> None:
        if examples:
            self.kinds[kind] += len(examples)
            self.examples.setdefault(kind, str(examples[0])[:300])


def judge(run: Torture) -> Verdict:
    """Compare what was told with what was heard."""
    verdict, bodies = Verdict(), defaultdict(list)
    for body in run.heard:
        key, problem = read(body, run.answered)
        if problem:
            verdict.note("corrupt", f"{problem}: {body!r}")
        if key:
            bodies[key].append(body)
    accepted = run.told.accepted
    untold = bodies.keys() - accepted
    two = [key for key, copies in bodies.items() if len(set(copies)) > 1]
    verdict.note("lost", *sorted(accepted - bodies.keys()))
    verdict.note("unknown", *(key for key in untold if not run.told.may_have(key)))
    verdict.note("two contents under one id", *two)
    by_class = Counter(key.cls for key in accepted)
    reads = sum(b'"device":"farm-' in copies[0] for copies in bodies.values())
    verdict.figures = {
        "accepted": len(accepted), "reads": reads, "alarms": by_class["alarm"], "events": by_class["event"],
        "repeats": sum(len(copies) - 1 for copies in bodies.values()), "untold": len(untold), "outages": run.outages,
    }  # fmt: skip
    return verdict


def read(body: bytes, answered: dict[tuple[int, int], int]) -> tuple[Key | None, str]:
    """The id of a message, and what is wrong with its content."""
    try:
        message = orjson.loads(body)
        matched = _ID.fullmatch(message["id"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None, "no message"
    if matched is None:
        return None, "no id"
    key = Key(matched[2], matched[1], int(matched[3]))
    if (message["epoch"], message["sequence"]) != key[1:]:
        return key, "the id is of another sequence"
    if key.cls != "telemetry":
        return key, _event(message)
    return key, _farm(message, answered) if message["device"].startswith("farm-") else _swing(message)


def _event(message: dict[str, Any]) -> str:
    if message["type"] == "event":
        return "" if message["kind"] in EVENTS else f"unexpected: {message['kind']}"
    sound = message["state"] in ALARM_STATES and message["previous"] in ALARM_STATES - {message["state"]}
    named = message["contributions"][0]["tag"] == message["asset"].replace("asset", "swing") + ".level"
    return "" if sound and named and message["score"] >= 0 else "no such alarm"


def _farm(message: dict[str, Any], answered: dict[tuple[int, int], int]) -> str:
    device, values, status = message["device"], message["values"], message.get("status")
    if message["tags"] != [f"{device}.r{i}" for i in range(REGISTERS)] or len(values) != REGISTERS:
        return "not the farm's tags"
    if status:
        return "" if all(v is None for v, s in zip(values, status, strict=True) if s) else "a bad value has a number"
    count = counter_of(message)
    pattern = [(257 * i + count % 64) % 65536 for i in range(6, REGISTERS)]
    if values[6:] != pattern:
        return "not the farm's values"
    return "" if answered.get((int(device[5:]), count)) == answered_us(message) else "never answered by the farm"


def _swing(message: dict[str, Any]) -> str:
    [value] = message["values"]
    return "" if CALM - 3 < value < WILD + 3 else "not the signal's value"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = torture(Path(folder), args.kills, args.seed)
    verdict = judge(run)
    figures = "  ".join(f"{value} {name}" for name, value in verdict.figures.items())
    print(f"kill    {args.kills} kills (seed {args.seed})  {run.seconds_a_kill:.2f} s each  {figures}  "
          f"wrong: {dict(verdict.kinds) or 'nothing'}")  # fmt: skip
    for kind, example in verdict.examples.items():
        print(f"  {kind}: {example}", file=sys.stderr)
    return 1 if verdict.kinds else 0


if __name__ == "__main__":
    sys.exit(main())

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
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from bench.kill_judge import CALM, REGISTERS, WILD, Told, Torture, judge
from bench.rig import Mosquitto, Sink, farm_config, journal
from gateway.cli.asking import fetch
from gateway.cli.children import Child, ChildError, daemon, listening, simulator, write_configuration

FARM, PERIOD = 20, "100ms"
ASSETS, SWING = 4, "400ms"  # each with a signal that swings far beyond all that it has learnt
SILENCE = 0.3  # s between the last answer of a broker and its end
STARTED_WITHIN, DRAINED_WITHIN = 30.0, 60.0


class Broker(Protocol):
    """A broker that can go away and come back without forgetting what its subscribers have not had."""

    port: int

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Abrupt(Mosquitto):
    """Mosquitto that falls silent before it ends: what it was sent meanwhile has reached it and has not been taken."""

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGSTOP)
            time.sleep(SILENCE)
            self._process.send_signal(signal.SIGTERM)
            self._process.send_signal(signal.SIGCONT)
        super().stop()


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
        real = Abrupt(folder)
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

    def __init__(self, port: int, topic: str, name: str = "bench-sink") -> None:
        self.heard: list[tuple[str, bytes]] = []
        super().__init__(port, topic, name)
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
            while not self._over.wait(self._rng.uniform(0.3, 2.5)):
                self._broker.stop()
                self.outages += 1
                self._over.wait(self._rng.uniform(0.1, 1.5))
                self._broker.start()
        except SystemExit as error:  # a broker that does not come back
            self.failure = str(error)

    def end(self) -> None:
        self._over.set()
        self.join(STARTED_WITHIN)


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
        """One life under load, ended at a random instant: while it starts, at the word of a commit, or whenever."""
        gateway, log = self.start(self.load)
        kind = rng.choices(("start", "word", "soon", "later"), (25, 25, 25, 25))[0]
        if kind == "start":
            time.sleep(rng.uniform(0.0, 1.0))
        else:
            wait(lambda: b'"accepted"' in log.read_bytes(), "the first commit", gateway)
            time.sleep(rng.uniform(1.0, 1.5) if kind == "later" else rng.uniform(0.0, 0.3))
        if kind == "word":
            next_word(log)
        gateway.kill()
        self.told.hear(log)

    def drain(self) -> None:
        """A last life with nothing new to tell brings everything out."""
        gateway, log = self.start(self._configured("drain", farm=False))
        address = listening(gateway, self.state)
        wait(lambda: not queued(fetch(address)), "the outbox is empty", gateway, DRAINED_WITHIN)
        self.ear.quiet(1.0, 10.0)
        gateway.stop()
        self.told.hear(log)


def next_word(log: Path) -> None:
    """Return as soon as the daemon has written another line; were it told too early, a kill now would show it."""
    size, until = log.stat().st_size, time.monotonic() + 1.0
    while log.stat().st_size == size and time.monotonic() < until:
        pass


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

"""The judge of bench/kill.py: what the daemon said that it had accepted, against what a subscriber heard. Pure.

Everything accepted must have come, whole, under one id with one content, and nothing that nobody knows of.
"""

import contextlib
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from bench.rig import answered_us, counter_of

REGISTERS = 60  # of each device of the farm
CALM, WILD = 60.0, 100.0  # the signal that the assets learn, and what it swings to afterwards
ALARM_STATES = {"normal", "active-unacknowledged", "returned-unacknowledged"}  # nobody acknowledges here
EVENTS = {"calibrated", "device lost", "device back", "sensor fault", "sensor good"}  # a kill alone damages nothing
UNTOLD = 200  # messages that the last life may have written without a word
_ID = re.compile(r"bench/([0-9a-f]+)/(alarm|event|telemetry)/([1-9]\d*)")


class Key(NamedTuple):
    """What makes an id."""

    cls: str
    epoch: str
    sequence: int


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

    def by_life(self) -> Counter[Key]:
        """In how many lives each id was called accepted; an id that was lost is given again by the next life."""
        return Counter(
            key
            for life in self.lives
            for key in {Key(c, e, n) for c, e, first, last in life for n in range(first, last + 1)}
        )

    def may_have(self, key: Key) -> bool:
        """Whether `key` can have been written though no life told of it: killed between write and word."""
        spans = [[(f, t) for c, e, f, t in life if (c, e) == key[:2]] for life in self.lives]
        ranges = [(span[0][0], span[-1][1]) for span in spans if span]
        inside = any(first <= key.sequence <= last for first, last in ranges)
        return not inside and key.sequence <= max((last for _, last in ranges), default=0) + UNTOLD


@dataclass
class Torture:
    """One run: what was told, what was heard, and what the farm had answered."""

    told: Told
    heard: list[bytes]
    answered: dict[tuple[int, int], int]  # (device, number of the read) → wall us
    outages: int
    seconds_a_kill: float


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
    lives = run.told.by_life()
    accepted = set(lives)
    untold = bodies.keys() - accepted
    two = [key for key, copies in bodies.items() if len(set(copies)) > 1]
    verdict.note("lost", *sorted(accepted - bodies.keys()))
    verdict.note("accepted twice", *(key for key, count in lives.items() if count > 1))
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

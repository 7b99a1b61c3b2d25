"""Ten thousand random commands: only those that are allowed reach the PLC, each once; each command is in the audit."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.state.audit import read, verify
from tests.operators.plc import Site, site, soon, until

COMMANDS = 10_000
ROOM = 60  # commands of one way in that are looked at within a second
Table = dict[str, Any]


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """The site has the guard, between start and end."""


class Crowd:
    """People who ask for all kinds of things. What may come of each is known from how it was made: (table, reasons)."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0
        self.used: list[str] = []
        self.kinds: list[tuple[int, Callable[[], tuple[Table, set[str]]]]] = [
            (8, self.allowed), (2, self.expired), (2, self.repeated), (2, self.out_of_range), (2, self.wrong_type),
            (1, self.no_right), (2, self.interlocked), (1, self.unknown_guard), (1, self.not_armed), (1, self.unknown),
            (1, self.malformed),
        ]  # fmt: skip

    def one(self) -> tuple[Table, set[str]]:
        """A command, and the reasons that its answer may bear; "" is done."""
        weights, kinds = zip(*self.kinds, strict=True)
        table, reasons = self.random.choices(kinds, weights)[0]()
        self.count += 1
        whole = {"id": f"c{self.count}", "via": "cli", "expires": soon(), "by": "crowd"} | table
        return whole, reasons

    def allowed(self) -> tuple[Table, set[str]]:
        self.used.append(f"c{self.count + 1}")
        kind = self.random.randrange(4)
        if kind == 0:
            return {"tag": "plc.mode", "value": self.random.choice(["off", "slow"])}, {""}
        if kind == 1:
            return {"tag": "plc.pulse", "value": self.random.choice([True, False, 0, 1])}, {""}
        speed = self.random.randrange(501) / 10
        return {"tag": "plc.speed", "value": speed, "via": self.random.choice(["cli", "mqtt"])}, {""}

    def expired(self) -> tuple[Table, set[str]]:
        early = self.random.choice([soon(-0.001), soon(-3600.0), "2020-01-01T00:00:00Z"])
        return {"tag": "plc.speed", "value": 1, "expires": early}, {"expired"}

    def repeated(self) -> tuple[Table, set[str]]:
        if not self.used:
            return self.unknown()
        return {"tag": "plc.speed", "value": 2, "id": self.random.choice(self.used)}, {"again"}

    def out_of_range(self) -> tuple[Table, set[str]]:
        value = self.random.choice([50.1, -0.1, 1e300, -1e300, 2**63, 65536, 600])
        return {"tag": "plc.speed", "value": value}, {"out-of-range"}

    def wrong_type(self) -> tuple[Table, set[str]]:
        value = self.random.choice(["", "fast", "12", [1], {"a": 1}, None, "\x00", "a" * 300])
        return {"tag": "plc.speed", "value": value}, {"wrong-type", "malformed"}

    def no_right(self) -> tuple[Table, set[str]]:
        tag = self.random.choice(["plc.mode", "plc.feed", "plc.heat"])
        return {"tag": tag, "value": "off" if tag == "plc.mode" else 1, "via": "mqtt"}, {"no-right"}

    def interlocked(self) -> tuple[Table, set[str]]:
        return {"tag": "plc.heat", "value": self.random.randrange(101)}, {"interlock"}

    def unknown_guard(self) -> tuple[Table, set[str]]:
        return {"tag": "plc.lost", "value": self.random.randrange(10)}, {"interlock"}

    def not_armed(self) -> tuple[Table, set[str]]:
        return {"tag": "plc.valve", "value": 1, "token": self.random.choice(["", "x", "0" * 12])}, {"not-armed"}

    def unknown(self) -> tuple[Table, set[str]]:
        tag = self.random.choice(["plc.level", "plc.running", "plc.spede", "", "speed", "plc.", "x" * 200])
        return {"tag": tag, "value": 1}, {"unknown", "not-writable", "malformed"}

    def malformed(self) -> tuple[Table, set[str]]:
        changes: list[Table] = [
            {"expires": "now"}, {"expires": None}, {"id": None}, {"x": 1}, {"action": "do"}, {"by": 7}, {"id": "\x1b"},
        ]  # fmt: skip
        return {"tag": "plc.speed", "value": 1} | self.random.choice(changes), {"malformed"}


def groups(crowd: Crowd) -> Iterator[list[tuple[Table, set[str]]]]:
    """What comes within one second each: now and then a storm."""
    while crowd.count < COMMANDS:
        size = 3 * ROOM if crowd.random.random() < 0.05 else ROOM // 2
        yield [crowd.one() for _ in range(size)]


async def ask(one: Site, group: list[tuple[Table, set[str]]]) -> list[tuple[Table, set[str], Table]]:
    """All of a group at once; with the answers."""
    answers = [one.begin(**table) for table, _ in group]
    found = await asyncio.wait_for(asyncio.gather(*answers), 60.0)
    return [(table, reasons, answer) for (table, reasons), answer in zip(group, found, strict=True)]


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_of_ten_thousand_random_commands_only_the_allowed_reach_the_plc_each_once(tmp_path: Path) -> None:
    crowd = Crowd(seed=20261129)
    second = 0
    async with site(tmp_path, writes={"storm": ROOM}) as one:
        one.writes._storm._now = lambda: float(second)
        await until(lambda: one.value("plc.guard") == 0, "the guard is open")
        said: list[tuple[Table, set[str], Table]] = []
        for group in groups(crowd):
            second += 1
            said += await ask(one, group)
        reached = Counter(address for _, address, _ in one.plc.writes)
        written = [one.plc.writes[n] for n in range(len(one.plc.writes))]
    storms = [answer for _, _, answer in said if answer["reason"] == "storm"]
    done = [(table, answer) for table, _, answer in said if answer["result"] == "done" and not answer["repeated"]]
    for table, reasons, answer in said:
        if answer["reason"] == "storm":
            continue
        if reasons == {"again"}:
            fits = answer["repeated"] or table["id"] in {a.get("id") for a in storms}
        else:
            fits = answer["reason"] in reasons and not answer["repeated"]
        assert fits, (table, reasons, answer)
    assert len(said) >= COMMANDS
    assert len(storms) > 100
    assert len(done) > 3000
    assert len(written) == len(done), "each once"
    assert set(reached) <= {2, 10, 11}, "nothing but what is allowed"
    speeds = [round(table["value"] * 10) for table, _ in done if table["tag"] == "plc.speed"]
    assert [value for function, address, value in written if (function, address) == (6, 10)] == speeds, "in their order"
    _check_audit(tmp_path / "state" / "audit.db", said, len(done))


def _check_audit(path: Path, said: list[tuple[Table, set[str], Table]], done: int) -> None:
    records = [record.content for record in read(path)]
    kinds = Counter(record["kind"] for record in records)
    looked_at = [answer for _, _, answer in said if answer["reason"] != "storm"]
    assert kinds["intent"] == kinds["outcome"] == done
    assert kinds["outcome"] + kinds["refused"] + kinds["repeated"] == len(looked_at)
    assert len({answer["audit"] for answer in looked_at}) == len(looked_at), "each has a record of its own"
    assert sum(record.get("count", 0) for record in records) == len(said) - len(looked_at)
    assert verify(path) == (len(records), [])

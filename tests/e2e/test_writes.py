"""Writes by a whole daemon: from the command line, over its sudden death, and what the audit says afterwards."""

import asyncio
import json
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.deliver.event import rfc3339
from gateway.operators.writing import AUDIT, WRITES
from gateway.ops.inbox import Inbox
from gateway.state.audit import AuditError, read, verify
from tests.e2e.site import Site, until
from tests.operators.plc import TAGS, Plc

SPEED = 10  # register


class PlcThread(Plc):
    """The PLC on a loop of its own, so that it lives while a test blocks and a daemon dies."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="plc")
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result(10.0)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(10.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        self._loop.close()


@pytest.fixture
def plc() -> Iterator[PlcThread]:
    one = PlcThread()
    yield one
    one.stop()


def site(folder: Path, plc: PlcThread, timeout: str = "1s") -> Site:
    device = {"device": "plc", "adapter": "modbus", "connect": f"tcp://127.0.0.1:{plc.port}?unit=1", "every": "50ms",
              "timeout": timeout, "tags": TAGS}  # fmt: skip
    return Site(folder, [device], writes={"enabled": True, "storm": 1000, "queue": 1000})


def write(one: Site, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The verb; its exit code and its answer."""
    ran = one.verb("write", *arguments, "--json", "--state", str(one.state))
    return ran.returncode, json.loads(ran.stdout) if ran.stdout else {"text": ran.stderr}


def test_an_operator_looks_arms_writes_and_reads_the_audit(tmp_path: Path, plc: PlcThread) -> None:
    plc.memory.holding[SPEED] = 200
    with site(tmp_path, plc) as one:
        one.start()
        until(lambda: one.reads("plc"), "it is read")
        code, answer = write(one, "plc.speed", "12.5")
        assert (code, answer["result"], answer["old"], answer["raw"]) == (0, "looked", 20.0, 125)
        assert plc.writes == []
        ran = one.verb("write", "plc.speed", "12.5", "--state", str(one.state))
        assert ran.stdout.splitlines()[0] == "plc.speed would be 12.5 Hz"
        assert "--yes writes it" in ran.stdout
        code, answer = write(one, "plc.speed", "12.5", "--yes", "--for-id", "shift-1", "--by", "ann")
        assert (code, answer["result"]) == (0, "done")
        code, answer = write(one, "plc.speed", "13", "--yes", "--for-id", "shift-1")
        assert (code, answer["repeated"]) == (0, True)
        code, answer = write(one, "plc.speed", "-1", "--yes")
        assert (code, answer["reason"]) == (1, "out-of-range")
        code, answer = write(one, "plc.valve", "1", "--arm")
        assert (code, answer["result"]) == (0, "armed")
        code, answer = write(one, "plc.valve", "1", "--yes", "--token", answer["token"])
        assert (code, answer["result"]) == (0, "done")
        assert plc.writes == [(6, SPEED, 125), (6, 14, 1)]
        assert 'fieldgate_writes_total{result="done"} 2' in one.get("/metrics")[1]
        assert one.status()["writes"]["refused"] == {"repeated": 1, "out-of-range": 1}
        assert (
            "writes: 2 done, 0 differs, 0 unknown, 2 refused; audit ok"
            in one.verb("status", "--listen", one.address).stdout
        )
        _audit(one, answer)
    code, answer = write(one, "plc.speed", "1", "--yes", "--within", "0.2")
    assert code == 75
    assert "expires now" in answer["text"]


def _audit(one: Site, last: dict[str, Any]) -> None:
    where = ("--state", str(one.state))
    assert "the chain is whole" in one.verb("audit", "verify", *where).stdout
    noted = f"{last['audit']}:{last['seal']}"
    assert one.verb("audit", "verify", "--seal", noted, *where).returncode == 0
    assert one.verb("audit", "verify", "--seal", f"{last['audit']}:{'0' * 64}", *where).returncode == 1
    lines = one.verb("audit", "list", *where).stdout.splitlines()
    assert "ann" in "".join(lines)
    assert len(one.verb("audit", "export", *where).stdout.splitlines()) == len(lines) == last["audit"]
    with sqlite3.connect(one.state / AUDIT) as db:
        db.execute("UPDATE audit SET body = replace(body, 'ann', 'bob') WHERE number = 1")
    db.close()
    ran = one.verb("audit", "verify", *where)
    assert (ran.returncode, ran.stderr) == (
        1,
        "fieldgate: record 1 was changed, or does not stand where it was written\n",
    )


def test_where_writes_are_off_the_verb_says_so(tmp_path: Path, plc: PlcThread) -> None:
    with site(tmp_path, plc) as one:
        one.config.write_text(one.config.read_text().replace('"enabled": true', '"enabled": false'))
        code, answer = write(one, "plc.speed", "1", "--yes")
        assert code == 1
        assert "writes.enabled" in answer["text"]


def leave(one: Site, id_: str, value: float, wait: float = 30.0) -> str:
    note = {"tag": "plc.speed", "value": value, "id": id_, "expires": rfc3339(time.time_ns() + round(wait * 1e9))}
    return Inbox(one.state, WRITES).leave(note)


def kinds(one: Site) -> Counter[str]:
    try:
        return Counter(record.content["kind"] for record in read(one.state / AUDIT))
    except AuditError:
        return Counter()


def test_what_was_under_way_when_the_gateway_was_killed_is_unknown_and_never_written(
    tmp_path: Path, plc: PlcThread
) -> None:
    with site(tmp_path, plc, timeout="10s") as one:
        one.start()
        until(lambda: one.reads("plc"), "it is read")
        plc.server.mute = True  # it takes requests, and does nothing
        leave(one, "k1", 12.5)
        until(lambda: kinds(one)["intent"], "the intent is on disk")
        one.kill()
        plc.server.mute = False
        one.start()
        until(lambda: one.reads("plc"), "it is read again")
        code, answer = write(one, "plc.speed", "12.5", "--yes", "--for-id", "k1")
        assert (code, answer["result"], answer["reason"]) == (1, "unknown", "interrupted")
        assert plc.writes == []
        assert kinds(one) == {"intent": 1, "outcome": 1, "repeated": 1}
        assert verify(one.state / AUDIT)[1] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_any_moment_each_id_is_written_once_at_most_and_never_unaudited(
    tmp_path: Path, plc: PlcThread
) -> None:
    chance, ids, rounds = random.Random(7), 0, 6
    with site(tmp_path, plc) as one:
        for _ in range(rounds):
            one.start()
            until(lambda: one.reads("plc"), "it is read")
            for number in (*range(ids, ids + 40), *range(max(0, ids - 20), ids)):
                leave(one, f"k{number}", number / 10)
            ids += 40
            enough = len(plc.writes) + chance.randrange(1, 20)
            until(lambda n=enough: len(plc.writes) >= n, "writes are under way")  # type: ignore[misc]
            time.sleep(chance.random() * 0.02)
            one.kill()
        one.start()
        until(lambda: kinds(one)["intent"] == kinds(one)["outcome"], "what was cut short is closed")
    reached = Counter(value for _, _, value in plc.writes)
    intents = {round(r.content["value"] * 10) for r in read(one.state / AUDIT) if r.content["kind"] == "intent"}
    assert max(reached.values()) == 1, "twice"
    assert reached.keys() <= intents, "unaudited"
    assert len(reached) > 2 * rounds
    assert verify(one.state / AUDIT)[1] == []

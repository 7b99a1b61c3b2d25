"""What reaches a PLC and what does not, through a whole gateway and a real socket; and what the audit says of it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.state.audit import read, verify
from tests.operators.plc import Site, site, soon, until


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """The site has the guard, between start and end."""


@pytest.mark.parametrize(
    ("tag", "value", "raw"),
    [
        ("speed", 12.3, (6, 10, 123)),
        ("speed", 0.3, (6, 10, 3)),
        ("mode", "slow", (6, 11, 1)),
        ("pulse", True, (5, 2, 0xFF00)),
    ],
)
async def test_an_allowed_write_reaches_the_plc_once(
    tmp_path: Path, tag: str, value: Any, raw: tuple[int, int, int]
) -> None:
    async with site(tmp_path) as one:
        answer = await one.ask(f"plc.{tag}", value, by="ann", comment="trial")
        assert (answer["result"], answer["reason"], answer["repeated"]) == ("done", "", False)
        assert one.plc.writes == [raw]
        assert answer["read_back"] == (value if isinstance(value, str) else pytest.approx(float(value)))
    records = [record.content for record in read(tmp_path / "state" / "audit.db")]
    assert [record["kind"] for record in records] == ["intent", "outcome"]
    assert (records[1]["by"], records[1]["comment"], records[1]["value"]) == ("ann", "trial", value)
    assert verify(tmp_path / "state" / "audit.db") == (2, [])


async def test_the_intent_is_on_disk_when_the_plc_is_asked(tmp_path: Path) -> None:
    found: list[list[tuple[str]]] = []

    def look(_pdu: bytes) -> None:
        with closing(sqlite3.connect(tmp_path / "state" / "audit.db")) as db:
            found.append(db.execute("SELECT kind FROM audit ORDER BY number").fetchall())

    async with site(tmp_path) as one:
        one.plc.server.on_write = look
        assert (await one.ask("plc.speed", 5))["result"] == "done"
        assert (await one.ask("plc.speed", 6))["result"] == "done"
    assert found == [[("intent",)], [("intent",), ("outcome",), ("intent",)]]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("unknown", {"tag": "plc.spee"}),
    ("not-writable", {"tag": "plc.level"}),
    ("no-right", {"tag": "plc.mode", "value": "off", "via": "mqtt"}),
    ("no-right", {"tag": "plc.feed"}),
    ("expired", {"expires": soon(-1.0)}),
    ("malformed", {"expires": soon(3000.0)}),
    ("malformed", {"expires": None}),
    ("malformed", {"expires": "2026-03-14T10:00:00"}),
    ("malformed", {"id": None}),
    ("malformed", {"value": None}),
    ("malformed", {"value": [1]}),
    ("malformed", {"colour": "red"}),
    ("malformed", {"action": "burn"}),
    ("out-of-range", {"value": 50.1}),
    ("out-of-range", {"value": -0.1}),
    ("wrong-type", {"value": "fast"}),
    ("out-of-range", {"tag": "plc.mode", "value": "fast"}),
    ("out-of-range", {"tag": "plc.mode", "value": 2}),
    ("device-refuses", {"value": 0.05}),  # half a register
    ("interlock", {"tag": "plc.heat"}),
    ("interlock", {"tag": "plc.lost"}),  # its tag is bad
    ("not-armed", {"tag": "plc.valve"}),
    ("not-armed", {"tag": "plc.valve", "token": "guessed"}),
    ("step", {"tag": "plc.ramp", "value": 11}),
]


async def test_what_is_not_allowed_reaches_nothing_and_is_told_and_audited(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        for reason, change in REFUSED:
            given: dict[str, Any] = {"tag": "plc.speed", "value": 1, "via": "cli"} | change
            answer = await one.ask(**given)
            assert (answer["result"], answer["reason"]) == ("refused", reason), (given, answer)
            assert answer["audit"] > 0
        assert one.plc.writes == []
        figures = one.gateway.status.document()["writes"]
        assert sum(figures["refused"].values()) == len(REFUSED)
    records = [record.content for record in read(tmp_path / "state" / "audit.db")]
    assert [record["reason"] for record in records if record["kind"] != "intent"] == [reason for reason, _ in REFUSED]


async def test_an_interlock_is_asked_at_the_time_of_the_write(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        one.plc.memory.coils[1] = True
        await until(lambda: one.value("plc.guard") == 1, "the guard is closed")
        assert (await one.ask("plc.heat", 40))["result"] == "done"
        one.plc.memory.holding[0] = 80
        await until(lambda: one.value("plc.level") == 80, "the tank is full")
        answer = await one.ask("plc.heat", 50)
        assert answer["reason"] == "interlock"
        assert "plc.level < 80" in answer["text"]
        assert one.plc.writes == [(6, 12, 40)]


async def test_two_steps_one_token_one_value_one_write(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        armed = await one.ask("plc.valve", 1, action="arm")
        assert armed["result"] == "armed"
        assert one.plc.writes == []
        for change in ({"via": "mqtt"}, {"value": 0}):  # a token is spent by the first who brings it
            token = (await one.ask("plc.valve", 1, action="arm"))["token"]
            assert (await one.ask(**{"tag": "plc.valve", "value": 1, "token": token} | change))["reason"] == "not-armed"
            assert (await one.ask("plc.valve", 1, token=token))["reason"] == "not-armed"
        token = (await one.ask("plc.valve", 1, action="arm"))["token"]
        assert (await one.ask("plc.valve", 1, token=token))["result"] == "done"
        assert (await one.ask("plc.valve", 1, token=token))["reason"] == "not-armed"
        assert one.plc.writes == [(6, 14, 1)]
    text = (tmp_path / "state" / "audit.db").read_bytes()
    assert token.encode() not in text


async def test_an_armed_value_is_forgotten_after_a_while(tmp_path: Path) -> None:
    async with site(tmp_path, writes={"arm": "100ms"}) as one:
        token = (await one.ask("plc.valve", 1, action="arm"))["token"]
        await asyncio.sleep(0.15)
        assert (await one.ask("plc.valve", 1, token=token))["reason"] == "not-armed"


async def test_rate_and_step_hold_back_what_comes_too_soon_or_too_far(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        results = [await one.ask("plc.seldom", n) for n in range(3)]
        assert [answer["reason"] for answer in results] == ["", "rate", "rate"]
        assert (await one.ask("plc.ramp", 10))["result"] == "done"
        await until(lambda: one.value("plc.ramp") == 10, "it is read")
        assert (await one.ask("plc.ramp", 20))["result"] == "done"
        assert one.plc.writes == [(6, 16, 0), (6, 15, 10), (6, 15, 20)]
    async with site(tmp_path) as one:  # a restart is no way round the rate
        assert (await one.ask("plc.seldom", 5))["reason"] == "rate"


async def test_an_id_is_written_once_at_the_same_time_later_and_after_a_restart(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        first, second = await asyncio.gather(one.begin("plc.speed", 5, id="x"), one.begin("plc.speed", 6, id="x"))
        third = await one.ask("plc.speed", 7, id="x")
        assert [answer["repeated"] for answer in (first, second, third)] == [False, True, True]
        assert {answer["result"] for answer in (first, second, third)} == {"done"}
        refused = await one.ask("plc.speed", 99, id="y")
        assert (await one.ask("plc.speed", 9, id="y"))["reason"] == refused["reason"] == "out-of-range"
        assert one.plc.writes == [(6, 10, 50)]
    async with site(tmp_path) as one:
        again = await one.ask("plc.speed", 8, id="x")
        assert (again["result"], again["repeated"]) == ("done", True)
        assert (await one.ask("plc.speed", 9, id="y"))["reason"] == "out-of-range"
        assert one.plc.writes == []


async def test_a_look_says_what_would_be_and_changes_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        one.plc.memory.holding[10] = 200
        await until(lambda: one.value("plc.speed") == 20, "it is read")
        answer = await one.ask("plc.speed", 12.5, action="look", id=None, expires=None)
        assert (answer["result"], answer["old"], answer["raw"]) == ("looked", 20.0, 125)
        assert answer["limits"] == "0 to 50 Hz"
        assert (await one.ask("plc.speed", 51, action="look"))["reason"] == "out-of-range"
        assert one.plc.writes == []


async def test_a_device_that_holds_something_else_is_told_of(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        one.plc.server.on_write = lambda _pdu: one.plc.memory.holding.__setitem__(10, 77)
        answer = await one.ask("plc.speed", 5)
        assert (answer["result"], answer["reason"], answer["read_back"]) == ("differs", "read-back", pytest.approx(7.7))


async def test_a_silent_device_leaves_the_outcome_unknown_and_then_is_away(tmp_path: Path) -> None:
    async with site(tmp_path, writes={"within": "300ms"}) as one:
        one.plc.server.mute = True
        answer = await one.ask("plc.speed", 5)
        assert (answer["result"], answer["reason"]) == ("unknown", "no-answer")
        await until(lambda: one.gateway.running.runners[0].lost, "lost")
        assert (await one.ask("plc.speed", 6))["reason"] == "device-away"


async def test_too_many_at_once_are_not_looked_at_and_stand_in_one_record(tmp_path: Path) -> None:
    async with site(tmp_path, writes={"storm": 5}) as one:
        one.writes._storm._now = lambda: 1.0
        answers = await asyncio.gather(*(one.begin("plc.speed", n) for n in range(30)))
        assert [answer["result"] for answer in answers] == ["done"] * 5 + ["refused"] * 25
        assert {answer["reason"] for answer in answers[5:]} == {"storm"}
        assert (await one.ask("plc.speed", 1, via="mqtt"))["result"] == "done", "another way in has room of its own"
        await until(lambda: not one.writes._storm._untold, "told")
    kinds = [record.content["kind"] for record in read(tmp_path / "state" / "audit.db")]
    assert kinds.count("storm") == 1
    assert len(one.plc.writes) == 6


async def test_a_full_line_before_a_device_refuses(tmp_path: Path) -> None:
    async with site(tmp_path, writes={"queue": 3}) as one:
        answers = await asyncio.gather(*(one.begin("plc.speed", n) for n in range(10)))
        assert [answer["reason"] for answer in answers].count("busy") == 7
        assert len(one.plc.writes) == 3


async def test_nothing_is_written_while_the_audit_cannot_be(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        one.writes._audit._log._db.execute("PRAGMA query_only=1")  # type: ignore[union-attr]  # as a disk gone read-only
        answer = await one.ask("plc.speed", 5)
        assert answer["reason"] == "no-audit"
        assert one.plc.writes == []
        await until(lambda: _part(one, "audit")["state"] == "failed", "health says so")
        one.writes._audit._log._db.execute("PRAGMA query_only=0")  # type: ignore[union-attr]
        assert (await one.ask("plc.speed", 5))["result"] == "done"
        await until(lambda: _part(one, "audit")["state"] == "ok", "and is well again")


async def test_a_fault_in_the_adapter_costs_that_write_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path) as one:
        with monkeypatch.context() as patch:
            patch.setattr(one.gateway.running.runners[0].adapter, "write", _fails)
            for _ in range(6):
                answer = await one.ask("plc.speed", 5)
                assert (answer["result"], answer["reason"]) == ("unknown", "no-answer")
                assert "fault in the adapter" in answer["text"]
        assert (await one.ask("plc.speed", 5))["result"] == "done"
        assert not one.gateway.supervisor.counters
        assert one.gateway.running.runners[0].counters["faults_total"] == 6


async def _fails(*_: object) -> None:
    raise KeyError("a bug")


async def test_an_adapter_that_cannot_write_refuses(tmp_path: Path) -> None:
    wave = {"wave": "constant", "mean": 3.0, "range": [0, 9], "write": {}}
    device = {"device": "sim", "adapter": "sim", "every": "50ms", "tags": {"t": wave}}
    async with site(tmp_path, device=device) as one:
        answer = await one.ask("sim.t", 5)
        assert (answer["result"], answer["reason"]) == ("refused", "device-refuses")
        assert "cannot write" in answer["text"]


def _part(one: Site, name: str) -> dict[str, Any]:
    return next((part for part in one.gateway.health.snapshot() if part["name"] == name), {"state": ""})


async def test_a_damaged_audit_is_kept_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "audit.db").write_bytes(b"no database" * 1000)
    async with site(tmp_path) as one:
        assert (await one.ask("plc.speed", 5))["reason"] == "no-audit"
        assert one.plc.writes == []
    assert (tmp_path / "state" / "audit.db").read_bytes() == b"no database" * 1000


async def test_where_writes_are_not_enabled_nothing_of_it_is_there(tmp_path: Path) -> None:
    async with site(tmp_path, writes={"enabled": False}) as one:
        assert one.gateway.status.document()["writes"] == {}
    assert not (tmp_path / "state" / "audit.db").exists()

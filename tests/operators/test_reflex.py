"""A write that follows an alarm: once each time it is raised, after its delay, in the envelope, over a restart too."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.state.audit import read
from tests.operators.plc import TAGS, Plc, Site, site, until

FEED, LEVEL = 17, 0


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """The site has the guard, between start and end."""


def assets(after: str = "0s", tag: str = "plc.feed", **alarm: Any) -> dict[str, Any]:
    then = [{"write": tag, "value": 3, "after": after}]
    full = {"tag": "plc.level", "above": 50, "alarm": {"on_delay": "0s", "off_delay": "0s", "then": then} | alarm}
    return {"tank": {"tags": ["plc.level"], "sensors": False, "rules": {"full": full}}}


def state(one: Site) -> str:
    return str(next(a["alarm"] for a in one.gateway.status.assets() if a["asset"] == "tank-full"))


async def level(one: Site, value: int) -> None:
    one.plc.memory.holding[LEVEL] = value
    await until(lambda: one.value("plc.level") == value, "it is read")
    await asyncio.sleep(0.1)


async def test_it_follows_each_time_the_alarm_is_raised_and_stands_in_the_audit(tmp_path: Path) -> None:
    async with site(tmp_path, assets=assets()) as one:
        for times in (1, 2):
            await level(one, 60)
            await until(lambda n=times: len(one.plc.writes) == n, "written")  # type: ignore[misc]
            await level(one, 70)
            await level(one, 10)
            assert one.plc.writes == [(6, FEED, 3)] * times
        figures = {sample.name: sample.value for sample in one.gateway.writing.samples()}
        assert 0 < figures["write_rule_seconds_max"] < 5
    intents = [r.content for r in read(tmp_path / "state" / "audit.db") if r.content["kind"] == "intent"]
    assert [(intent["via"], intent["by"], intent["tag"]) for intent in intents] == [
        ("rule", "tank-full", "plc.feed")
    ] * 2
    assert len({intent["id"] for intent in intents}) == 2


async def test_it_waits_for_its_delay_and_not_when_the_alarm_is_over_before(tmp_path: Path) -> None:
    async with site(tmp_path, assets=assets(after="400ms")) as one:
        await level(one, 60)
        await level(one, 10)
        await asyncio.sleep(0.5)
        assert one.plc.writes == []
        await level(one, 60)
        assert one.plc.writes == []
        await until(lambda: one.plc.writes, "after the delay")


@pytest.mark.parametrize(("action", "writes"), [("ack", 1), ("disable", 0)])
async def test_an_operator_may_take_it_back_by_the_alarm(tmp_path: Path, action: str, writes: int) -> None:
    async with site(tmp_path, assets=assets(after="300ms")) as one:
        await level(one, 60)
        one.gateway.desk.commands.take({"asset": "tank-full", "action": action}, "cli")
        await asyncio.sleep(0.5)
        assert len(one.plc.writes) == writes


async def test_the_envelope_holds_for_it_too(tmp_path: Path) -> None:
    limited = TAGS | {"feed": TAGS["feed"] | {"write": {"allow": ["rule"], "interlock": "plc.guard == 1"}}}
    async with site(tmp_path, tags=limited, assets=assets()) as one:
        await level(one, 60)
        await until(lambda: one.writes.writer.refused["interlock"], "refused")
        assert one.plc.writes == []


async def test_a_restart_neither_forgets_it_nor_does_it_twice(tmp_path: Path) -> None:
    plc = Plc()
    async with site(tmp_path, plc=plc, assets=assets(after="1s")) as one:
        await level(one, 60)
        await until(lambda: state(one) == "active-unacknowledged", "active")
    assert plc.writes == []
    await asyncio.sleep(1.0)  # it is due before the PLC has been heard again
    async with site(tmp_path, plc=plc, assets=assets(after="1s")) as one:
        await until(lambda: plc.writes == [(6, FEED, 3)], "it is not forgotten")
        await asyncio.sleep(0.1)
    async with site(tmp_path, plc=plc, assets=assets(after="1s")) as one:
        await until(lambda: one.writes.writer.refused["repeated"], "known by its id")
        assert np.isclose(one.value("plc.level"), 60)
        assert plc.writes == [(6, FEED, 3)]

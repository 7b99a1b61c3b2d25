"""The subscriber against a scripted server: gaps, refusals, silence, and who a reading belongs to."""

import asyncio
import contextlib
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from gateway.sdk import Batch, Connection, DisconnectedError, Kind, quality
from gateway.sdk.testing import Collector, connection, host
from gateway_opcua import nodeid
from gateway_opcua.annals import Annals
from gateway_opcua.doubt import Doubt
from gateway_opcua.listener import Listener
from gateway_opcua.reader import Reader
from gateway_opcua.site import Site
from gateway_opcua.subscriber import Subscriber
from gateway_opcua.subscriptions import Subscription
from gateway_opcua.suspects import Suspects
from tests.plugins.gateway_opcua.messages import data_change, fault, publish_response, status
from tests.plugins.gateway_opcua.rigs import device, eventually
from tests.plugins.gateway_opcua.scripted import ScriptedSession


@dataclass
class Script:
    session: ScriptedSession
    subscriber: Subscriber
    sink: Collector
    counters: Counter[str]
    task: asyncio.Task[None]

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def until_created(self, handles: list[int], times: int) -> None:
        await eventually(lambda: self.session.created.count(handles) >= times)

    async def change(
        self, sequence: int, *items: tuple[int, float], subscription: int = 1, code: int = 0
    ) -> list[Batch]:
        """One message; the batches of readings that it led to."""
        self.sink.batches.clear()
        values = [(h, ua.DataValue(ua.Variant(v, ua.VariantType.Double), StatusCode=status(code))) for h, v in items]
        await self.session.answer(publish_response([data_change(values)], subscription=subscription, sequence=sequence))
        await self.settle()
        return self.sink.data


def line(*, tags: int = 3, devices: int = 1, **options: Any) -> Connection:
    return connection(
        *(
            device(1, [f"ns=2;s=T{i}" for i in range(tags)], f"d{d}", mode="subscribe", **options)
            for d in range(devices)
        )
    )


@contextlib.asynccontextmanager
async def script(
    tmp_path: Path, on: Connection, standing: dict[int, Subscription] | None = None, **settings: Any
) -> AsyncIterator[Script]:
    surroundings, counters = host(tmp_path), Counter[str]()
    session = ScriptedSession(on.devices[0].config, surroundings)  # type: ignore[arg-type]
    for name, setting in settings.items():
        setattr(session, name, setting)
    nodes = {tag.row: nodeid.parse(tag.config.node) for d in on.devices for tag in d.tags}  # type: ignore[attr-defined]
    suspects = Suspects(on.devices, surroundings.log, counters)
    site = Site(surroundings, counters, nodes, suspects, Doubt(on.devices))
    listener = Listener(session, site, Annals((), 0.0))
    subscriber = Subscriber(session, Reader(session, site), on.devices, site, standing or {}, listener)
    sink = Collector()
    task = asyncio.create_task(subscriber.run(sink))
    running = Script(session, subscriber, sink, counters, task)
    await running.settle()
    try:
        yield running
    finally:
        task.cancel()
        await asyncio.wait([task])


async def ends(run: Script, match: str) -> None:
    with pytest.raises(DisconnectedError, match=match):
        await asyncio.wait_for(run.task, 10)


async def test_a_change_becomes_one_batch_and_confirms_the_rest(tmp_path: Path) -> None:
    async with script(tmp_path, line()) as run:
        [batch] = await run.change(1, (2, 2.5), (0, 0.5))
        assert batch.rows.tolist() == [2, 0]  # type: ignore[union-attr]
        assert batch.value.tolist() == [2.5, 0.5]
        assert batch.group == -1
        [confirmed] = [b for b in run.sink.batches if b.kind is Kind.CONFIRM]
        assert confirmed.rows.tolist() == [0, 1, 2]  # type: ignore[union-attr]


async def test_how_long_messages_are_under_way_is_counted(tmp_path: Path) -> None:
    late = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=3)
    async with script(tmp_path, line()) as run:
        for number, sent in ((1, late), (2, late + dt.timedelta(hours=1)), (3, None)):
            await run.session.answer(publish_response([], subscription=1, sequence=number, sent=sent))
        assert run.counters["publish_messages_total"] == 3
        assert 3.0 <= run.counters["publish_lag_seconds_total"] < 5.0
        assert run.counters["subscriptions_total"] == 1


async def test_three_requests_wait_and_every_message_is_acknowledged(tmp_path: Path) -> None:
    async with script(tmp_path, line()) as run:
        for sequence in (1, 2, 3):
            assert len(run.session.waiting) == 3
            await run.change(sequence, (0, 1.0))
        await run.session.answer(publish_response([], subscription=1, sequence=4))
        assert run.session.acknowledged == [(1, 1), (1, 2), (1, 3)]
        assert run.counters["publish_gaps_total"] == 0


async def test_readings_of_two_devices_are_told_apart(tmp_path: Path) -> None:
    async with script(tmp_path, line(devices=2)) as run:
        batches = await run.change(1, (4, 4.0), (1, 1.0), (3, 3.0))
        assert [(b.device, b.rows.tolist(), b.value.tolist()) for b in batches] == [  # type: ignore[union-attr]
            (0, [1], [1.0]),
            (1, [4, 3], [4.0, 3.0]),
        ]


async def test_handles_that_nobody_asked_for_are_dropped_and_counted(tmp_path: Path) -> None:
    async with script(tmp_path, line()) as run:
        [batch] = await run.change(1, (2**32 - 1, 9.0), (1, 1.0), (3, 9.0))
        assert batch.rows.tolist() == [1]  # type: ignore[union-attr]
        assert batch.value.tolist() == [1.0]
        assert run.counters["publish_strays_total"] == 2


async def test_a_lost_message_leads_to_a_fresh_read(tmp_path: Path) -> None:
    async with script(tmp_path, line()) as run:
        await run.change(1, (0, 1.0))
        reads = len(run.session.reads)
        assert [len(b) for b in await run.change(3, (0, 2.0))] == [1, 3]
        assert len(run.session.reads) == reads + 1
        assert run.counters["publish_gaps_total"] == 1
        await run.change(4, (0, 3.0))
        assert run.counters["publish_gaps_total"] == 1


async def test_a_message_of_another_subscription_is_left_alone(tmp_path: Path) -> None:
    async with script(tmp_path, line()) as run:
        assert await run.change(1, (0, 1.0), subscription=99) == []
        assert run.counters["publish_strays_total"] == 1


async def test_queued_values_of_one_tag_go_one_after_the_other(tmp_path: Path) -> None:
    async with script(tmp_path, line(queue=10)) as run:
        batches = await run.change(1, (0, 1.0), (1, 10.0), (0, 2.0), (0, 3.0))
        assert [(b.rows.tolist(), b.value.tolist()) for b in batches] == [  # type: ignore[union-attr]
            ([0, 1], [1.0, 10.0]),
            ([0], [2.0]),
            ([0], [3.0]),
        ]


async def test_a_queue_that_ran_over_is_counted(tmp_path: Path) -> None:
    async with script(tmp_path, line(queue=10)) as run:
        await run.change(1, (0, 1.0), code=0x480)
        assert run.counters["queue_overflows_total"] == 1


async def test_a_refused_tag_is_bad_by_itself_and_tried_again_until_it_is_taken(tmp_path: Path) -> None:
    async with script(tmp_path, line(retry="50ms"), refused={1: 0x80340000}) as run:
        bad = [b for b in run.sink.data if quality.BAD_NODE_ID_UNKNOWN in b.status]
        assert [b.rows.tolist() for b in bad] == [[1]]  # type: ignore[union-attr]
        assert run.counters["nodes_refused_total"] == 1
        await run.until_created([1], 3)
        run.session.refused.clear()
        await run.until_created([1], 4)
        await run.settle()
        await run.session.answer(publish_response([], subscription=1, sequence=1))
        assert run.sink.batches[-1].rows.tolist() == [0, 1, 2]  # type: ignore[union-attr]


async def test_a_tag_whose_node_is_gone_gets_a_new_item(tmp_path: Path) -> None:
    async with script(tmp_path, line(retry="50ms")) as run:
        [batch] = await run.change(1, (2, 1.0), code=0x80340000)
        assert np.isnan(batch.value).all()
        await run.until_created([2], 1)
        assert run.session.deleted_items == [1002]


async def test_a_server_with_few_subscriptions_gets_one_for_each_period(tmp_path: Path) -> None:
    async with script(tmp_path, line(tags=500), kinds=[11, 10], most_subscriptions=1) as run:
        assert run.session.subscriptions == 1
        await eventually(lambda: bool(run.session.created))
        assert run.session.created == [list(range(500))]


async def test_a_server_without_any_subscription_is_told(tmp_path: Path) -> None:
    async with script(tmp_path, line(), most_subscriptions=0) as run:
        await ends(run, "no free subscription")


async def test_calls_become_smaller_until_the_server_takes_them(tmp_path: Path) -> None:
    async with script(tmp_path, line(tags=100), most=30) as run:
        assert run.session.reads == [15, 15, 15, 15, 15, 15, 10]  # 1000 halved until it fits
        await eventually(lambda: sum(map(len, run.session.created)) == 100)
        assert {len(call) for call in run.session.created} <= set(range(1, 31))


async def test_too_many_requests_make_fewer(tmp_path: Path) -> None:
    async with script(tmp_path, line()) as run:
        for left in (2, 1, 1):
            await run.session.answer(fault(0x80780000))
            assert len(run.session.waiting) == left


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (fault(0x80790000), "dropped the subscriptions"),
        (fault(0x80250000), "session is lost"),
        (
            publish_response([ua.StatusChangeNotification(Status=status(0x800A0000))], subscription=1),
            "BadTimeout",
        ),
    ],
    ids=["no subscription", "no session", "subscription ended"],
)
async def test_what_ends_the_session(tmp_path: Path, body: bytes, match: str) -> None:
    async with script(tmp_path, line()) as run:
        await run.session.answer(body)
        await ends(run, match)


async def test_faults_without_end_are_disconnected(tmp_path: Path) -> None:
    async with script(tmp_path, line()) as run:
        for i in range(10):
            await run.session.answer(fault(0x800A0000) if i % 2 else b"rubbish")
        await ends(run, "again and again")


async def test_silence_beyond_the_promise_is_disconnected(tmp_path: Path) -> None:
    async with script(tmp_path, line(timeout="100ms"), keep_alive=100.0) as run:
        await ends(run, "nothing published")


async def test_cancelling_leaves_no_request_behind(tmp_path: Path) -> None:
    async with script(tmp_path, line()) as run:
        run.task.cancel()
        await asyncio.wait([run.task])
        assert all(answer.cancelled() for answer in run.session.waiting)


# --- what is sent again, and what is taken up ---


def _kept(value: float, sequence: int) -> bytes:
    changed = data_change([(0, ua.DataValue(ua.Variant(value, ua.VariantType.Double)))])
    return struct_to_binary(ua.NotificationMessage(SequenceNumber=ua.UInt32(sequence), NotificationData=[changed]))


async def test_a_lost_message_that_the_server_still_has_is_sent_again_in_its_place(tmp_path: Path) -> None:
    async with script(tmp_path, line(), kept={2: _kept(2.0, 2), 3: _kept(3.0, 3)}) as run:
        await run.change(1, (0, 1.0))
        reads = len(run.session.reads)
        assert [batch.value.tolist() for batch in await run.change(4, (0, 4.0))] == [[2.0], [3.0], [4.0]]
        assert len(run.session.reads) == reads
        assert (run.counters["publish_gaps_total"], run.counters["republished_total"]) == (1, 2)
        await run.change(5, (0, 5.0))
        assert {(1, 2), (1, 3)} <= set(run.session.acknowledged)


async def test_what_the_server_has_only_in_part_is_read_anew_besides(tmp_path: Path) -> None:
    async with script(tmp_path, line(), kept={2: _kept(2.0, 2)}) as run:
        await run.change(1, (0, 1.0))
        assert [len(batch) for batch in await run.change(4, (0, 4.0))] == [1, 1, 3]


async def test_a_keep_alive_behind_a_lost_message_leads_to_it(tmp_path: Path) -> None:
    async with script(tmp_path, line(), kept={2: _kept(2.0, 2)}) as run:
        await run.change(1, (0, 1.0))
        run.sink.batches.clear()
        await run.session.answer(publish_response([], subscription=1, sequence=3))
        await run.settle()
        assert [batch.value.tolist() for batch in run.sink.data] == [[2.0]]


async def test_a_thousand_lost_messages_are_not_asked_for_one_by_one(tmp_path: Path) -> None:
    async with script(tmp_path, line()) as run:
        await run.change(1, (0, 1.0))
        await run.change(1000, (0, 2.0))
        assert run.session.asked_again == []
        assert run.counters["publish_gaps_total"] == 1


def _standing(on: Connection) -> dict[int, Subscription]:
    one = Subscription(0.1, np.arange(3, dtype=np.uint32), tuple(on.groups))
    one.begin(7, 10.0, 3.0, 0.0)
    one.items[:], one.due[:], one.expected = [11, 12, 13], np.inf, 5
    return {7: one}


async def test_a_transferred_subscription_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    on = line()
    kept = {5: _kept(5.0, 5), 6: _kept(6.0, 6)}
    async with script(tmp_path, on, standing=_standing(on), transferable={7}, kept=kept) as run:
        assert [(b.kind, b.value.tolist()) for b in run.sink.batches] == [(Kind.HISTORY, [5.0]), (Kind.HISTORY, [6.0])]
        assert run.session.created == []
        run.sink.batches.clear()
        await run.session.answer(publish_response([], subscription=7, sequence=7))
        await eventually(lambda: bool(run.sink.data))
        assert [len(batch) for batch in run.sink.data] == [3]
        assert run.counters["publish_gaps_total"] == 0


async def test_subscriptions_that_are_gone_are_made_anew(tmp_path: Path) -> None:
    on = line()
    async with script(tmp_path, on, standing=_standing(on)) as run:
        await eventually(lambda: bool(run.session.created))
        assert run.session.created == [[0, 1, 2]]


async def test_subscriptions_that_lack_a_tag_are_made_anew(tmp_path: Path) -> None:
    on = line(tags=4)
    async with script(tmp_path, on, standing=_standing(on), transferable={7}) as run:
        await eventually(lambda: bool(run.session.created))
        assert run.session.created == [[0, 1, 2, 3]]

import asyncio
import random
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from asyncua.client.client import Client
from pymodbus.client import AsyncModbusTcpClient

from gateway_sim.launch import Simulator
from gateway_sim.player import Player
from gateway_sim.recording import Recording
from gateway_sim.servers.pair import Ports

ROWS, TAGS = 40, 5
TABLE = np.arange(ROWS * TAGS, dtype=float).reshape(ROWS, TAGS)  # the value tells row and tag


class Reader:
    """A client of both halves. Each read gives the row that was seen, once it is known to be of one row."""

    def __init__(self, devices: list[dict[str, dict[str, dict[str, str]]]]) -> None:
        plc, io = devices
        self._opcua = Client(str(plc["connect"]), timeout=10)
        self._nodes = [self._opcua.get_node(tag["node"]) for tag in plc["tags"].values()]
        port = int(str(io["connect"]).split(":")[2].split("?")[0])
        self._modbus = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=10)
        self._registers = 2 * len(io["tags"])

    async def __aenter__(self) -> Self:
        await self._opcua.connect()
        await self._modbus.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._modbus.close()
        await self._opcua.disconnect()

    async def opcua(self) -> int:
        values = await self._opcua.read_values(self._nodes)
        return self._row(values, 0)

    async def modbus(self) -> int:
        answer = await self._modbus.read_holding_registers(0, count=self._registers, device_id=1)
        values = self._modbus.convert_from_registers(answer.registers, self._modbus.DATATYPE.FLOAT32)
        return self._row(list(values), len(self._nodes))  # type: ignore[arg-type]

    @staticmethod
    def _row(values: list[float], first: int) -> int:
        row = int(values[0]) // TAGS
        assert values == list(TABLE[row, first : first + len(values)])
        return row


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    lines = [f"2020-01-01,{','.join(map(str, row))}" for row in TABLE]
    path.write_text("\n".join(["timestamp,a,b,c,d,e", *lines]))
    return path


async def test_a_client_of_both_halves_gets_each_row_exactly_once_and_in_order(csv: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Simulator("player", "--csv", str(csv), "--pace", "reads", "--log", str(log)) as player:
        assert player.ready["rows"] == ROWS
        order = random.Random(1)
        seen: list[tuple[int, int]] = []
        async with Reader(player.ready["devices"]) as reader:
            for _ in range(ROWS):
                if order.random() < 0.5:
                    left, right = await reader.opcua(), await reader.modbus()
                else:
                    right, left = await reader.modbus(), await reader.opcua()
                seen.append((left, right))
        assert seen == [(row, row) for row in range(ROWS)]
        assert player.next_line() == {"done": True, "rows": ROWS}
        assert player.process.wait(10) == 0
    lines = [line.split(",") for line in log.read_text().splitlines()]
    assert [int(row) for row, _ in lines] == list(range(ROWS))
    times = [int(time) for _, time in lines]
    assert times == sorted(times)


async def test_two_clients_at_their_own_pace_lose_no_row_and_see_them_in_order() -> None:
    """A half that is read again before the other sees its row again; none is skipped."""
    player = Player(Recording(tuple("abcde"), TABLE), "half", None, None)
    await player.start(Ports())
    seen: dict[str, list[int]] = {"opcua": [], "modbus": []}
    order = random.Random(2)

    async with Reader(player.pair.describe()) as reader:

        async def poll(side: str, slowness: float) -> None:
            while True:
                seen[side].append(await getattr(reader, side)())
                await asyncio.sleep(order.random() * slowness)

        polls = [asyncio.create_task(poll("opcua", 0.002)), asyncio.create_task(poll("modbus", 0.02))]
        async with asyncio.timeout(60):
            await player.play()
        for one in polls:  # what is asked behind the last row is never answered
            one.cancel()
        ended = await asyncio.gather(*polls, return_exceptions=True)
        assert all(isinstance(how, asyncio.CancelledError) for how in ended), ended
        await player.pair.stop()
    for rows in seen.values():
        assert rows == sorted(rows)
        assert set(rows) == set(range(ROWS))
    assert max(len(rows) for rows in seen.values()) > ROWS


async def test_a_read_in_two_requests_counts_when_its_last_tag_is_read() -> None:
    player = Player(Recording(tuple("abcde"), TABLE), "modbus", None, None)
    await player.start(Ports())
    client = AsyncModbusTcpClient("127.0.0.1", port=int(str(player.pair.describe()[0]["connect"])[16:-7]), timeout=10)
    await client.connect()
    await client.read_holding_registers(0, count=4, device_id=1)
    assert player.turns.row == 0
    await client.read_holding_registers(4, count=6, device_id=1)
    assert player.turns.row == 1
    client.close()
    await player.pair.stop()


async def test_with_a_pace_rows_go_by_on_their_own() -> None:
    player = Player(Recording(tuple("abcde"), TABLE[:5]), "modbus", 0.01, None)
    await player.start(Ports())
    async with asyncio.timeout(30):
        await player.play()
    assert player.turns.done
    await player.pair.stop()


def test_limit_columns_and_split_choose_what_is_served(csv: Path) -> None:
    with Simulator(
        "player", "--csv", str(csv), "--limit", "7", "--columns", "b,d", "--split", "modbus", "--pace", "1s"
    ) as player:
        assert player.ready["rows"] == 7
        assert [list(device["tags"]) for device in player.ready["devices"]] == [["b", "d"]]
        assert player.ready["assets"] == {"recording": ["io.b", "io.d"]}

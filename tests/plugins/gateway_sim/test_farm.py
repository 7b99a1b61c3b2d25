import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from gateway_sim.farm import PATTERNS, Device, Farm
from gateway_sim.farm_process import JournalFile, Orders
from gateway_sim.launch import Simulator
from gateway_sim.process import obey


class Rig:
    """A farm in this very loop, told what a process would be told."""

    def __init__(self, journal: Path) -> None:
        self.file = JournalFile(journal)
        self.farm = Farm(3, 120, journal=self.file)
        self.orders = Orders(self.farm)
        self.ports: list[int] = []

    def tell(self, command: str) -> dict[str, Any]:
        return obey(command, self.orders.commands)

    async def listening(self, device: int) -> None:
        async with asyncio.timeout(10):
            while True:
                if self.farm.devices[device].server is not None:
                    return
                await asyncio.sleep(0.01)


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path / "journal")
    rig.ports = await rig.farm.start()
    yield rig
    await rig.farm.stop()
    rig.file.close()


async def read(farm: Rig, device: int, start: int = 0, count: int = 120, patience: float = 10) -> bytes | int | None:
    """The registers' bytes; the exception code; or None for no answer or no connection."""
    client = AsyncModbusTcpClient("127.0.0.1", port=farm.ports[device], timeout=patience, retries=0)
    try:
        if not await client.connect():
            return None
        answer = await client.read_holding_registers(start, count=count, device_id=1)
    except ModbusException:
        return None
    finally:
        client.close()
    return answer.exception_code if answer.isError() else struct.pack(f">{count}H", *answer.registers)


async def test_registers_hold_counter_time_and_pattern(farm: Rig) -> None:
    for count in (1, 2):
        data = await read(farm, 0)
        assert isinstance(data, bytes)
        counter, wall_us, sixth, last = *struct.unpack_from(">IQH", data), struct.unpack(">H", data[-2:])[0]
        assert counter == count
        assert wall_us > 1_600_000_000_000_000
        assert sixth == 257 * 6 + count
        assert last == (257 * 119 + count) % 65536


async def test_the_journal_tells_every_read_that_was_answered_and_no_other(farm: Rig, tmp_path: Path) -> None:
    farm.tell("illegal 0 5")
    clocks = [await read(farm, device, 0, 5) for device in (0, 2, 0)]
    await read(farm, 0, 5, 1)
    farm.file.flush()
    lines = [line.split(",") for line in (tmp_path / "journal").read_text().splitlines()]
    assert [(device, count) for device, count, _ in lines] == [("0", "1"), ("2", "1"), ("0", "2")]
    upper = struct.unpack_from(">Q", bytes(clocks[2] or b"") + bytes(2), 4)[0]
    assert int(lines[2][2]) >> 16 == upper >> 16


async def test_a_silent_device_accepts_and_never_answers_until_it_speaks_again(farm: Rig) -> None:
    farm.tell("silent 1 on")
    assert await read(farm, 1, patience=0.3) is None
    assert await read(farm, 0) is not None
    farm.tell("silent 1 off")
    assert await read(farm, 1) is not None


async def test_a_refusing_device_drops_its_clients_and_comes_back_on_its_port(farm: Rig) -> None:
    port = farm.ports[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    farm.tell("refuse 1 on")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 10)
    writer.close()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)
    farm.tell("refuse 1 off")
    await farm.listening(1)
    assert await read(farm, 1) is not None


async def test_reads_that_cover_an_illegal_register_get_exception_2(farm: Rig) -> None:
    farm.tell("illegal 0 7")
    farm.tell("illegal 0 9")
    assert await read(farm, 0, 0, 10) == 2
    assert await read(farm, 0, 9, 1) == 2
    assert isinstance(await read(farm, 0, 0, 7), bytes)
    assert isinstance(await read(farm, 0, 8, 1), bytes)
    farm.tell("illegal 0 off")
    assert isinstance(await read(farm, 0, 0, 10), bytes)


async def test_exceptions_can_be_forced_and_lengths_are_judged(farm: Rig) -> None:
    farm.tell("exception 2 4")
    assert await read(farm, 2) == 4
    farm.tell("exception 2 off")
    assert await read(farm, 2, 119, 2) == 2
    assert isinstance(await read(farm, 2, 119, 1), bytes)


async def test_stats_count_answers_and_clients(farm: Rig) -> None:
    await read(farm, 0)
    await read(farm, 2)
    stats = farm.tell("stats")
    assert stats["answered"] == [1, 0, 1]
    assert stats["total"] == 2


@pytest.mark.parametrize("command", ["silent 9 on", "silent x on", "silent 0 perhaps", "illegal 0 minus"])
async def test_wrong_orders_are_refused(farm: Rig, command: str) -> None:
    assert any(reason in farm.tell(command)["error"] for reason in ("there are 0 to 2", "a number", "on or off"))


async def test_frames_in_pieces_and_together_are_answered_in_order() -> None:
    farm = Farm(1, 120)
    port = (await farm.start())[0]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    requests = b"".join(struct.pack(">HHHBBHH", i, 0, 6, 1, 3, 0, 2) for i in range(1, 4))
    for piece in (requests[:5], requests[5:20], requests[20:]):
        writer.write(piece)
        await asyncio.sleep(0.02)
    for i in range(1, 4):
        answer = await asyncio.wait_for(reader.readexactly(13), 10)
        assert struct.unpack(">HHHBBBI", answer) == (i, 0, 7, 1, 3, 4, i)
    writer.write(struct.pack(">HHHBBHH", 9, 0, 6, 1, 6, 0, 2))
    assert (await asyncio.wait_for(reader.readexactly(9), 10))[-2:] == b"\x86\x01"
    writer.write(struct.pack(">HHHBB", 10, 0, 2, 1, 7))
    assert (await asyncio.wait_for(reader.readexactly(9), 10))[-2:] == b"\x87\x01"
    writer.write(b"GET / HTTP/1.1\r\n")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 10)
    writer.close()
    await farm.stop()


async def test_a_delayed_farm_answers_late_and_counts_when_it_answers() -> None:
    farm = Farm(1, 10, delay=0.15)
    reader, writer = await asyncio.open_connection("127.0.0.1", (await farm.start())[0])
    writer.write(struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 0, 2))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.05)
    assert farm.devices[0].answered == 0
    assert (await asyncio.wait_for(reader.readexactly(13), 10))[7] == 4
    writer.write(struct.pack(">HHHBBHH", 2, 0, 6, 1, 4, 0, 2))
    await asyncio.sleep(0.02)
    writer.transport.abort()
    await asyncio.sleep(0.2)
    assert farm.devices[0].answered == 1
    await farm.stop()


async def test_a_process_serves_keeps_its_journal_and_obeys(tmp_path: Path) -> None:
    journal = tmp_path / "of-process"
    with Simulator("farm", "--devices", "2", "--journal", str(journal), "--period", "2s") as process:
        assert (process.ready["registers"], process.ready["period"]) == (120, "2s")
        async with AsyncModbusTcpClient("127.0.0.1", port=process.ready["ports"][1], timeout=10) as client:
            await client.read_holding_registers(0, count=1, device_id=1)
        assert process.tell("stats")["answered"] == [0, 1]
        assert journal.read_text().startswith("1,1,")


def test_the_pattern_changes_from_answer_to_answer_and_comes_round() -> None:
    farm, device = Farm(1, 20), Device(0, 20)
    seen = [farm.data(device, 6, 14) for _ in range(PATTERNS + 1)]
    assert len(set(seen)) == PATTERNS
    assert seen[0] == seen[PATTERNS]


async def test_consecutive_ports_follow_the_base_port() -> None:
    probe = Farm(1, 10)
    base = (await probe.start())[0]
    await probe.stop()
    farm = Farm(1, 10)
    assert await farm.start(base) == [base]
    await farm.stop()

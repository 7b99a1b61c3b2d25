"""CPU per poll of 125 registers (62 float32 and one uint16), one device on 127.0.0.1: ours against pymodbus.

Both ask one request at a time over one connection and turn the answer into numbers. The server is another process, and
its CPU is not counted. Run: `.venv/bin/python bench/modbus_poll.py [polls]`.
"""

import asyncio
import socket
import statistics
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from multiprocessing import get_context

from pymodbus.client import AsyncModbusTcpClient

from gateway.sdk.testing import connection
from gateway_modbus.config import ModbusDevice
from gateway_modbus.link import Link
from gateway_modbus.scan import Scan

REGISTERS, FLOATS, ROUNDS = 125, 62, 5
PAYLOAD = struct.pack(">62fH", *(20.0 + i for i in range(FLOATS)), 7)


def serve(listening: socket.socket) -> None:
    """Answer every request for 125 registers, as fast as it comes; one connection after the other."""
    while True:
        session, _ = listening.accept()
        session.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while request := session.recv(12, socket.MSG_WAITALL):
            header = request[:4] + struct.pack(">HBBB", 3 + len(PAYLOAD), request[6], request[7], len(PAYLOAD))
            session.sendall(header + PAYLOAD)


def device(port: int) -> ModbusDevice:
    tags = {f"f{i}": {"at": f"holding:{2 * i}", "type": "float32"} for i in range(FLOATS)}
    return ModbusDevice.model_validate(
        {
            "device": "bench",
            "adapter": "modbus",
            "connect": f"tcp://127.0.0.1:{port}",
            "tags": tags | {"last": {"at": "holding:124"}},
        }
    )


async def cpu_per_poll(poll: Callable[[], Awaitable[object]], polls: int) -> float:
    start = time.process_time()
    for _ in range(polls):
        await poll()
    return (time.process_time() - start) / polls * 1e6


async def ours(port: int, polls: int) -> float:
    config = device(port)
    (group,) = connection(config).groups
    scan = Scan(group, config, Counter())
    _, link = await asyncio.get_running_loop().create_connection(lambda: Link(Counter()), "127.0.0.1", port)

    async def poll() -> None:
        asked = scan.due(0.0)
        scan.settle(asked, await link.read([part.request for part in asked]), 0.0)
        batch = scan.batch(time.time_ns())
        assert batch.value[1] == 21.0

    try:
        return await cpu_per_poll(poll, polls)
    finally:
        await link.close()


async def theirs(port: int, polls: int) -> float:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    float32, uint16 = client.DATATYPE.FLOAT32, client.DATATYPE.UINT16

    async def poll() -> None:
        registers = (await client.read_holding_registers(0, count=REGISTERS)).registers
        values = [client.convert_from_registers(registers[2 * i : 2 * i + 2], float32) for i in range(FLOATS)]
        values.append(client.convert_from_registers(registers[124:], uint16))
        assert values[1] == 21.0

    try:
        return await cpu_per_poll(poll, polls)
    finally:
        client.close()


def main() -> None:
    polls = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = get_context("fork").Process(target=serve, args=(listening,), daemon=True)
        server.start()
        port = listening.getsockname()[1]
        rounds = [(asyncio.run(ours(port, polls)), asyncio.run(theirs(port, polls))) for _ in range(ROUNDS)]
        server.terminate()
        server.join()
    mine, other = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"ours      {mine:8.1f} us of CPU per poll of {REGISTERS} registers")
    print(f"pymodbus  {other:8.1f} us")
    print(f"ratio     {other / mine:8.1f}")


if __name__ == "__main__":
    main()

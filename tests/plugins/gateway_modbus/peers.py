"""Servers by other makers: libmodbus (C), pymodbus, and modbus-serial (npm). Each yields its port."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests import npm

HERE = Path(__file__).parent
NODE = npm.folder("modbus")
SIZE = 400  # registers and coils of the pymodbus and npm servers


def built(source: str, folder: Path) -> Path:
    """The C peer `source`, compiled against libmodbus."""
    gcc, pkg_config = shutil.which("gcc"), shutil.which("pkg-config")
    if gcc is None or pkg_config is None:
        pytest.skip("gcc and pkg-config are needed to build the libmodbus peer")
    flags = subprocess.run([pkg_config, "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False)
    if flags.returncode:
        pytest.skip("libmodbus-dev is not installed")
    target = folder / Path(source).stem
    subprocess.run([gcc, "-O1", "-o", target, HERE / source, *flags.stdout.split()], check=True)
    return target


@contextlib.asynccontextmanager
async def process(*command: str | Path) -> AsyncIterator[int]:
    """A server that prints its port first."""
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    try:
        yield int(await asyncio.wait_for(child.stdout.readline(), 20.0))
    finally:
        child.kill()
        await child.wait()


@contextlib.asynccontextmanager
async def pymodbus() -> AsyncIterator[int]:
    """pymodbus's server with one unit; coils and registers apart."""
    registers = [SimData(0, values=0, count=SIZE, datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=False, count=SIZE, datatype=DataType.BITS)]
    server = ModbusTcpServer(SimDevice(1, (bits, bits, registers, registers)), address=("127.0.0.1", 0))
    await server.listen()
    try:
        assert isinstance(server.transport, asyncio.Server)
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


def node_server() -> list[str | Path]:
    """The command of the npm server; installs its package once, where later runs find it again."""
    if why := npm.install(NODE, "modbus-serial@8"):
        pytest.skip(why)
    return ["node", HERE / "modbus_serial_server.js", NODE / "node_modules", str(SIZE)]

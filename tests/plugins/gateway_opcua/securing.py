"""Servers with certificates of every kind, and a gateway's folder that comes to them."""

import asyncio
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.sdk import DisconnectedError, Host
from gateway.sdk.testing import SilentLog, connection, host
from gateway_opcua.adapter import OpcuaAdapter
from gateway_opcua.store import Kept, TrustStore
from tests.plugins.gateway_opcua.issuing import URI, Made
from tests.plugins.gateway_opcua.peers import HERE, NODE, Process, free_port, install_node_opcua, start
from tests.plugins.gateway_opcua.rigs import device

GOOD = "Basic256Sha256_SignAndEncrypt"
TIME = {"time": {"node": "i=2258"}}


@contextlib.contextmanager
def serving(folder: Path, made: Made, *chain: Made, kind: str = "asyncua", **options: Any) -> Iterator[Process]:
    """A server that shows `made`, with `chain` behind it."""
    made.save(folder, *chain)
    port, env = options.pop("port", None) or free_port(), None
    (folder / "options.json").write_text(json.dumps({"uri": URI, "policies": [GOOD], **options}))
    command = [sys.executable, str(HERE / "secured_server.py"), str(port), str(folder)]
    if kind == "node":
        if reason := install_node_opcua():
            pytest.skip(f"node-opcua: {reason}")
        command = ["node", str(HERE / "secured_node_opcua.js"), str(port), str(folder)]
        env = os.environ | {"NODE_PATH": str(NODE / "node_modules")}
    with start(command, port, env) as process:
        yield process


class Client:
    """A gateway's folder, and what it comes to at a server."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store = TrustStore(home)

    async def connect(self, process: Process, **options: Any) -> SilentLog:
        """Connect and leave. Raises DisconnectedError."""
        options = {"security": "sign_and_encrypt", **options}
        around: Host = host(self.home)
        adapter = OpcuaAdapter(connection(device(process.port, TIME, **options)), around)
        try:
            await asyncio.wait_for(adapter.connect(), 20)
        finally:
            await adapter.close()
        assert isinstance(around.log, SilentLog)
        return around.log

    async def refused(self, process: Process, **options: Any) -> str:
        with pytest.raises(DisconnectedError) as caught:
            await self.connect(process, **options)
        return str(caught.value)

    async def kept(self, role: str) -> list[Kept]:
        return [one for one in await asyncio.to_thread(lambda: list(self.store.all())) if one.role == role]

    def put(self, folder: str, name: str, data: bytes) -> None:
        path = self.home / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def sha256(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest().upper()

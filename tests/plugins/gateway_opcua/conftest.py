"""Real servers in processes of their own, and a relay in front of them that a test can cut."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway_opcua.certificates import load_identity
from tests.plugins.gateway_opcua.issuing import NOW
from tests.plugins.gateway_opcua.peers import (
    Process,
    Relay,
    free_port,
    install_node_opcua,
    start_asyncua,
    start_node_opcua,
)
from tests.plugins.gateway_opcua.securing import Client
from tests.plugins.gateway_opcua.watched import TAGS


@pytest.fixture(scope="session")
def asyncua_server() -> Iterator[Process]:
    """One server for all tests that do not stop it."""
    with start_asyncua(free_port()) as process:
        yield process


@pytest.fixture(scope="session")
def node_opcua_server() -> Iterator[Process]:
    """A server of another maker; skipped where it cannot be installed."""
    if reason := install_node_opcua():
        pytest.skip(f"node-opcua: {reason}")
    with start_node_opcua(free_port()) as process:
        yield process


@pytest.fixture
async def relay(asyncua_server: Process) -> AsyncIterator[Relay]:
    """A way to the first server that can be cut and opened again, on the same port."""
    relay = Relay(asyncua_server.port, free_port())
    await relay.start()
    yield relay
    await relay.stop()


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gateway's own certificate, made once."""
    home = tmp_path_factory.mktemp("own")
    load_identity(home, NOW)
    return home / "own"


@pytest.fixture
def client(tmp_path: Path, own: Path) -> Client:
    home = tmp_path / "home"
    (home / "own").mkdir(parents=True)
    for name in ("certificate.der", "key.pem"):
        (home / "own" / name).write_bytes((own / name).read_bytes())
    return Client(home)


@pytest.fixture(params=["asyncua", "node"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["asyncua", "node-opcua"], scope="module")
def ticking(request: pytest.FixtureRequest) -> Iterator[tuple[Process, str]]:
    """A server whose first tags count up ten times a second, with their history, and how its node ids begin."""
    if request.param == "asyncua":
        server, prefix = start_asyncua(free_port()), ""
    else:
        if reason := install_node_opcua():
            pytest.skip(f"node-opcua: {reason}")
        server, prefix = start_node_opcua(free_port()), "ns=1;s="
    with server as process:
        process.tell(f"tick 0.1 {TAGS}")
        yield process, prefix


@pytest.fixture
async def way(ticking: tuple[Process, str]) -> AsyncIterator[tuple[Relay, str]]:
    """A way to it that can be cut."""
    relay = Relay(ticking[0].port, free_port())
    await relay.start()
    yield relay, ticking[1]
    await relay.stop()

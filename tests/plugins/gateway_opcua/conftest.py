"""Real servers in processes of their own, and a relay in front of them that a test can cut."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.plugins.gateway_opcua.peers import (
    Process,
    Relay,
    free_port,
    install_node_opcua,
    start_asyncua,
    start_node_opcua,
)


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

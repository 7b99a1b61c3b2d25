"""A real broker for each test, and the transcripts that the assertions are read in."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deliver.brokers import Process, free_port, mosquitto
from tests.deliver.sparkplug import life
from tests.deliver.sparkplug.tap import Packet

PLAIN = "allow_anonymous true\nmax_queued_messages 100000"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Process]:
    process = mosquitto(tmp_path, free_port(), PLAIN)
    process.start()
    yield process
    process.kill()


def _lived(folder: Path, version: str) -> list[Packet]:
    process = mosquitto(folder, free_port(), PLAIN)
    process.start()
    try:
        return asyncio.run(life.of_a_node(folder, process.ports[0], version))
    finally:
        process.kill()


@pytest.fixture(scope="session")
def lives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Packet]]:
    """All that an edge node sent in its life, by version of MQTT."""
    return {version: _lived(tmp_path_factory.mktemp("life"), version) for version in ("5", "3.1.1")}


@pytest.fixture(scope="session")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> life.Waiting:
    """What an edge node did that has a primary host."""
    folder = tmp_path_factory.mktemp("waiting")
    process = mosquitto(folder, free_port(), PLAIN)
    process.start()
    try:
        return asyncio.run(life.with_a_primary_host(folder, process.ports[0]))
    finally:
        process.kill()

"""Rigs for whole gateways: a folder of a module's own, and a broker that can go away and come back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.kill import Broker, broker
from tests.e2e.site import Listener


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder for the rig of one module."""
    return tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])


@pytest.fixture(scope="module")
def post(place: Path) -> Iterator[Broker]:
    """The plant's broker: Mosquitto, or the embedded one."""
    with broker(place) as one:
        yield one


@pytest.fixture(scope="module")
def ear(post: Broker) -> Iterator[Listener]:
    """A subscriber of everything that the gateway says."""
    one = Listener(post.port)
    yield one
    one.stop()

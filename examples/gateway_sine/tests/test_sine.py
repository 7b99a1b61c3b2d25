"""The suite that every adapter passes, against a real device; and what is this adapter's own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError
from sine_device import SineServer

from gateway.sdk import DisconnectedError, quality
from gateway.sdk.testing import AdapterContract, Rig, connection, host
from gateway_sine import SineAdapter, SineDevice

TAGS = {"sine": {}, "later": {"at": "cosine"}, "one": {"every": "50ms"}}


def device(port: int, tags: object = TAGS, **options: str) -> SineDevice:
    """The configuration of a device on `port`, as a person would write it."""
    written = {"device": "bench-1", "adapter": "sine", "connect": f"tcp://127.0.0.1:{port}", "every": "100ms"}
    return SineDevice.model_validate({**written, "tags": tags, **options})


@pytest.fixture
async def server() -> AsyncIterator[SineServer]:
    """A real device that answers."""
    server = SineServer()
    await server.start()
    yield server
    await server.stop()


class TestSineAdapter(AdapterContract):
    """What every adapter owes."""

    @pytest.fixture
    def rig(self, server: SineServer, tmp_path: Path) -> Rig:
        """A connection to the device, which can go away and come back."""
        return Rig(SineAdapter, connection(device(server.port)), tmp_path, server.start, server.stop)


async def test_what_the_device_does_not_know_is_bad_and_no_number(server: SineServer, tmp_path: Path) -> None:
    """One tag that is refused costs that tag only."""
    line = connection(device(server.port, {"one": {}, "wrong": {"at": "tangent"}}))
    adapter = SineAdapter(line, host(tmp_path))
    await adapter.connect()
    batch = await adapter.read(line.groups[0])
    await adapter.close()
    assert batch.status.tolist() == [quality.GOOD, quality.BAD_NO_DATA]
    assert batch.value[0] == 1.0
    assert np.isnan(batch.value[1])


async def test_a_device_that_falls_silent_is_disconnected_in_bounded_time(server: SineServer, tmp_path: Path) -> None:
    """It takes the request and never answers."""
    line = connection(device(server.port, timeout="100ms"))
    adapter = SineAdapter(line, host(tmp_path))
    await adapter.connect()
    server.mute = True
    with pytest.raises(DisconnectedError, match="no answer in time"):
        await asyncio.wait_for(adapter.read(line.groups[0]), 5.0)
    await adapter.close()


@pytest.mark.parametrize("wrong", ["127.0.0.1:7700", "udp://127.0.0.1:7700", "tcp://127.0.0.1", "tcp://h:70000"])
def test_a_wrong_address_is_refused(wrong: str) -> None:
    """The gateway shows the reason with the file, the line and the column."""
    with pytest.raises(ValidationError, match=r"connect"):
        device(1, connect=wrong)


def test_a_name_cannot_smuggle_in_a_second_request() -> None:
    """A line break in `at` would put every later answer out of step."""
    with pytest.raises(ValidationError, match="at"):
        device(1, {"two": {"at": "sine\nGET one"}})


def test_the_sample_is_a_configuration() -> None:
    """`sample.yaml` loads."""
    text = (Path(__file__).parents[1] / "sample.yaml").read_text(encoding="utf-8")
    assert SineDevice.model_validate(yaml.safe_load(text)).tags["quarter_later"].at == "cosine"

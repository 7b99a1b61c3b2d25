"""Whether the node's clock is trusted: a metric of its own, told at birth and when it changes, before the data."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.deliver.sparkplug.node import CLOCK_METRIC
from tests.deliver.brokers import Process
from tests.deliver.sparkplug.rig import PUMP, Host, Plant


@pytest.fixture
def host(broker: Process) -> Iterator[Host]:
    one = Host(broker.ports[0])
    yield one
    one.close()


def kinds(host: Host) -> list[str]:
    """The types of what came, in order."""
    return [topic.split("/")[2] for topic, _, _ in host.messages if topic.startswith("spBv1.0/plant/")]


async def test_a_host_knows_before_the_data_when_the_clock_is_not_trusted(
    tmp_path: Path, broker: Process, host: Host
) -> None:
    plant, doubt = Plant(tmp_path, broker.ports[0]), ""
    plant.node.doubt = lambda: doubt
    async with plant.running():
        plant.scan("pump-7", *PUMP)
        await plant.until(lambda: host.of("DBIRTH") and plant.settled(), "born")
        [birth] = host.of("NBIRTH")
        [said] = [one for one in birth.metrics if one.name == CLOCK_METRIC]
        assert said.value == "trusted"
        before = len(kinds(host))
        for doubt in ("stepped", "stepped", ""):  # noqa: B007 - told by the lambda
            plant.scan("pump-7", *PUMP)
            await plant.until(plant.settled, "told")
        await plant.until(lambda: kinds(host).count("DDATA") >= 3, "heard")
    told = [kind for kind in kinds(host)[before:] if kind in ("NDATA", "DDATA")]
    assert told[-5:] == ["NDATA", "DDATA", "DDATA", "NDATA", "DDATA"]
    clock = [one.value for message in host.of("NDATA") for one in message.metrics if one.alias == said.alias]
    assert clock == ["stepped", "trusted"]

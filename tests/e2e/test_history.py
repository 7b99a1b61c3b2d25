"""No gap, with the real daemon: what the server remembers of the time in which the gateway was not there is told."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.kill import Broker
from bench.rig import free_port
from tests.e2e.site import Listener, Message, Site, until
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import start_asyncua

TAGS = 3
AWAY = 4.0  # s


@pytest.fixture
def site(tmp_path: Path, post: Broker) -> Iterator[Site]:
    """A gateway that reads tags which count up five times a second, and whose server keeps their history."""
    port = free_port()
    with start_asyncua(port) as server:
        server.tell(f"tick 0.2 {TAGS}")
        nodes = {f"N{i}": {"node": f"nsu={URI};s=N{i}"} for i in range(TAGS)}
        device = {"device": "line", "adapter": "opcua", "connect": f"opc.tcp://127.0.0.1:{port}", "every": "100ms"}
        with Site(tmp_path, [{**device, "tags": nodes}], post.port, telemetry="changes") as one:
            yield one


def counted(messages: list[Message], tag: str) -> list[int]:
    """The numbers of one tag, in the order of the messages."""
    found = []
    for message in messages:
        status = message.get("status", [0] * len(message["tags"]))
        for name, value, code in zip(message["tags"], message["values"], status, strict=True):
            if name == tag and code == 0:
                found.append(int(value))
    return found


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_was_missed_while_the_gateway_was_away_is_told_as_historical(site: Site, ear: Listener, end: str) -> None:
    begin = ear.count
    site.start()
    until(lambda: site.reads("line"), "the line is read")
    kept = site.state / "adapters" / "opcua" / "history" / "line.json"
    if end == "kill":
        until(kept.exists, "what was read is kept")
        site.kill()
    else:
        time.sleep(1.0)
        assert site.stop() == 0
    assert kept.exists()
    time.sleep(AWAY)
    since = ear.count
    site.start()
    until(lambda: site.lines("gap filled"), "the gap is filled")
    until(lambda: any(m.get("historical") for m in ear.told("telemetry", since, device="line")), "and told")
    seen = ear.count
    until(lambda: len(ear.told("telemetry", seen, device="line")) > 5, "life goes on")
    every = ear.told("telemetry", begin, device="line")
    past = [message for message in every if message.get("historical")]
    for tag in (f"line.N{i}" for i in range(TAGS)):
        numbers = sorted(set(counted(every, tag)))
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert len(counted(past, tag)) >= 5 * (AWAY - 1)
        assert counted(past, tag) == sorted(counted(past, tag))
    books = site.status()["outbox"]["classes"]["telemetry"]
    assert books

"""Line 3: no session and no subscription is left at the server, whatever ended the connection; and line 4: silence."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.changes import CHANGES
from gateway.ops.inbox import Inbox
from tests.e2e.site import Site
from tests.e2e.site import until as until_now
from tests.plugins.gateway_opcua.peers import (
    Process,
    free_port,
    install_node_opcua,
    relaying,
    start_asyncua,
    start_node_opcua,
)
from tests.plugins.gateway_opcua.watched import Watched, until, watched

CUTS = 5
Served = tuple[Process, str]


@pytest.fixture(params=["asyncua", "node-opcua"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A server that nobody else comes to, and how its node ids begin."""
    if request.param == "node-opcua" and (reason := install_node_opcua()):
        pytest.skip(f"node-opcua: {reason}")
    server, begin = {
        "asyncua": (start_asyncua, "nsu=http://fieldgate.test/line;s="),
        "node-opcua": (start_node_opcua, "ns=1;s="),
    }[request.param]
    with server(free_port()) as process:
        yield process, begin


def tags(begin: str) -> dict[str, dict[str, str]]:
    """One that is read and one that is told."""
    return {"N1": {"node": f"{begin}N1"}, "N2": {"node": f"{begin}N2", "mode": "subscribe"}}


def told(run: Watched, event: str) -> int:
    return [line for _, line, _ in run.log.lines].count(event)


@pytest.mark.parametrize("security", ["none", "sign_and_encrypt"])
async def test_cut_again_and_again_there_is_one_session_and_at_last_none(
    served: Served, tmp_path: Path, security: str
) -> None:
    process, begin = served
    options = {"every": "100ms", "security": security}
    async with relaying(process.port) as relay:
        async with watched(tmp_path, relay.port, tags=tags(begin), **options) as run:
            for cut in range(CUTS):
                await until(lambda cut=cut: not run.runner.lost and run.runner.counters["connects_total"] > cut)  # type: ignore[misc]
                seen = len(run.came)
                await until(lambda seen=seen: len(run.came) > seen + 3)  # type: ignore[misc]
                assert await asyncio.to_thread(process.count) == (1, 1)
                await relay.stop()
                await until(lambda: bool(run.runner.lost))
                await relay.start()
            await until(lambda: not run.runner.lost)
            assert await asyncio.to_thread(process.count) == (1, 1)
        assert await asyncio.to_thread(process.count) == (0, 0)


async def test_a_server_that_stops_publishing_though_it_answers_is_taken_up_anew(
    served: Served, tmp_path: Path
) -> None:
    """Nothing more is told of that subscription, not even that it lives; reads go on as if nothing were."""
    process, begin = served
    async with watched(tmp_path, process.port, tags=tags(begin), every="100ms", timeout="1s") as run:
        await until(lambda: not run.runner.lost and len(run.came) > 10)
        await asyncio.to_thread(process.tell, "silence all")
        await until(lambda: told(run, "device lost") == 1)
        [why] = [fields["why"] for _, event, fields in run.log.lines if event == "device lost"]
        assert "nothing published" in why
        await until(lambda: told(run, "device back") == 1)
        await asyncio.sleep(3)
        assert told(run, "device lost") == 1
        assert await asyncio.to_thread(process.count) == (1, 1)


def test_neither_a_reload_nor_sigterm_leaves_one_behind(served: Served, tmp_path: Path) -> None:
    """The device goes with the second configuration, and another one with the gateway."""
    process, begin = served
    one = {"adapter": "opcua", "connect": f"opc.tcp://127.0.0.1:{process.port}", "every": "200ms", "tags": tags(begin)}
    other = {**one, "device": "other", "connect": f"opc.tcp://localhost:{process.port}"}
    with Site(tmp_path, [{**one, "device": "one"}, other]) as site:
        site.start()
        until_now(lambda: site.reads("one") and site.reads("other"), "both are read")
        until_now(lambda: process.count() == (2, 2), "each has its session")
        standing = {"sessions_standing": 1, "subscriptions_standing": 1, "items_standing": 1}
        until_now(lambda: list(site.status()["connections"].values()) == [standing, standing], "what stands is told")
        assert site.get("/metrics")[1].count("_standing{connection=") == 6
        (site.folder / "devices.d" / "one.yaml").unlink()
        inbox = Inbox(site.state, CHANGES)
        answer = inbox.answered(inbox.leave({"by": "test", "verb": "apply"}), 60.0)
        assert answer is not None, json.dumps(answer)
        until_now(lambda: process.count() == (1, 1), "the session of the device that went is gone")
        assert site.reads("other")
        site.stop()
        assert process.count() == (0, 0)

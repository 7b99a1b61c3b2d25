"""What is touched of asyncua's inside is there, and requests that were given up do no harm."""

import asyncio
import logging

import pytest
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClient, UASocketProtocol

from gateway.sdk.testing import LoopClock
from gateway_opcua import channel
from gateway_opcua.codec import ReadPlan
from gateway_opcua.nodeid import encode
from tests.plugins.gateway_opcua.peers import Process, Relay

STATE = ReadPlan([encode(0, 2259)])


@pytest.mark.parametrize("path", channel.TOUCHED)
def test_asyncua_still_has(path: str) -> None:
    assert not [missing for missing in channel.missing(UASocketProtocol()) if missing == path]


@pytest.mark.parametrize("path", channel.GUARDED)
def test_asyncua_still_has_what_the_guard_looks_at(path: str) -> None:
    assert channel.missing(UASocketProtocol(), [path]) == []
    assert hasattr(UaClient, "_make_protocol")


def test_what_lacks_them_all_is_told_by_name() -> None:
    assert channel.missing(object()) == list(channel.TOUCHED)


def test_asyncua_is_silent_below_errors_unless_somebody_wants_to_hear_it() -> None:
    logger = logging.getLogger("asyncua")
    before = logger.level
    try:
        logger.setLevel(logging.NOTSET)
        channel.quiet_asyncua()
        assert not logger.isEnabledFor(logging.WARNING)
        logger.setLevel(logging.DEBUG)
        channel.quiet_asyncua()
        assert logger.isEnabledFor(logging.DEBUG)
    finally:
        logger.setLevel(before)


async def test_answers_that_come_too_late_do_not_close_the_connection(relay: Relay) -> None:
    async with Client(f"opc.tcp://127.0.0.1:{relay.port}", watchdog_intervall=3600) as client:
        fast = channel.FastChannel(client, LoopClock())
        relay.delay = 0.2
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await fast.read(STATE, 0.01)
        relay.delay = 0.0
        await asyncio.sleep(0.3)
        assert STATE.decode(await fast.read(STATE, 5)).value[0] == 0


async def test_requests_given_up_are_forgotten_in_the_end(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "_MAX_LATE", 3)
    async with Client(f"opc.tcp://127.0.0.1:{relay.port}", watchdog_intervall=3600) as client:
        fast = channel.FastChannel(client, LoopClock())
        protocol = client.uaclient.protocol
        assert protocol is not None
        relay.hold = True
        for _ in range(10):
            with pytest.raises(TimeoutError):
                await fast.read(STATE, 0.01)
        assert len(protocol._callbackmap) <= 3
        await relay.stop()


async def test_a_closed_connection_is_told(asyncua_server: Process) -> None:
    client = Client(f"opc.tcp://127.0.0.1:{asyncua_server.port}", watchdog_intervall=3600)
    await client.connect()
    fast = channel.FastChannel(client, LoopClock())
    waiting = fast.publish([])
    await client.disconnect()
    await asyncio.sleep(0.05)
    assert waiting.done()
    with pytest.raises(ConnectionError):
        await fast.read(STATE, 1)

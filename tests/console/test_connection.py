"""Who connects and says nothing, or says it too slowly, holds no place; real sockets against the server itself."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import pytest
import uvicorn
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gateway.console import calls, connection, server
from gateway.console.rights import Refused, Role, Who
from gateway.console.stream import Hub, View
from gateway.console.tags import Look
from gateway.console.watching import Stream
from tests.console import test_stream
from tests.console.plant import soon

HEAD = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
SOON, WITHIN = 0.3, 10.0  # s


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads the body, as every path of the console does."""
    try:
        answer = calls.answered(await calls.said(Request(scope, receive)))
    except Refused as error:
        answer = calls.refusal(error)
    await answer(scope, receive, send)


@asynccontextmanager
async def serving(app: Any = reading, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """The server as the console configures it, and its port."""
    console = server.Console.__new__(server.Console)
    console._tls = tls
    one = uvicorn.Server(console._uvicorn(app))
    bound = await asyncio.to_thread(server._bound, "127.0.0.1:0")
    task = asyncio.create_task(one.serve([bound]))
    await soon(lambda: one.started, "it serves")
    try:
        yield one, bound.getsockname()[1]
    finally:
        one.should_exit = True
        await task
        bound.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times short enough for a test."""
    monkeypatch.setattr(connection, "_WAITED", {h11.IDLE: SOON, h11.SEND_BODY: 3 * SOON})
    monkeypatch.setattr(calls, "BODY", SOON)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the connection ends."""
    try:
        return await asyncio.wait_for(reader.read(), WITHIN)
    except ConnectionError:
        return b""


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: localhost\r\n"])
async def test_a_connection_without_a_request_is_cut_off_however_it_trickles(begun: bytes) -> None:
    async with serving() as (one, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        ending = asyncio.create_task(ended(reader))
        for _ in range(200):
            if ending.done():
                break
            if begun:
                writer.write(b"x")
            await asyncio.sleep(SOON / 10)
        assert await ending == b""
        assert not one.server_state.connections
        writer.close()


@pytest.mark.usefixtures("quick")
async def test_the_next_request_on_a_kept_connection_has_the_same_time() -> None:
    async with serving() as (one, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(HEAD + b"content-length: 2\r\n\r\n{}")
            assert b"200 OK" in await reader.readuntil(b"{}")
            await asyncio.sleep(SOON / 2)
        writer.write(b"GET / HT")
        assert await ended(reader) == b""
        assert not one.server_state.connections
        writer.close()


@pytest.mark.usefixtures("quick")
async def test_a_body_that_does_not_come_is_answered_with_408_and_the_connection_ends() -> None:
    async with serving() as (one, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"content-length: 9\r\n\r\n{")
        told = await ended(reader)
        assert told.startswith(b"HTTP/1.1 408 ")
        assert b'"reason":"late"' in told
        assert not one.server_state.connections
        writer.close()


@pytest.mark.usefixtures("quick")
async def test_who_has_their_answer_and_goes_on_sending_is_cut_off() -> None:
    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        await calls.refusal(Refused(401, "login", "nobody"))(scope, receive, send)

    async with serving(refusing) as (one, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"content-length: 900\r\n\r\n{")
        assert b" 401 " in await reader.readuntil(b"}")
        assert await ended(reader) == b""
        assert not one.server_state.connections
        writer.close()


async def test_one_address_does_not_take_the_places_of_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OF_ONE", 3)
    monkeypatch.setattr(connection, "MOST", 5)
    async with serving() as (one, port):
        own = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        assert await ended(own[3][0]) == b""
        other = [await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0)) for _ in range(3)]
        assert await ended(other[2][0]) == b"", "one too many in all"
        other[0][1].write(HEAD + b"content-length: 2\r\n\r\n{}")
        assert b"200 OK" in await other[0][0].readuntil(b"{}")
        assert len(one.server_state.connections) == 5
        for _, writer in (*own, *other):
            writer.close()


async def test_who_begins_no_tls_has_no_more_places_than_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OF_ONE", 3)
    async with serving(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as (_, port):
        own = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        assert await ended(own[3][0]) == b""
        own[0][1].close()
        await own[0][1].wait_closed()
        await asyncio.sleep(SOON)
        again, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(again.read(1), SOON)
        for _, one in (*own, (again, writer)):
            one.close()


def test_who_begins_no_tls_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HANDSHAKE", SOON)

    async def silent() -> int:
        async with serving(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await ended(reader) == b""
            writer.close()
            return port

    with asyncio.Runner(loop_factory=connection.PromptLoop) as runner:
        assert runner.run(silent())


def test_places_are_counted_and_so_is_who_finds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OF_ONE", 2)
    places = server._bound("127.0.0.1:0")
    with contextlib.ExitStack() as stack:
        stack.callback(places.close)
        own = [stack.enter_context(socket.create_connection(places.getsockname()[:2])) for _ in range(3)]
        kept = [stack.enter_context(places.accept()[0]) for _ in own[:2]]
        with pytest.raises(ConnectionAbortedError):
            places.accept()
        assert (places.taken, places.refused) == (2, 1)
        kept[0].close()
        assert places.taken == 1


async def test_a_stream_that_has_ended_and_is_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.console.stream.GRACE", SOON)
    hub: Hub = test_stream.Scene().hub
    viewer = hub.come(Who("otto", Role.VIEWER, key="otto"), View(frozenset({"tags"}), Look()))

    async def streaming(scope: Scope, receive: Receive, send: Send) -> None:
        await Stream(hub, viewer)(scope, receive, send)

    async with serving(streaming) as (one, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        full = False
        for _ in range(500):
            viewer.give(b"x" * 2**20)
            await asyncio.sleep(0.01)
            [held] = map(vars, one.server_state.connections)
            if full := held["flow"].write_paused:
                break
        assert full, "nobody reads"
        hub.end("session")
        assert not hub.viewers, "its place is free at once"
        await soon(lambda: not (one.server_state.connections or one.server_state.tasks), "it is cut off")
        writer.close()

"""The adapter against a real server (asyncua's) in a process of its own."""

import asyncio
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.sdk import Batch, ConfigError, DisconnectedError, Kind, quality
from gateway.sdk.testing import AdapterContract, Rig, connection, host
from gateway_opcua.adapter import OpcuaAdapter
from tests.plugins.gateway_opcua.asyncua_server import EVERY_TYPE
from tests.plugins.gateway_opcua.peers import Process, Relay, free_port, start_asyncua
from tests.plugins.gateway_opcua.rigs import NUMBERS, device, running

FIVE = [f"N{i}" for i in range(5)]


class TestReading(AdapterContract):
    @pytest.fixture
    async def rig(self, relay: Relay, tmp_path: Path) -> Rig:
        line = connection(device(relay.port, FIVE), device(relay.port, NUMBERS, "press"))
        return Rig(OpcuaAdapter, line, tmp_path, relay.start, relay.stop)


class TestSubscribed(AdapterContract):
    @pytest.fixture
    async def rig(self, relay: Relay, tmp_path: Path) -> Rig:
        first = device(relay.port, FIVE, mode="subscribe")
        line = connection(first, device(relay.port, NUMBERS, "press", mode="subscribe"))
        return Rig(OpcuaAdapter, line, tmp_path, relay.start, relay.stop)


@pytest.fixture(params=["read", "subscribe"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_every_type_arrives(asyncua_server: Process, tmp_path: Path, mode: str) -> None:
    async with running(tmp_path, device(asyncua_server.port, list(EVERY_TYPE), mode=mode)) as run:
        await run.until(lambda: len(run.sink.data) >= 2)
        assert run.last("UInt32")[0] == 4_000_000_000
        assert run.last("DateTime")[0] == EVERY_TYPE["DateTime"][0].timestamp()
        assert run.other("Int64")[-1] == -(2**62) - 1
        assert run.other("UInt64")[-1] == 2**63 + 1
        assert run.other("String")[-1] == "warm"
        assert run.other("Array")[-1] == [1.0, 2.0, 3.0]
        assert run.other("Structure")[-1] == {"Low": -1.0, "High": 9.0}
        assert all((batch.status == 0).all() for batch in run.sink.data)


async def test_a_change_arrives(asyncua_server: Process, tmp_path: Path, mode: str) -> None:
    async with running(tmp_path, device(asyncua_server.port, ["N6", "N7"], mode=mode)) as run:
        for number in (100.5, 101.5, 6.0):
            await asyncio.to_thread(asyncua_server.tell, f"write N6 {number}")
            await run.until(lambda number=number: run.last("N6") == (number, 0))  # type: ignore[misc]
        assert run.last("N7") == (7.0, 0)


async def test_one_bad_node_does_not_hold_the_others_and_is_named_once(
    asyncua_server: Process, tmp_path: Path, mode: str
) -> None:
    async with running(tmp_path, device(asyncua_server.port, ["N1", "Ghost", "N2"], mode=mode)) as run:
        await run.until(lambda: run.last("Ghost")[1] == quality.BAD_NODE_ID_UNKNOWN and len(run.sink.batches) > 4)
        assert run.last("N1") == (1.0, 0)
        assert run.last("N2") == (2.0, 0)
        assert math.isnan(run.last("Ghost")[0])
        told = [fields for _, event, fields in run.log.lines if event == "the server refuses tags"]
        assert [fields["tags"] for fields in told] == [["heater.Ghost"]]
        assert run.adapter.counters["nodes_refused_total"] == 1


async def test_a_node_that_appears_later_is_taken_up(asyncua_server: Process, tmp_path: Path, mode: str) -> None:
    late = f"Late-{mode}"
    async with running(tmp_path, device(asyncua_server.port, ["N1", late], mode=mode, retry="200ms")) as run:
        await run.until(lambda: run.last(late)[1] == quality.BAD_NODE_ID_UNKNOWN)
        await asyncio.to_thread(asyncua_server.tell, f"add {late}")
        await run.until(lambda: run.last(late) == (1.0, 0))
        assert "tags answer again" in [event for _, event, _ in run.log.lines]


async def test_an_unknown_namespace_is_a_bad_node(asyncua_server: Process, tmp_path: Path, mode: str) -> None:
    tags = ["N1", "nsu=urn:nowhere;s=Nothing"]
    async with running(tmp_path, device(asyncua_server.port, tags, mode=mode)) as run:
        await run.until(lambda: run.last("Nothing")[1] >= quality.BAD and run.last("N1") == (1.0, 0))


async def test_a_silent_connection_is_noticed(relay: Relay, tmp_path: Path, mode: str) -> None:
    """The network swallows everything, and closes nothing."""
    async with running(tmp_path, device(relay.port, FIVE, mode=mode, timeout="300ms")) as run:
        await run.until(lambda: len(run.sink.data) >= 1)
        relay.hold = True
        with pytest.raises(DisconnectedError):
            await asyncio.wait_for(asyncio.shield(run.task), 20)


async def test_a_silent_connection_is_noticed_between_two_reads_an_hour_apart(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_opcua.session._BEAT", 0.1)
    async with running(tmp_path, device(relay.port, FIVE, every="1h", timeout="300ms")) as run:
        await run.until(lambda: len(run.sink.data) >= 1)
        await asyncio.sleep(0.5)
        assert not run.task.done()
        relay.hold = True
        with pytest.raises(DisconnectedError, match="2 times no sign of life"):
            await asyncio.wait_for(asyncio.shield(run.task), 20)


async def test_a_secure_channel_is_renewed_under_way(
    asyncua_server: Process, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_opcua.session._RENEW", 0.1 / 3600)  # of an hour
    async with running(tmp_path, device(asyncua_server.port, FIVE, mode=mode, security="sign_and_encrypt")) as run:
        assert run.adapter._session is not None
        protocol = run.adapter._session._client.uaclient.protocol
        assert protocol is not None
        first = protocol._connection.security_token.TokenId
        await run.until(lambda: protocol._connection.security_token.TokenId >= first + 3)
        seen = len(run.sink.batches)
        await run.until(lambda: len(run.sink.batches) > seen + 2)


async def test_what_has_not_changed_is_confirmed(asyncua_server: Process, tmp_path: Path) -> None:
    first = device(asyncua_server.port, ["N1", "N2"], mode="subscribe")
    second = device(asyncua_server.port, ["N3", "Ghost"], "press", mode="subscribe")
    async with running(tmp_path, first, second) as run:
        await run.until(lambda: len(run.confirmations()) >= 6)
        rows = {batch.device: np.asarray(batch.rows).tolist() for batch in run.confirmations()}
        assert rows == {0: [0, 1], 1: [2]}


async def test_modes_mix_in_one_session(asyncua_server: Process, tmp_path: Path) -> None:
    polled = device(asyncua_server.port, ["N1"])
    pushed = device(asyncua_server.port, ["N2"], "press", mode="subscribe")
    async with running(tmp_path, polled, pushed) as run:
        await run.until(lambda: run.last("N1") == (1.0, 0) and run.last("N2") == (2.0, 0))
        await run.until(lambda: len([b for b in run.sink.data if b.device == 0]) > 2)


async def test_modes_mix_in_one_device(asyncua_server: Process, tmp_path: Path) -> None:
    mixed = device(asyncua_server.port, ["N1", "N2", "N3"])
    tags = {name: tag.model_dump(exclude_defaults=True) for name, tag in mixed.tags.items()}
    tags["N2"]["mode"] = "subscribe"
    async with running(tmp_path, device(asyncua_server.port, tags)) as run:
        await run.until(lambda: all(run.last(f"N{i}") == (float(i), 0) for i in (1, 2, 3)))
        await run.until(lambda: bool(run.confirmations()))
        seen = len(run.sink.batches)
        await run.until(lambda: len(run.sink.batches) > seen + 4)
        scans = [batch for batch in run.sink.batches[seen:] if batch.kind is Kind.DATA]
        assert {tuple(rows(batch)) for batch in scans} == {(0, 1)}  # N1 and N3; N2 is not asked for any more
        await run.until(lambda: len(run.confirmations()) > 1)
        assert {tuple(np.asarray(batch.rows).tolist()) for batch in run.confirmations()} == {(2,)}


def rows(batch: Batch) -> list[int]:
    return list(range(batch.rows.start, batch.rows.stop)) if isinstance(batch.rows, slice) else batch.rows.tolist()


async def test_large_groups_are_read_in_calls_that_the_server_allows(
    asyncua_server: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_opcua.profiles._HIGHEST", 3)
    async with running(tmp_path, device(asyncua_server.port, [f"N{i}" for i in range(10, 20)])) as run:
        await run.until(lambda: len(run.sink.data) > 1)
        assert run.sink.data[-1].value.tolist() == list(range(10, 20))


async def test_a_restarted_server_is_taken_up_by_the_same_adapter(tmp_path: Path, mode: str) -> None:
    port = free_port()
    with start_asyncua(port):
        adapter = OpcuaAdapter(connection(device(port, FIVE, mode=mode)), host(tmp_path))
        await _one_round(adapter)
    with pytest.raises(DisconnectedError):
        await asyncio.wait_for(adapter.connect(), 15)
    with start_asyncua(port):
        await _one_round(adapter)
    await adapter.close()


async def _one_round(adapter: OpcuaAdapter) -> None:
    seen = asyncio.Event()
    await asyncio.wait_for(adapter.connect(), 15)
    task = asyncio.create_task(adapter.run(lambda _: seen.set()))
    await asyncio.wait_for(seen.wait(), 15)
    task.cancel()
    await asyncio.wait([task])


async def test_the_public_way_serves_when_asyncua_is_not_as_expected(
    asyncua_server: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr("gateway_opcua.channel.TOUCHED", ("not_there",))
    async with running(tmp_path, device(asyncua_server.port, ["N1", "String", "Ghost"], mode=mode)) as run:
        await run.until(lambda: len(run.sink.batches) > 4)
        assert run.last("N1") == (1.0, 0)
        assert run.other("String")[-1] == "warm"
        assert run.last("Ghost")[1] == quality.BAD_NODE_ID_UNKNOWN
        [missing] = [fields for level, _, fields in run.log.lines if level == "warning" and "missing" in fields]
        assert missing == {"missing": ["not_there"]}


# --- security ---


@pytest.mark.parametrize("security", ["sign", "sign_and_encrypt"])
async def test_a_secure_session_with_a_user(asyncua_server: Process, tmp_path: Path, mode: str, security: str) -> None:
    secure = device(asyncua_server.port, FIVE, security=security, user="op", password="secret", mode=mode)
    async with running(tmp_path, secure) as run:
        await run.until(lambda: run.last("N4") == (4.0, 0))
    assert (tmp_path / "own" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "trusted").iterdir()] == [f"127.0.0.1_{asyncua_server.port}.der"]


async def _refusal(tmp_path: Path, port: int, **options: Any) -> str:
    adapter = OpcuaAdapter(connection(device(port, FIVE, **options)), host(tmp_path))
    with pytest.raises(DisconnectedError) as caught:
        await asyncio.wait_for(adapter.connect(), 20)
    await adapter.close()
    return str(caught.value)


async def test_a_wrong_password_is_told(asyncua_server: Process, tmp_path: Path) -> None:
    told = await _refusal(tmp_path, asyncua_server.port, user="op", password="wrong")
    assert "refuses user 'op': check user and password" in told


async def test_a_changed_certificate_is_refused_until_a_person_says_so(asyncua_server: Process, tmp_path: Path) -> None:
    pinned = tmp_path / "trusted" / f"127.0.0.1_{asyncua_server.port}.der"
    pinned.parent.mkdir()
    pinned.write_bytes(b"another")
    told = await _refusal(tmp_path, asyncua_server.port, security="sign")
    assert "shows another certificate" in told
    assert f"delete {pinned}" in told
    pinned.unlink()
    async with running(tmp_path, device(asyncua_server.port, FIVE, security="sign")):
        assert pinned.exists()


async def test_the_certificate_can_be_pinned_by_file(asyncua_server: Process, tmp_path: Path) -> None:
    async with running(tmp_path, device(asyncua_server.port, FIVE, security="sign")):
        pass
    pinned = next((tmp_path / "trusted").iterdir())
    trusted = device(asyncua_server.port, FIVE, security="sign", trust=str(pinned))
    async with running(tmp_path / "other", trusted) as run:
        await run.until(lambda: run.last("N4") == (4.0, 0))
    assert not (tmp_path / "other" / "trusted").exists()
    own = tmp_path / "own" / "certificate.der"
    assert "shows another certificate" in await _refusal(tmp_path, asyncua_server.port, security="sign", trust=str(own))


async def test_a_policy_that_the_server_lacks_is_told_with_those_it_has(
    asyncua_server: Process, tmp_path: Path
) -> None:
    told = await _refusal(tmp_path, asyncua_server.port, security="sign", policy="Aes256_Sha256_RsaPss")
    assert "does not offer Sign Aes256_Sha256_RsaPss" in told
    assert "SignAndEncrypt Basic256Sha256" in told


# --- others ---


async def test_a_server_of_another_protocol_is_disconnected(tmp_path: Path) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        await _refusal(tmp_path, server.sockets[0].getsockname()[1], timeout="1s")


async def test_devices_of_one_session_must_agree(tmp_path: Path) -> None:
    line = connection(device(1, FIVE), device(1, FIVE, "press", timeout="9s"))
    with pytest.raises(ConfigError, match="press: timeout differs from that of device heater"):
        OpcuaAdapter(line, host(tmp_path))

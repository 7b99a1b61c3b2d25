"""Secured sessions: what a server thinks of our certificate, users with theirs, policies, and changes under way."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.sdk import DisconnectedError, Host
from gateway.sdk.testing import Collector, LoopClock, SilentLog, connection, host
from gateway_opcua.adapter import OpcuaAdapter
from gateway_opcua.certificates import load_identity, renew
from tests.plugins.gateway_opcua.issuing import DAY, NOW, make
from tests.plugins.gateway_opcua.peers import Process
from tests.plugins.gateway_opcua.rigs import device, eventually, running
from tests.plugins.gateway_opcua.securing import TIME, Client, serving, sha256

# --- while a session stands ---


async def test_a_session_ends_when_a_person_rejects_its_server(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_opcua.security._LOOK", 0.1)
    with serving(tmp_path / "server", make()) as server:
        async with running(client.home, device(server.port, TIME, security="sign_and_encrypt")) as run:
            await run.until(lambda: len(run.sink.data) > 2)
            [pinned] = await client.kept("trusted")
            await asyncio.to_thread(client.store.reject, pinned.fingerprint)
            await eventually(run.task.done)
            with pytest.raises(DisconnectedError, match="it was rejected here"):
                run.task.result()


async def test_a_folder_that_cannot_be_read_any_more_is_a_loss_and_no_fault(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_opcua.security._LOOK", 0.1)
    with serving(tmp_path / "server", make()) as server:
        async with running(client.home, device(server.port, TIME, security="sign_and_encrypt")) as run:
            await asyncio.to_thread((client.home / "own").rename, client.home / "gone")
            (client.home / "own").touch()
            await eventually(run.task.done)
            with pytest.raises(DisconnectedError, match="own"):
                run.task.result()


class LateClock(LoopClock):
    """The real clock, whose date is put forward."""

    ahead = 0

    def wall_ns(self) -> int:
        return super().wall_ns() + self.ahead


async def test_a_session_ends_when_its_servers_certificate_expires(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_opcua.security._LOOK", 0.1)
    monkeypatch.setattr("gateway_opcua.security._JUDGE", 0.3)
    clock = LateClock()
    with serving(tmp_path / "server", make(expires=30 * DAY)) as server:
        line = connection(device(server.port, TIME, security="sign_and_encrypt"))
        adapter, sink = OpcuaAdapter(line, Host(clock, client.home, SilentLog())), Collector()
        await asyncio.wait_for(adapter.connect(), 20)
        task = asyncio.create_task(adapter.run(sink))
        await sink.until(lambda _: len(sink.data) > 5)
        assert not task.done()
        clock.ahead = int(31 * DAY.total_seconds() * 1e9)
        await eventually(task.done)
        with pytest.raises(DisconnectedError, match="it has expired on"):
            task.result()
        await adapter.close()


async def test_the_own_certificate_can_be_changed_again_and_again(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time the session comes back under the new one by itself; nothing is left over of those before."""
    monkeypatch.setattr("gateway_opcua.security._LOOK", 0.1)
    shown = set[str]()
    with serving(tmp_path / "server", make()) as server:
        line = connection(device(server.port, TIME, security="sign_and_encrypt"))
        adapter, sink = OpcuaAdapter(line, host(client.home)), Collector()
        tasks = len(asyncio.all_tasks())
        for _ in range(6):
            await asyncio.wait_for(adapter.connect(), 20)
            task, before = asyncio.create_task(adapter.run(sink)), len(sink.data)
            await sink.until(lambda _, before=before: len(sink.data) > before + 2)  # type: ignore[misc]
            shown.add(next(one.fingerprint for one in adapter.certificates() if one.role == "own"))
            await asyncio.to_thread(lambda: renew(client.home, NOW, at_once=True))
            with pytest.raises(DisconnectedError, match="the own certificate is another one now"):
                await asyncio.wait_for(task, 5)
            await adapter.close()
        await eventually(lambda: len(asyncio.all_tasks()) == tasks)
    assert len(shown) == 6


# --- what the server thinks of ours ---

OURS: dict[str, str] = {
    "BadCertificateUntrusted": "it does not trust this gateway yet: accept {own} on the server",
    "BadCertificateTimeInvalid": "out of date: check both clocks",
    "BadCertificateUriInvalid": "its application URI is wrong; fieldgate certs renew",
    "BadCertificateHostNameInvalid": "its host name is wrong; fieldgate certs renew",
    "BadCertificateUseNotAllowed": "it lacks a usage; have it issued with clientAuth",
    "BadCertificateRevoked": "it was revoked; have a new one issued",
    "BadCertificateChainIncomplete": "give the server the certificates of its CAs",
}


@pytest.fixture(scope="module")
def picky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server that refuses ours, for the reason that it is told."""
    with serving(tmp_path_factory.mktemp("server"), make(), refuse="BadCertificateInvalid") as server:
        yield server


@pytest.mark.parametrize("code", OURS)
async def test_a_server_that_refuses_ours_is_told_what_to_do_there(client: Client, picky: Process, code: str) -> None:
    await asyncio.to_thread(picky.tell, f"refuse {code}")
    told = await client.refused(picky)
    assert OURS[code].format(own=client.home / "own" / "certificate.der") in told
    assert code in told


async def test_another_maker_that_refuses_ours_is_told_too(client: Client, tmp_path: Path) -> None:
    with serving(tmp_path / "server", make(), kind="node", accept=False) as server:
        told = await client.refused(server)
    assert f"accept {client.home / 'own' / 'certificate.der'} on the server" in told


async def test_a_renewed_certificate_overlaps_until_the_server_knows_it(client: Client, tmp_path: Path) -> None:
    present = await asyncio.to_thread(load_identity, client.home, NOW)
    following = await asyncio.to_thread(lambda: renew(client.home, NOW, at_once=False))
    assert following.uri == present.uri
    hashed = {one.path: sha256(one.certificate) for one in (present, following)}
    options = {"refuse": "BadCertificateUntrusted", "but": hashed[present.path]}
    with serving(tmp_path / "server", make(), **options) as server:
        log = await client.connect(server)
        [fields] = [fields for _, event, fields in log.lines if "does not know the renewed certificate" in event]
        assert fields["path"] == str(following.path)
        await asyncio.to_thread(server.tell, f"but {hashed[following.path]}")
        log = await client.connect(server)
        assert not [event for _, event, _ in log.lines if "renewed" in event]


# --- users with a certificate ---


async def test_a_user_logs_in_with_a_certificate(client: Client, tmp_path: Path, kind: str) -> None:
    user = make(name="operator", number=9)
    certificate, key = user.save(tmp_path / "user")
    options = {"user_certificate": str(certificate), "user_key": str(key)}
    only = {"user": sha256(user.der)} if kind == "asyncua" else {}
    with serving(tmp_path / "server", make(), kind=kind, **only) as server:
        await client.connect(server, **options)


async def test_a_user_whose_certificate_is_unknown_is_told(client: Client, tmp_path: Path, kind: str) -> None:
    certificate, key = make(name="stranger", number=9).save(tmp_path / "user")
    only: dict[str, Any] = {"user": "0" * 64} if kind == "asyncua" else {"user": False}
    with serving(tmp_path / "server", make(), kind=kind, **only) as server:
        told = await client.refused(server, user_certificate=str(certificate), user_key=str(key))
    assert f"it refuses the user of {certificate}: accept that certificate on the server as a user's" in told


async def test_a_users_certificate_that_cannot_serve_is_told(client: Client, tmp_path: Path) -> None:
    old, key = make(name="old", expires=-DAY).save(tmp_path / "old")
    _, other = make(name="other", number=9).save(tmp_path / "other")
    with serving(tmp_path / "server", make()) as server:
        told = await client.refused(server, user_certificate=str(old), user_key=str(key))
        assert "it has expired on" in told
        assert "have a new one issued for this user" in told
        told = await client.refused(server, user_certificate=str(old), user_key=str(other))
        assert f"{other} is not the RSA key of {old}" in told
        told = await client.refused(server, user_certificate=str(old), user_key=str(tmp_path / "none"))
        assert "is no private key in PEM" in told


# --- policies ---


POLICIES = ["Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss", "Basic256Sha256", "Basic256", "Basic128Rsa15"]
OLD = POLICIES[3:]


@pytest.fixture(scope="module")
def many_sided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server that offers everything."""
    names = [name.replace("_Sha256_", "Sha256") for name in POLICIES]
    offers = ["NoSecurity", *(f"{name}_{mode}" for name in names for mode in ("Sign", "SignAndEncrypt"))]
    with serving(tmp_path_factory.mktemp("server"), make(), policies=offers) as server:
        yield server


@pytest.mark.parametrize("mode", ["sign", "sign_and_encrypt"])
@pytest.mark.parametrize("policy", POLICIES)
async def test_policies_and_modes(client: Client, many_sided: Process, policy: str, mode: str) -> None:
    """What is broken is told each time."""
    log = await client.connect(many_sided, policy=policy, security=mode)
    assert ("security policy is broken" in [event for _, event, _ in log.lines]) == (policy in OLD)


async def test_what_is_offered_is_never_taken_unless_it_was_asked_for(client: Client, tmp_path: Path) -> None:
    """Neither an old policy nor the lesser mode nor no security at all."""
    offers = ["NoSecurity", "Basic256_SignAndEncrypt", "Basic256Sha256_Sign"]
    with serving(tmp_path / "server", make(), policies=offers) as server:
        told = await client.refused(server)
        assert "does not offer SignAndEncrypt Basic256Sha256; it offers None_ None, Sign Basic256Sha256, " in told
        await client.connect(server, policy="Basic256")

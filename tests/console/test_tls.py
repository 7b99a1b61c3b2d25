"""Beyond the machine itself: TLS, or the gateway does not start; and a certificate that is changed on disk."""

import asyncio
import os
import ssl
from http.client import RemoteDisconnected
from pathlib import Path

import pytest
import trustme

from gateway.config.broker import MqttConfig
from gateway.config.console import ConsoleConfig
from gateway.console import server
from gateway.console.server import Console
from gateway.deliver.tls import tls_context
from gateway.sdk.errors import ConfigError
from tests.console.plant import ADMIN, Page, Plant, soon


def certificates(folder: Path, ca: trustme.CA) -> dict[str, str]:
    """A certificate for 127.0.0.1, as the configuration names it."""
    made = ca.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(folder / "key.pem")
    made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    return {"cert": "cert.pem", "key": "key.pem"}


def test_by_tls_the_cookie_is_bound_to_this_very_host(own: Plant) -> None:
    ca = trustme.CA()
    own.root["console"] |= certificates(own.folder, ca)
    own.start()
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    assert own.url.startswith("https://")
    page = own.page(trusting)
    first = own.first
    answer = page.login("admin", first)
    [cookie] = answer.cookies
    assert cookie.startswith("__Host-fieldgate=")
    assert "; secure" in cookie.lower()
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert page.post("/password", {"old": first, "new": ADMIN}).status == 204
    assert page.get("/overview").status == 200
    assert page.post("/logout", origin=own.url.replace("https", "http").rstrip("/")).reason == "origin"
    with pytest.raises((RemoteDisconnected, ConnectionError)):
        Page(own.url.replace("https", "http")).get("/me")


def test_it_speaks_no_tls_that_is_known_to_be_weak(tmp_path: Path) -> None:
    certificates(tmp_path, trustme.CA())
    context = server._tls(ConsoleConfig(cert=tmp_path / "cert.pem", key=tmp_path / "key.pem"))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2  # RFC 8996


@pytest.mark.parametrize("listen", ["0.0.0.0:8480", "10.0.0.7:8480", "line-3.plant:443", "[::]:8480"])
def test_beyond_the_machine_it_wants_a_certificate(listen: str) -> None:
    with pytest.raises(ValueError, match=r"set cert and key, or listen on 127\.0\.0\.1"):
        ConsoleConfig(listen=listen)
    assert ConsoleConfig(listen=listen, cert=Path("c"), key=Path("k")).listen == listen


@pytest.mark.parametrize("listen", ["127.0.0.1:8480", "127.3.4.5:1", "localhost:8480", "[::1]:8480"])
def test_on_the_machine_it_needs_none(listen: str) -> None:
    assert ConsoleConfig(listen=listen).cert is None


def test_half_a_pair_is_refused_and_so_is_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="belong together"):
        ConsoleConfig(cert=Path("c"))
    config = ConsoleConfig(listen="127.0.0.1:0", cert=tmp_path / "none.pem", key=tmp_path / "none.key")
    with pytest.raises(ConfigError, match=r"console\.cert"):
        server._tls(config)


def test_a_key_that_only_root_may_read_says_how_a_service_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")  # root, who runs tests, may read everything

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", refuse)
    own = ConsoleConfig(cert=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    with pytest.raises(ConfigError, match=r"hand it over with LoadCredential= \(docs/operations\.md, Private keys\)"):
        server._tls(own)
    with pytest.raises(ConfigError, match="LoadCredential="):
        tls_context(MqttConfig(url="mqtts://broker", cert=own.cert, key=own.key))


def test_an_address_that_is_taken_is_named_with_what_to_do(own: Plant) -> None:
    own.start()
    address = own.url.removeprefix("http://").rstrip("/")
    with pytest.raises(ConfigError, match=rf"console\.listen: {address}: .*; name a free address"):
        server._bound(address)


async def test_a_certificate_that_is_renewed_on_disk_is_shown_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates(tmp_path, trustme.CA())
    config = ConsoleConfig(listen="127.0.0.1:0", cert=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    shown: list[object] = []

    class Context:
        def load_cert_chain(self, cert: Path, key: Path) -> None:
            shown.append(cert.read_text())
            real = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            real.load_cert_chain(cert, key)

    class Log:
        def warning(self, event: str, **_: object) -> None:
            shown.append(event)

    monkeypatch.setattr(server, "_RENEW", 0.01)
    console = Console.__new__(Console)
    console._tls, console._config, console._shown = Context(), config, await asyncio.to_thread(server._stamps, config)  # type: ignore[assignment]
    console._host = type("Host", (), {"log": Log()})()
    first = (tmp_path / "cert.pem").read_text()

    task = asyncio.create_task(console._renew())
    await asyncio.sleep(0.05)
    assert shown == []
    certificates(tmp_path, trustme.CA())
    os.utime(tmp_path / "cert.pem", ns=(1, 1))
    for _ in range(500):
        await asyncio.sleep(0.01)
        if shown:
            break
    assert len(shown) == 1
    assert shown[0] != first
    whole = (tmp_path / "key.pem").read_text()
    (tmp_path / "key.pem").write_text("nothing of the kind")
    await soon(lambda: shown[1:].count("console certificate not usable") >= 2, "it is tried again at each look")
    assert set(shown[1:]) == {"console certificate not usable"}, "and the live context never sees it"
    (tmp_path / "key.pem").write_text(whole)
    await soon(lambda: shown[-1] == shown[0], "the pair is whole again")
    assert not task.done()
    task.cancel()

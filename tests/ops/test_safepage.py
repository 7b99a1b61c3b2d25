"""Safe mode where the console was: every path gives the page, by TLS where there was TLS, and no secret."""

import hashlib
import http.client
import json
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import structlog
import trustme

from gateway.cli.scrub import Scrub
from gateway.ops import safemode
from gateway.ops.safepage import FILE, PageServer, Shown, forget
from gateway.ops.starts import Starts

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
LOCAL = Shown("http://127.0.0.1:0/")


def starts(folder: Path, *errors: str) -> Starts:
    """After starts that ended so."""
    one = Starts(folder, "boot")
    one.record.good = {"version": "0.1", "gateway": "line-3", "files": {}}
    one.record.errors = list(errors)
    return one


@contextmanager
def shown(folder: Path, where: Shown | None = LOCAL, *errors: str) -> Iterator[PageServer]:
    """The page as safe mode serves it."""
    if where:
        where.leave(folder)
    document = safemode.document_of(starts(folder, *errors))
    server = safemode._page_server(document, folder, structlog.get_logger())
    assert server is not None
    try:
        yield server
    finally:
        server.stop()


def ask(
    url: str, method: str = "GET", path: str = "/", body: bytes | None = None, trust: ssl.SSLContext | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    parts = urlsplit(url)
    assert parts.hostname
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=10, context=trust
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/", "/alarms", "/static/main.js", "/docs/", "/%00?x=1", "/" + "a" * 5000])
def test_every_path_gives_the_page_in_both_languages(tmp_path: Path, path: str) -> None:
    with shown(tmp_path, LOCAL, "RuntimeError: the valve sticks (pump.py:7)") as server:
        for method in METHODS:
            status, headers, content = ask(server.url, method, path)
            assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
            assert int(headers["content-length"]) > 1000
            assert headers["cache-control"] == "no-store"
            text = content.decode()
            if method == "HEAD":
                assert not text
                continue
            for words in ("line-3 is in safe mode", "处于安全模式", "the valve sticks", "systemctl restart fieldgate"):
                assert words in text
            assert "$" not in text, "something is not filled in"


def test_it_has_no_script_and_its_style_is_the_only_thing_that_a_browser_may_use(tmp_path: Path) -> None:
    with shown(tmp_path) as server:
        _, headers, content = ask(server.url)
    assert not re.findall(rb"<script|<link|<img|<iframe|\bon\w+=|https?://", content)
    [style] = re.findall(rb"<style>(.*?)</style>", content, re.DOTALL)
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert b64encode(hashlib.sha256(style).digest()).decode() in policy


@pytest.mark.parametrize("method", METHODS)
def test_the_api_says_that_nothing_runs(tmp_path: Path, method: str) -> None:
    with shown(tmp_path) as server:
        status, headers, content = ask(server.url, method, "/api/v1/overview?x=1", b'{"a": 1}' * 1000)
    assert (status, headers["content-type"]) == (503, "application/problem+json")
    assert int(headers["retry-after"]) > 0
    if method != "HEAD":
        told = json.loads(content)
        assert (told["status"], told["reason"], told["instance"]) == (503, "safe-mode", "/api/v1/overview")


def test_what_earlier_starts_have_said_is_text_and_has_no_secret(tmp_path: Path) -> None:
    one = starts(tmp_path, "OSError: <b>password=hunter22</b> and c4n4ry&1")
    scrub = Scrub(["c4n4ry&1"])
    one.record.errors = [scrub(said.encode()).decode() for said in one.record.errors]
    one._write()
    with shown(tmp_path, LOCAL, *one.record.errors) as server:
        text = ask(server.url)[2].decode()
    assert "&lt;b&gt;password=***" in text
    assert not [word for word in ("<b>", "hunter22", "c4n4ry") if word in text]


def test_by_tls_where_the_console_had_it_and_whoever_says_nothing_holds_nobody_up(tmp_path: Path) -> None:
    ca, trust = trustme.CA(), ssl.create_default_context()
    made = ca.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    ca.configure_trust(trust)
    where = Shown("https://127.0.0.1:0/", str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    with shown(tmp_path, where) as server:
        assert server.url.startswith("https://")
        address = server.server_address[:2]
        with socket.create_connection(address, 5), socket.create_connection(address, 5) as plain:  # type: ignore[arg-type]
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            status, _, content = ask(server.url, trust=trust)
    assert status == 200
    assert "安全模式" in content.decode()


def test_without_a_certificate_that_can_be_read_it_is_shown_at_this_machine_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.reset_defaults()
    where = Shown("https://0.0.0.0:0/", str(tmp_path / "gone.pem"), str(tmp_path / "gone.pem"))
    with shown(tmp_path, where) as server:
        assert urlsplit(server.url)[:2][0] == "http"
        assert server.server_address[0] == "127.0.0.1"
        assert ask(server.url)[0] == 200
    assert "safe mode speaks no TLS" in capsys.readouterr().out


def test_too_many_at_once_are_sent_away_and_the_page_answers_again(tmp_path: Path) -> None:
    with shown(tmp_path) as server:
        with ExitStack() as stack:
            where = server.server_address[:2]
            silent = [stack.enter_context(socket.create_connection(where, 20)) for _ in range(40)]  # type: ignore[arg-type]
            assert [one.recv(1) for one in silent[32:]] == [b""] * 8
        assert ask(server.url)[0] == 200


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"x": 1}', b"{"])
def test_where_no_console_was_there_is_no_page(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    assert Shown.read(tmp_path) is None
    assert safemode._page_server(safemode.document_of(starts(tmp_path)), tmp_path, structlog.get_logger()) is None
    forget(tmp_path)
    assert not (tmp_path / FILE).exists()


def test_an_address_that_is_taken_is_told_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.reset_defaults()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        Shown(f"http://127.0.0.1:{taken.getsockname()[1]}/").leave(tmp_path)
        document = safemode.document_of(starts(tmp_path))
        assert safemode._page_server(document, tmp_path, structlog.get_logger()) is None
    assert "safe mode does not listen" in capsys.readouterr().out

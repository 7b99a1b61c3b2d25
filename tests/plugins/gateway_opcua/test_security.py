"""The matrix of certificates (issue 3, line 9) at real servers: each accepted or refused, and what a person is told."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.sdk import DisconnectedError
from tests.plugins.gateway_opcua.issuing import DAY, URI, authority, crl, make
from tests.plugins.gateway_opcua.peers import Process
from tests.plugins.gateway_opcua.securing import Client, serving, sha256

# --- what speaks against the certificate itself ---

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"expires": -DAY}, "it has expired on .* give the server a new certificate; until then, accept: "),
    "not_yet_valid": ({"begins": DAY}, "it is valid only from .* set this gateway's clock"),
    "weak_key": ({"bits": 1024}, "an RSA key of 1024 bits; the policy wants 2048 to 4096: give the server a new"),
    "sha1": ({"sha1": True}, "signed with SHA1, which can be forged: give the server a new certificate, signed with"),
    "usage": ({"usage": False}, "it lacks digitalSignature, keyEncipherment: give the server a new certificate with"),
}


@pytest.mark.parametrize("flaw", REFUSED)
async def test_a_flaw_is_refused_in_words_and_let_pass_where_a_person_has_said_so(
    client: Client, tmp_path: Path, flaw: str, kind: str
) -> None:
    wish, words = REFUSED[flaw]
    with serving(tmp_path / "server", make(**wish), kind=kind) as server:
        with pytest.raises(DisconnectedError, match=words):
            await client.connect(server)
        assert not (client.home / "trusted").exists()
        if flaw == "weak_key":
            return  # the server itself cannot sign with it
        log = await client.connect(server, accept=[flaw])
        assert [level for level, event, _ in log.lines if event == "server certificate accepted in spite"] == [
            "warning"
        ]


async def test_a_pinned_certificate_that_expires_is_refused_too(client: Client, tmp_path: Path) -> None:
    made = make(expires=-DAY)
    made.save(tmp_path / "pin")
    with serving(tmp_path / "server", made) as server:
        pin = str(tmp_path / "pin" / "certificate.pem")
        assert "it has expired on" in await client.refused(server, trust=pin)
        await client.connect(server, trust=pin, accept=["expired"])


async def test_a_wrong_uri_is_refused(client: Client, tmp_path: Path, kind: str) -> None:
    with serving(tmp_path / "server", make(uri="urn:maker:default"), kind=kind) as server:
        told = await client.refused(server)
    assert f"made for the application urn:maker:default, and the server calls itself {URI}" in told
    assert "have the server make its certificate anew" in told


# --- who trusts it ---


async def test_an_untrusted_one_waits_for_a_person(client: Client, tmp_path: Path) -> None:
    made = make()
    with serving(tmp_path / "server", made) as server:
        told = await client.refused(server, first_use="refuse")
        [rejected] = await client.kept("rejected")
        assert rejected.fingerprint in told
        assert f"fieldgate certs trust {rejected.fingerprint[:16]}" in told
        await asyncio.to_thread(client.store.trust, rejected.fingerprint[:16])
        await client.connect(server, first_use="refuse")
        await asyncio.to_thread(client.store.reject, rejected.fingerprint)
        told = await client.refused(server)
        assert "it was rejected here" in told


async def test_a_wrong_host_matters_where_the_certificate_is_not_bound_to_the_server(
    client: Client, tmp_path: Path
) -> None:
    made = make(hosts=("line-9",))
    with serving(tmp_path / "server", made) as server:
        client.put("trusted/certs", "line-9.der", made.der)
        told = await client.refused(server)
        assert "made for the host line-9, and the server is dialled as 127.0.0.1" in told
        await client.connect(server, accept=["host"])
        (client.home / "trusted/certs/line-9.der").unlink()
        log = await client.connect(server)
        [told] = [fields["why"] for _, event, fields in log.lines if event == "server certificate accepted in spite"]
        assert "line-9" in told
        assert client.store.pin(f"127.0.0.1_{server.port}").exists()


async def test_a_fingerprint_names_the_one_that_is_accepted(client: Client, tmp_path: Path) -> None:
    made = make()
    with serving(tmp_path / "server", made) as server:
        await client.connect(server, fingerprint=sha256(made.der).lower(), first_use="refuse")
        told = await client.refused(server, fingerprint="0" * 64)
        assert "shows another certificate than the trusted one, which has 000000" in told


ROOT = authority("Plant root")
MIDDLE = authority("Line CA", ROOT)
LEAF = make(MIDDLE)


async def test_a_chain_of_three_is_trusted_by_its_root(client: Client, tmp_path: Path, kind: str) -> None:
    """The server sends what lies between; the root and the lists are a person's."""
    with serving(tmp_path / "server", LEAF, MIDDLE, kind=kind) as server:
        client.put("trusted/certs", "root.der", ROOT.der)
        client.put("trusted/crl", "root.crl", crl(ROOT))
        told = await client.refused(server, first_use="refuse")
        assert "whether server is revoked is not known: there is none of Line CA: put its present CRL into" in told
        await client.connect(server, first_use="refuse", accept=["no_crl"])
        client.put("issuers/crl", "line.crl", crl(MIDDLE))
        await client.connect(server, first_use="refuse")
        assert not client.store.pin(f"127.0.0.1_{server.port}").exists()
        client.put("issuers/crl", "line.crl", crl(MIDDLE, LEAF))
        told = await client.refused(server, accept=["no_crl"])
        assert "Line CA has revoked server on" in told


async def test_what_lies_between_may_be_kept_here(client: Client, tmp_path: Path) -> None:
    with serving(tmp_path / "server", LEAF) as server:
        client.put("trusted/certs", "root.der", ROOT.der)
        client.put("trusted/crl", "root.crl", crl(ROOT))
        client.put("issuers/crl", "line.crl", crl(MIDDLE))
        told = await client.refused(server, first_use="refuse")
        assert "CN=Line CA, which has issued server, is not known here: put that CA's certificate into" in told
        client.put("issuers/certs", "line.der", MIDDLE.der)
        await client.connect(server, first_use="refuse")
        client.put("trusted/crl", "root.crl", crl(ROOT, MIDDLE))
        assert "Plant root has revoked Line CA" in await client.refused(server)


async def test_a_revoked_one_is_refused_though_it_is_pinned(client: Client, tmp_path: Path) -> None:
    with serving(tmp_path / "server", LEAF, MIDDLE) as server:
        await client.connect(server)
        assert client.store.pin(f"127.0.0.1_{server.port}").exists()
        client.put("issuers/crl", "line.crl", crl(MIDDLE, LEAF))
        assert "has revoked server" in await client.refused(server)


# --- hostile ---


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server that sends in place of its certificate what it is told to."""
    with serving(tmp_path_factory.mktemp("server"), make()) as server:
        yield server


RING = [authority("one", authority("other")), authority("other", authority("one"))]
HOSTILE = {
    "garbage": (bytes(range(256)) * 8, "it cannot be read"),
    "half a certificate": (make().der[:300], "it cannot be read"),
    "a megabyte": (bytes(2**20), "it has 1048576 bytes, more than 65536"),
    "a certificate of a length beyond all": (b"\x30\x84\xff\xff\xff\xff" + bytes(100), "it cannot be read"),
    "a ring of issuers": (make(RING[0]).der + b"".join(one.der for one in RING * 20), "is not known here"),
}


@pytest.mark.parametrize("sent", HOSTILE)
async def test_what_a_hostile_server_sends_is_refused_in_bounded_time(
    client: Client, tmp_path: Path, hostile: Process, sent: str
) -> None:
    raw, words = HOSTILE[sent]
    (tmp_path / "raw.der").write_bytes(raw)
    await asyncio.to_thread(hostile.tell, f"raw {tmp_path / 'raw.der'}")
    async with asyncio.timeout(5.0):
        told = await client.refused(hostile, first_use="refuse")
    assert words in told
    assert len(told) < 1500
    assert not (client.home / "trusted").exists()

"""On what ground a server's certificate is trusted, and the folders that say so."""

import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.sdk import DisconnectedError
from gateway.sdk.certificates import NoSuchCertificateError
from gateway_opcua.certificates import fingerprint
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.keeper import Keeper
from gateway_opcua.store import TrustStore
from gateway_opcua.trust import Basis, Trust, Verdict
from tests.plugins.gateway_opcua.issuing import DAY, NOW, URI, Made, authority, crl, make

FIRST, SECOND = make(name="first"), make(name="second")
SERVER = "10.0.4.30_4840_line"


def trust(home: Path, url: str = "opc.tcp://10.0.4.30:4840/line", **options: Any) -> Trust:
    table = {
        "device": "d", "adapter": "opcua", "connect": url, "tags": {"t": {"node": "i=2258"}}, "security": "sign",
        "accept": ["host"],
    }  # fmt: skip
    return Trust(home, OpcuaDevice.model_validate(table | options))


def check(home: Path, made: Made, *more: Any, **options: Any) -> Verdict:
    return trust(home, *more, **options).check(made.der, URI, NOW)


def refusal(home: Path, made: Made, **options: Any) -> str:
    with pytest.raises(DisconnectedError) as caught:
        check(home, made, **options)
    return str(caught.value)


def test_the_first_certificate_is_kept_and_another_refused(tmp_path: Path) -> None:
    seen = check(tmp_path, FIRST)
    assert seen.basis is Basis.FIRST
    assert trust(tmp_path).keep(seen)
    assert not trust(tmp_path).keep(seen)
    again = check(tmp_path, FIRST)
    assert again.basis is Basis.PINNED
    assert not trust(tmp_path).keep(again)
    told = refusal(tmp_path, SECOND)
    assert fingerprint(FIRST.der) in told
    assert fingerprint(SECOND.der) in told
    assert f"delete {tmp_path / 'trusted' / f'{SERVER}.der'}, or trust the new one: fieldgate certs trust " in told


def test_servers_have_pins_of_their_own(tmp_path: Path) -> None:
    trust(tmp_path).keep(check(tmp_path, FIRST))
    assert check(tmp_path, SECOND, "opc.tcp://10.0.4.31:4840").basis is Basis.FIRST


def test_a_check_alone_pins_nothing(tmp_path: Path) -> None:
    """A stranger on the line must not be able to set the pin by only showing a certificate."""
    check(tmp_path, SECOND)
    assert check(tmp_path, FIRST).basis is Basis.FIRST


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_pem_and_der_pin_alike(tmp_path: Path, encoding: Encoding) -> None:
    path = tmp_path / "server"
    path.write_bytes(FIRST.certificate.public_bytes(encoding))
    assert check(tmp_path, FIRST, trust=path).basis is Basis.PINNED
    assert f"put the new one into {path}" in refusal(tmp_path, SECOND, trust=path)


@pytest.mark.parametrize("content", [None, b"rubbish", b"-----BEGIN CERTIFICATE-----\nx\n"])
def test_a_trust_file_that_is_no_certificate_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "server.pem"
    if content is not None:
        path.write_bytes(content)
    assert "server.pem is no certificate" in refusal(tmp_path, FIRST, trust=path)


def test_what_another_shows_can_be_trusted_in_place_of_the_pin(tmp_path: Path) -> None:
    trust(tmp_path).keep(check(tmp_path, FIRST))
    refusal(tmp_path, SECOND)
    store = TrustStore(tmp_path)
    kept = store.trust(fingerprint(SECOND.der)[:12].lower())
    assert (kept.role, kept.server, kept.path) == ("trusted", SERVER, tmp_path / "trusted" / f"{SERVER}.der")
    assert check(tmp_path, SECOND).basis is Basis.PINNED
    assert [one.role for one in store.all()] == ["trusted"]


def test_what_is_trusted_from_a_file_is_trusted_at_every_server(tmp_path: Path) -> None:
    made, _ = FIRST.save(tmp_path / "given")
    TrustStore(tmp_path).trust(str(made))
    for url in ("opc.tcp://10.0.4.30:4840/line", "opc.tcp://10.0.4.31:4840"):
        assert check(tmp_path, FIRST, url, first_use="refuse").basis is Basis.LISTED
    assert "host" in refusal(tmp_path, FIRST, accept=[])


def test_what_a_person_has_rejected_is_not_trusted_on_first_use(tmp_path: Path) -> None:
    store = TrustStore(tmp_path)
    trust(tmp_path).keep(check(tmp_path, FIRST))
    barred = store.reject(fingerprint(FIRST.der))
    assert (barred.role, barred.server) == ("barred", SERVER)
    assert "it was rejected here" in refusal(tmp_path, FIRST)
    assert check(tmp_path, SECOND).basis is Basis.FIRST
    store.trust(fingerprint(FIRST.der))
    assert check(tmp_path, FIRST).basis is Basis.PINNED


def test_a_ca_that_is_trusted_vouches(tmp_path: Path) -> None:
    root = authority("root")
    made, _ = root.save(tmp_path / "given")
    store = TrustStore(tmp_path)
    store.trust(str(made))
    (tmp_path / "trusted" / "crl").mkdir()
    (tmp_path / "trusted" / "crl" / "root.crl").write_bytes(crl(root))
    assert check(tmp_path, make(root), first_use="refuse").basis is Basis.ISSUED
    store.reject(fingerprint(root.der))
    assert "is not known here" in refusal(tmp_path, make(root), first_use="refuse")


def test_what_is_told_to_be_trusted_can_be(tmp_path: Path) -> None:
    """A chain that leads nowhere, of which a person trusts the end; what else is wrong with it stays wrong."""
    root = authority("root")
    middle = authority("middle", root)
    for name, made in (("good", make(middle)), ("old", make(middle, expires=-DAY))):
        home = tmp_path / name
        with pytest.raises(DisconnectedError) as caught:
            trust(home, first_use="refuse").check(made.der + middle.der, URI, NOW)
        short = fingerprint(made.der)[:16]
        assert f"fieldgate certs trust {short}" in str(caught.value)
        assert "CN=root, which has issued middle, is not known here" in str(caught.value)
        assert "revoked" not in str(caught.value)
        TrustStore(home).trust(short)
        if name == "good":
            assert check(home, made, first_use="refuse").basis is Basis.PINNED
        else:
            assert "has expired" in refusal(home, made, first_use="refuse")


def test_a_self_signed_one_is_not_told_of_cas(tmp_path: Path) -> None:
    told = refusal(tmp_path, FIRST, first_use="refuse")
    assert "issuer" not in told
    assert "CA" not in told.replace(fingerprint(FIRST.der), "").replace(fingerprint(FIRST.der)[:16], "")


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("nowhere.der", "is no file, and no fingerprint"),
        ("ABCDEF", "is no file, and no fingerprint of 8"),
        ("0" * 16, "no rejected or barred or issuer certificate begins so"),
    ],
)
def test_what_names_no_certificate_is_told(tmp_path: Path, which: str, words: str) -> None:
    with pytest.raises(NoSuchCertificateError, match=words):
        TrustStore(tmp_path).trust(which)


def test_a_file_with_several_is_not_guessed_at(tmp_path: Path) -> None:
    made, _ = FIRST.save(tmp_path, SECOND)
    with pytest.raises(NoSuchCertificateError, match="holds 2 certificates"):
        TrustStore(tmp_path).trust(str(made))


def test_a_hundred_rejected_ones_are_kept(tmp_path: Path) -> None:
    """A server that shows a new one each time does not fill the disk."""
    store = TrustStore(tmp_path)
    for number in range(120):
        store.note_rejected(SERVER, make(serial=number + 1).certificate)
    assert len(list((tmp_path / "rejected" / "certs").iterdir())) == 100


def test_files_that_hold_no_certificate_count_as_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "trusted" / "certs"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("the password is on the wall")
    os.mkfifo(folder / "pipe")
    (folder / "big.der").touch()
    os.truncate(folder / "big.der", 2**30)
    assert TrustStore(tmp_path).trusted() == []
    assert check(tmp_path, FIRST).basis is Basis.FIRST


def test_people_see_all_of_them(tmp_path: Path) -> None:
    trust(tmp_path).keep(check(tmp_path, FIRST))
    refusal(tmp_path, SECOND)
    keeper = Keeper(tmp_path, NOW)
    assert keeper.renew(at_once=False).role == "own"
    assert keeper.renew(at_once=False).role == "next"
    shown = {one.role: one for one in keeper.all()}
    assert set(shown) == {"own", "next", "trusted", "rejected"}
    assert (shown["trusted"].subject, shown["trusted"].remark) == ("first", f"of {SERVER}")
    assert shown["rejected"].fingerprint == fingerprint(SECOND.der)
    assert shown["next"].remark == shown["own"].remark

"""The own certificate, and the pin on a server's."""

import datetime as dt
from pathlib import Path

import pytest
from asyncua.crypto.uacrypto import check_certificate
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gateway.sdk import DisconnectedError
from gateway_opcua.certificates import Identity, Pin, fingerprint, load_identity

NOW = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
URL = "opc.tcp://10.0.4.30:4840/line"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def identity(home: Path) -> Identity:
    return load_identity(home, NOW)


def test_the_own_certificate_names_uri_and_host_and_holds_ten_years(identity: Identity) -> None:
    certificate = x509.load_der_x509_certificate(identity.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [identity.uri]
    [host] = names.get_values_for_type(x509.DNSName)
    assert check_certificate(certificate, identity.uri, host) is False  # asyncua answers whether there is an error
    assert identity.expires - NOW == dt.timedelta(days=3650)
    key = load_pem_private_key(identity.key, None)
    assert key.public_key() == certificate.public_key()


def test_the_key_is_for_nobody_else(home: Path, identity: Identity) -> None:
    assert (home / "own" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert identity.path == home / "own" / "certificate.der"


def test_the_certificate_is_made_once(home: Path, identity: Identity) -> None:
    assert load_identity(home, NOW + dt.timedelta(days=1)) == identity


def test_a_foreign_file_in_place_of_the_own_certificate_is_told(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "key.pem").write_bytes(b"key")
    (tmp_path / "own" / "certificate.der").write_bytes(b"rubbish")
    with pytest.raises(DisconnectedError, match="no DER certificate that names an application URI"):
        load_identity(tmp_path, NOW)


def test_the_first_certificate_is_kept_and_another_refused(tmp_path: Path) -> None:
    Pin(tmp_path, URL, None).check(b"first")
    assert Pin(tmp_path, URL, None).keep(b"first")
    assert not Pin(tmp_path, URL, None).keep(b"second")
    Pin(tmp_path, URL, None).check(b"first")
    with pytest.raises(DisconnectedError) as caught:
        Pin(tmp_path, URL, None).check(b"second")
    assert fingerprint(b"first") in str(caught.value)
    assert fingerprint(b"second") in str(caught.value)


def test_servers_have_pins_of_their_own(tmp_path: Path) -> None:
    Pin(tmp_path, URL, None).keep(b"first")
    Pin(tmp_path, "opc.tcp://10.0.4.31:4840", None).check(b"second")


def test_a_check_alone_pins_nothing(tmp_path: Path) -> None:
    """A stranger on the line must not be able to set the pin by only showing a certificate."""
    Pin(tmp_path, URL, None).check(b"stranger")
    Pin(tmp_path, URL, None).check(b"first")


def test_pem_and_der_pin_alike(tmp_path: Path, identity: Identity) -> None:
    certificate = x509.load_der_x509_certificate(identity.certificate)
    for name, encoding in (("a.pem", Encoding.PEM), ("a.der", Encoding.DER)):
        path = tmp_path / name
        path.write_bytes(certificate.public_bytes(encoding))
        Pin(tmp_path, URL, path).check(identity.certificate)


@pytest.mark.parametrize("content", [None, b"rubbish", b"-----BEGIN CERTIFICATE-----\nx\n"])
def test_a_trust_file_that_is_no_certificate_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "server.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DisconnectedError, match=r"server\.pem is no certificate"):
        Pin(tmp_path, URL, path).check(b"any")

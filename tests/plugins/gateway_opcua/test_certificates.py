"""The own certificate: made once, renewed with overlap, whole whatever happens."""

import contextlib
import datetime as dt
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from asyncua.crypto.uacrypto import check_certificate
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.sdk import DisconnectedError
from gateway_opcua.certificates import Identity, load_identity, load_own, renew
from gateway_opcua.store import write
from tests.plugins.gateway_opcua.issuing import DAY, authority, make
from tests.plugins.gateway_opcua.issuing import NOW as TODAY

NOW = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


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


@pytest.mark.parametrize("key", [b"rubbish", None])
def test_a_key_that_is_not_the_certificates_is_told(tmp_path: Path, identity: Identity, key: bytes | None) -> None:
    _, other = make(number=9).save(tmp_path / "other")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "certificate.der").write_bytes(identity.certificate)
    (tmp_path / "own" / "key.pem").write_bytes(key or other.read_bytes())
    with pytest.raises(DisconnectedError, match=r"key\.pem is not the private key of .*certificate\.der"):
        load_identity(tmp_path, NOW)


@pytest.fixture
def home_of_one(tmp_path: Path, identity: Identity) -> Path:
    """A folder with that certificate, to be changed."""
    shutil.copytree(identity.path.parent, tmp_path / "own")
    return tmp_path


def test_a_renewed_certificate_waits_beside_the_present_one(home_of_one: Path, identity: Identity) -> None:
    made = renew(home_of_one, NOW, at_once=False)
    own = load_own(home_of_one, NOW)
    assert (own.present.certificate, own.following) == (identity.certificate, made)
    assert made.uri == identity.uri
    assert made.key != identity.key
    assert (home_of_one / "own" / "next" / "key.pem").stat().st_mode & 0o777 == 0o600


def test_it_takes_the_place_on_the_last_day_of_the_present_one(home_of_one: Path, identity: Identity) -> None:
    before = identity.expires - dt.timedelta(days=2)
    made = renew(home_of_one, before, at_once=False)
    assert load_own(home_of_one, before).present.certificate == identity.certificate
    own = load_own(home_of_one, identity.expires - dt.timedelta(hours=23))
    assert (own.present.certificate, own.present.key, own.following) == (made.certificate, made.key, None)


def test_a_certificate_made_here_is_renewed_by_itself_sixty_days_before_it_expires(
    home_of_one: Path, identity: Identity
) -> None:
    """The clock a good nine years on: nobody has looked after it in all that time."""
    assert load_own(home_of_one, identity.expires - dt.timedelta(days=61)).following is None
    own = load_own(home_of_one, identity.expires - dt.timedelta(days=59))
    assert own.following is not None
    assert own.following.expires > identity.expires + dt.timedelta(days=3000)
    assert load_own(home_of_one, identity.expires - dt.timedelta(days=58)) == own


def test_a_gateway_away_over_the_last_day_comes_back_with_a_valid_one(home_of_one: Path, identity: Identity) -> None:
    after = identity.expires + dt.timedelta(days=9)
    load_own(home_of_one, after)
    assert load_own(home_of_one, after).present.expires > after


def test_a_certificate_of_a_ca_is_not_renewed_here_and_brings_its_chain(tmp_path: Path) -> None:
    root = authority("root")
    middle = authority("middle", root)
    made = make(middle, name="gateway", expires=10 * DAY)
    _, key = made.save(tmp_path / "own")
    (tmp_path / "own" / "certificate.der").write_bytes(made.der + middle.der)
    key.rename(tmp_path / "own" / "key.pem")
    own = load_own(tmp_path, TODAY)
    assert own.following is None
    assert own.present.chain == (middle.der,)
    assert not own.present.made_here


def test_at_once_replaces_the_present_one(home_of_one: Path, identity: Identity) -> None:
    made = renew(home_of_one, NOW, at_once=True)
    assert load_own(home_of_one, NOW).present == made
    assert made.certificate != identity.certificate
    assert made.path == home_of_one / "own" / "certificate.der"


class KilledError(BaseException):
    """Nothing of ours catches it, as nothing catches SIGKILL."""


@pytest.mark.parametrize("step", range(4))
def test_a_kill_while_one_takes_the_place_of_the_other_is_mended(
    home_of_one: Path, identity: Identity, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificate, key, and the folder that goes last: killed before, between or after, a whole pair is there."""
    last_day = identity.expires - dt.timedelta(hours=1)
    made = renew(home_of_one, last_day - 2 * DAY, at_once=False)
    calls = iter(range(10))

    def killed(real: Any) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            if next(calls) == step:
                raise KilledError
            return real(*args, **more)

        return call

    with monkeypatch.context() as patch:
        patch.setattr("gateway_opcua.certificates.write", killed(write))
        patch.setattr("gateway_opcua.certificates.shutil.rmtree", killed(shutil.rmtree))
        with pytest.raises(KilledError) if step < 3 else contextlib.nullcontext():
            load_own(home_of_one, last_day)
    own = load_own(home_of_one, last_day)
    key = load_pem_private_key(own.present.key, None)
    assert key.public_key() == x509.load_der_x509_certificate(own.present.certificate).public_key()
    assert own.present.certificate == made.certificate


def test_connections_that_start_together_make_one_certificate(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: load_own(tmp_path, NOW), range(4)))
    assert len(set(found)) == 1

"""Who we are to a server: the gateway's own certificate, made once, kept, and renewed with overlap.

A renewed one waits in `own/next` beside the present one until that is about to expire, so that servers can be told one
by one: each connection shows the new one first, and the present one to servers that do not know the new one yet.
"""

import contextlib
import datetime as dt
import fcntl
import hashlib
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.sdk import DisconnectedError
from gateway_opcua.chains import split
from gateway_opcua.store import write

RENEW_BEFORE: Final = dt.timedelta(days=60)
_SWITCH_BEFORE: Final = dt.timedelta(days=1)
_YEARS: Final = 10  # unattended for years: servers would have to be told of each new one
_MAX_DNS: Final = 63  # RFC 1035 §2.3.4: longest label


@dataclass(frozen=True, slots=True)
class Identity:
    """An application instance certificate (Part 6 §6.2.2).

    Attributes:
        certificate: DER.
        chain: DER of the issuers that stand after it in the file, the nearest first.
        key: the private key, PEM.
        uri: application URI that the certificate names; a session must announce the same.
        path: file of the certificate, to be shown to the server's administrator.
        begins: begin of its validity, UTC.
        expires: end of its validity, UTC.
        made_here: whether nobody else has issued it.
    """

    certificate: bytes
    key: bytes
    uri: str
    path: Path
    begins: dt.datetime
    expires: dt.datetime
    made_here: bool
    chain: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Own:
    """The certificate in use, and the one that will be."""

    present: Identity
    following: Identity | None = None


def load_own(home: Path, now: dt.datetime) -> Own:
    """The gateway's certificates in `home`; the first is made there. Blocks for as long as an RSA key takes to find.

    One that was made here is renewed 60 days before it expires, and replaced by the new one on its last day.

    Raises:
        DisconnectedError: what was put there in its place is no certificate for OPC UA with its key.
    """
    folder = home / "own"
    with _alone(folder):
        if not _complete(folder):
            _make(folder, socket.gethostname(), None, now)
        if _complete(folder / "next") and _must_switch(folder, now):
            _switch(folder)
        present = _identity(folder)
        if not _whole(present):
            raise DisconnectedError(
                f"{folder / 'key.pem'} is not the private key of {present.path}, in PEM, no password"
            )
        if present.made_here and present.expires - now < RENEW_BEFORE and not _complete(folder / "next"):
            _make(folder / "next", socket.gethostname(), present.uri, now)
        return Own(present, _identity(folder / "next") if _complete(folder / "next") else None)


def load_identity(home: Path, now: dt.datetime) -> Identity:
    """The one in use. Raises DisconnectedError as `load_own`."""
    return load_own(home, now).present


def renew(home: Path, now: dt.datetime, *, at_once: bool) -> Identity:
    """Make a new own certificate under the same URI, to be used beside the present one or in its place; or the first.

    Raises:
        DisconnectedError: as `load_own`.
    """
    folder, first = home / "own", not _complete(home / "own")
    present = load_identity(home, now)
    if first:
        return present
    with _alone(folder):
        shutil.rmtree(folder / "next", ignore_errors=True)
        _make(folder / "next", socket.gethostname(), present.uri, now)
        if at_once:
            _switch(folder)
        return _identity(folder if at_once else folder / "next")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One at a time: connections of one gateway start together, and a person may renew meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _files(folder: Path) -> tuple[Path, Path]:
    return folder / "certificate.der", folder / "key.pem"


def _complete(folder: Path) -> bool:
    return all(path.exists() for path in _files(folder))


def _must_switch(folder: Path, now: dt.datetime) -> bool:
    """Its last day has come; or the gateway was killed while it switched, so that key and certificate differ."""
    try:
        present = _identity(folder)
        return not _whole(present) or present.expires - now < _SWITCH_BEFORE
    except DisconnectedError:
        return False  # what a person has put there is told, not overwritten


def _whole(identity: Identity) -> bool:
    """Whether the key is that of the certificate."""
    try:
        key = serialization.load_pem_private_key(
            identity.key, None, unsafe_skip_rsa_key_validation=True
        )  # our own file
    except (ValueError, TypeError):
        return False
    return key.public_key() == x509.load_der_x509_certificate(identity.certificate).public_key()


def _switch(folder: Path) -> None:
    """Put `next` in the place of the present one. Killed in between, it is done again: `next` goes last."""
    for source, target, mode in zip(_files(folder / "next"), _files(folder), (0o644, 0o600), strict=True):
        write(target, source.read_bytes(), mode)
    shutil.rmtree(folder / "next")


def _make(folder: Path, host: str, uri: str | None, now: dt.datetime) -> None:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate, key = _files(folder)
    write(key, _pem(made), 0o600)
    write(certificate, _self_signed(made, host, uri or f"urn:{host}:fieldgate", now), 0o644)


def _identity(folder: Path) -> Identity:
    path, key = _files(folder)
    try:
        first, *others = split(path.read_bytes()) or [b""]
        parsed = x509.load_der_x509_certificate(first)
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uri = names.get_values_for_type(x509.UniformResourceIdentifier)[0]
    except (ValueError, IndexError, x509.ExtensionNotFound) as error:
        raise DisconnectedError(f"{path} is no DER certificate that names an application URI") from error
    begins, expires = parsed.not_valid_before_utc, parsed.not_valid_after_utc
    alone = parsed.issuer == parsed.subject
    return Identity(first, key.read_bytes(), uri, path, begins, expires, alone, tuple(others))


def _self_signed(key: rsa.RSAPrivateKey, host: str, uri: str, now: dt.datetime) -> bytes:
    """Part 6 Table 43: URI and host name as alternative names, and what the key may be used for."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"fieldgate@{host}"[:64])])
    alternatives = [x509.UniformResourceIdentifier(uri), x509.DNSName(host[:_MAX_DNS])]
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True,
        key_agreement=False, key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))  # the server's clock may be behind
        .not_valid_after(now + dt.timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.DER)


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def read_certificate(path: Path, option: str = "trust") -> bytes:
    """DER of a PEM or DER file. Raises DisconnectedError when it is neither: the file may be put right while we run."""
    try:
        data = path.read_bytes()
        load = x509.load_pem_x509_certificate if data.startswith(b"-----") else x509.load_der_x509_certificate
        return load(data).public_bytes(serialization.Encoding.DER)
    except (OSError, ValueError) as error:
        raise DisconnectedError(f"{option}: {path} is no certificate in PEM or DER: {error}") from error


def fingerprint(certificate: bytes) -> str:
    """SHA-256 as certificate tools show it."""
    return hashlib.sha256(certificate).hexdigest().upper()

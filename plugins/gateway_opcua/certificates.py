"""Who we are to a server, and which server we take it for.

The gateway's own certificate is made once and kept. A server's is pinned: to a file that was given, or to the first one
seen; a changed one is refused until a person says that it was meant.
"""

import datetime as dt
import hashlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.sdk import DisconnectedError

_YEARS: Final = 10  # unattended for years: servers would have to be told of each new one
_MAX_DNS: Final = 63  # RFC 1035 §2.3.4: longest label


@dataclass(frozen=True, slots=True)
class Identity:
    """An application instance certificate (Part 6 §6.2.2).

    Attributes:
        certificate: DER.
        key: the private key, PEM.
        uri: application URI that the certificate names; a session must announce the same.
        path: file of the certificate, to be shown to the server's administrator.
        expires: end of its validity, UTC.
    """

    certificate: bytes
    key: bytes
    uri: str
    path: Path
    expires: dt.datetime


def load_identity(home: Path, now: dt.datetime) -> Identity:
    """The gateway's certificate in `home`, made there at first use. Blocks for as long as an RSA key takes to find.

    Raises:
        DisconnectedError: what was put there in its place is no certificate for OPC UA.
    """
    certificate, key = home / "own" / "certificate.der", home / "own" / "key.pem"
    if not (certificate.exists() and key.exists()):
        made_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        _write(key, _pem(made_key), 0o600)
        _write(certificate, _self_signed(made_key, socket.gethostname(), now), 0o644)
    return _identity(certificate, certificate.read_bytes(), key.read_bytes())


def _identity(path: Path, certificate: bytes, key: bytes) -> Identity:
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uri = names.get_values_for_type(x509.UniformResourceIdentifier)[0]
    except (ValueError, IndexError, x509.ExtensionNotFound) as error:
        raise DisconnectedError(f"{path} is no DER certificate that names an application URI") from error
    return Identity(certificate, key, uri, path, parsed.not_valid_after_utc)


def _self_signed(key: rsa.RSAPrivateKey, host: str, now: dt.datetime) -> bytes:
    """Part 6 Table 43: URI and host name as alternative names, and what the key may be used for."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"fieldgate@{host}"[:64])])
    alternatives = [x509.UniformResourceIdentifier(f"urn:{host}:fieldgate"), x509.DNSName(host[:_MAX_DNS])]
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


def _write(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others for a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_certificate(path: Path) -> bytes:
    """DER of a PEM or DER file. Raises DisconnectedError when it is neither: the file may be put right while we run."""
    try:
        data = path.read_bytes()
        load = x509.load_pem_x509_certificate if data.startswith(b"-----") else x509.load_der_x509_certificate
        return load(data).public_bytes(serialization.Encoding.DER)
    except (OSError, ValueError) as error:
        raise DisconnectedError(f"trust: {path} is no certificate in PEM or DER: {error}") from error


def fingerprint(certificate: bytes) -> str:
    """SHA-256 as certificate tools show it."""
    return hashlib.sha256(certificate).hexdigest().upper()


class Pin:
    """The certificate that one server must show."""

    def __init__(self, home: Path, url: str, trust: Path | None) -> None:
        """`trust`: file of the certificate; None to keep the first one seen, in `home`."""
        self._url, self._trust = url, trust
        self._kept = home / "trusted" / (re.sub(r"[^A-Za-z0-9.\-]+", "_", url.removeprefix("opc.tcp://")) + ".der")

    def check(self, certificate: bytes) -> None:
        """Raises DisconnectedError unless `certificate` is the pinned one, or none is pinned yet."""
        if self._trust is not None:
            pinned, remedy = read_certificate(self._trust), f"put the new one into {self._trust}"
        elif self._kept.exists():
            pinned, remedy = self._kept.read_bytes(), f"delete {self._kept}"
        else:
            return
        if pinned != certificate:
            raise DisconnectedError(
                f"{self._url} shows another certificate than the trusted one: SHA-256 {fingerprint(certificate)} "
                f"instead of {fingerprint(pinned)}; if the server was given a new one on purpose, {remedy}"
            )

    def keep(self, certificate: bytes) -> bool:
        """Pin `certificate`, which the server has proven to own, if none is pinned. True when it was the first."""
        if self._trust is not None or self._kept.exists():
            return False
        _write(self._kept, certificate, 0o644)
        return True

"""Certificates for the tests: right ones, and wrong in any way that a test names."""

import datetime as dt
import functools
import ipaddress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
URI = "urn:fieldgate:test:server"
HOST = "127.0.0.1"
DAY = dt.timedelta(days=1)
_WITH_RSA = bytes.fromhex("2a864886f70d0101")  # pkcs-1 (RFC 8017)


@functools.cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """One key for each number: they are slow to find."""
    del number
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@dataclass(frozen=True)
class Wish:
    """What a certificate is to say; the defaults are those of a good server."""

    name: str = "server"
    uri: str | None = URI
    hosts: tuple[str, ...] = (HOST,)
    begins: dt.timedelta = -DAY
    expires: dt.timedelta = 365 * DAY
    bits: int = 2048
    number: int = 0
    sha1: bool = False
    curve: bool = False
    usage: bool = True
    extended: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    ca: bool = False
    serial: int = field(default_factory=x509.random_serial_number)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def save(self, folder: Path, *chain: "Made") -> tuple[Path, Path]:
        """Certificate (PEM with its chain) and key (PEM) as a server loads them."""
        folder.mkdir(parents=True, exist_ok=True)
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        certificate.write_bytes(b"".join(one.certificate.public_bytes(Encoding.PEM) for one in (self, *chain)))
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, key


def make(issuer: Made | None = None, wish: Wish | None = None, **changes: Any) -> Made:
    """A certificate, issued by `issuer` or by itself."""
    wish = replace(wish or Wish(), **changes)
    number = wish.number or (hash(wish.name) % 5 if wish.ca else 0)
    key: Any = ec.generate_private_key(ec.SECP256R1()) if wish.curve else rsa_key(wish.bits, number)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wish.name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(wish.serial)
        .not_valid_before(NOW + wish.begins)
        .not_valid_after(NOW + wish.expires)
        .add_extension(x509.BasicConstraints(ca=wish.ca, path_length=None), critical=True)
        .add_extension(_usage(wish), critical=True)
    )
    if not wish.ca:
        builder = builder.add_extension(_alternatives(wish), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(wish.extended), critical=False)
    signer = issuer.key if issuer else key
    certificate = builder.sign(signer, hashes.SHA256())
    return Made(_with_sha1(certificate, signer) if wish.sha1 else certificate, key)


def authority(name: str, issuer: Made | None = None, **changes: Any) -> Made:
    """A CA."""
    return make(issuer, Wish(name=name, ca=True, number=sum(name.encode()) % 7 + 1), **changes)


def crl(issuer: Made, *revoked: Made, expires: dt.timedelta = 30 * DAY) -> bytes:
    """A revocation list, DER."""
    builder = x509.CertificateRevocationListBuilder(issuer.certificate.subject, NOW - 60 * DAY, NOW + expires)
    for one in revoked:
        entry = x509.RevokedCertificateBuilder(one.certificate.serial_number, NOW - DAY).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _with_sha1(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> x509.Certificate:
    """Signed again with SHA-1, which no library makes any more: sha256WithRSAEncryption ends in 11, sha1 in 5."""
    der = certificate.public_bytes(Encoding.DER).replace(_WITH_RSA + b"\x0b", _WITH_RSA + b"\x05")
    changed = x509.load_der_x509_certificate(der)
    signature = key.sign(changed.tbs_certificate_bytes, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
    return x509.load_der_x509_certificate(der[: -len(signature)] + signature)


def _alternatives(wish: Wish) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(wish.uri)] if wish.uri else []
    for host in wish.hosts:
        numeric = host.replace(".", "").isdigit()
        names.append(x509.IPAddress(ipaddress.ip_address(host)) if numeric else x509.DNSName(host))
    return x509.SubjectAlternativeName(names)


def _usage(wish: Wish) -> x509.KeyUsage:
    on = wish.usage
    return x509.KeyUsage(
        digital_signature=on, content_commitment=on, key_encipherment=on, data_encipherment=on, key_agreement=not on,
        key_cert_sign=wish.ca, crl_sign=wish.ca, encipher_only=False, decipher_only=False,
    )  # fmt: skip

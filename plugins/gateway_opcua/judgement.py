"""What speaks against a certificate: pure, from the certificate, the instant, and what is expected of it.

Part 4 §6.1.3 says what a client checks, and which of it a person may let pass; the words are for whoever stands before
the machine.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

LARGEST: Final = 65536  # bytes of a certificate with its chain; ten of 4096 bits have 20,000


class Flaw(StrEnum):
    """What may speak against a server's certificate."""

    MALFORMED = "malformed"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    URI = "uri"
    HOST = "host"
    USAGE = "usage"
    WEAK_KEY = "weak_key"
    SHA1 = "sha1"
    INCOMPLETE = "incomplete"
    FORGED = "forged"
    REVOKED = "revoked"
    NO_CRL = "no_crl"
    UNTRUSTED = "untrusted"
    BARRED = "barred"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that speaks against it: what, in words, and what helps."""

    flaw: Flaw
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.text}: {self.remedy}"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a server's certificate is measured by.

    Attributes:
        host: name or address under which the server is dialled.
        uri: what the server calls itself (ApplicationUri); "" where it does not say.
        bits: shortest and longest RSA key that the security policy allows (Part 7).
        sha1: whether the security policy allows signatures with SHA-1.
    """

    host: str
    uri: str
    bits: tuple[int, int] = (2048, 4096)
    sha1: bool = False


T = TypeVar("T")
_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension)
_NEW: Final = "give the server a new certificate"


def read(der: bytes) -> x509.Certificate | Finding:
    """One certificate, of which everything that is asked for here can be read; or why not."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
        _ = certificate.extensions, certificate.signature_hash_algorithm, certificate.subject, certificate.issuer
    except _UNREADABLE as error:
        return Finding(Flaw.MALFORMED, f"it cannot be read ({str(error)[:100]})", f"{_NEW} for OPC UA: X.509 with RSA")
    return certificate


def judge(certificate: x509.Certificate, expected: Expected, now: dt.datetime) -> list[Finding]:
    """Everything that speaks against it as that of the server that is dialled; who trusts it is another question."""
    host, uri = _host(certificate, expected.host), _uri(certificate, expected.uri)
    return [*in_force(certificate, now), *uri, *host, *_usage(certificate), *strength(certificate, expected)]


def in_force(certificate: x509.Certificate, now: dt.datetime, whose: str = "it") -> list[Finding]:
    """Whether it is within its time."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        remedy = f"{_NEW}; until then, accept: [expired] goes on with this one"
        return [Finding(Flaw.EXPIRED, f"{whose} has expired on {end:%Y-%m-%d %H:%M} UTC", remedy)]
    if now < begin:
        text = f"{whose} is valid only from {begin:%Y-%m-%d %H:%M} UTC on, and here it is {now:%Y-%m-%d %H:%M}"
        remedy = "set this gateway's clock; if it is right, the server's was wrong when the certificate was made"
        return [Finding(Flaw.NOT_YET_VALID, text, remedy)]
    return []


def strength(certificate: x509.Certificate, expected: Expected, whose: str = "it") -> list[Finding]:
    """Whether key and signature are as strong as the policy wants."""
    found, (shortest, longest), key = [], expected.bits, certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        found.append(Finding(Flaw.WEAK_KEY, f"{whose} has no RSA key", f"{_NEW} with an RSA key of {shortest} bits"))
    elif not shortest <= key.key_size <= longest:
        text = f"{whose} has an RSA key of {key.key_size} bits; the policy wants {shortest} to {longest}"
        found.append(Finding(Flaw.WEAK_KEY, text, f"{_NEW} with a key of {shortest} bits"))
    if isinstance(certificate.signature_hash_algorithm, hashes.SHA1 | hashes.MD5) and not expected.sha1:
        text = f"{whose} is signed with {certificate.signature_hash_algorithm.name.upper()}, which can be forged"
        found.append(Finding(Flaw.SHA1, text, f"{_NEW}, signed with SHA-256"))
    return found


def _uri(certificate: x509.Certificate, uri: str) -> list[Finding]:
    names = _alternatives(certificate, lambda san: san.get_values_for_type(x509.UniformResourceIdentifier))
    if not uri or uri in names:
        return []
    text = f"it is made for the application {_listed(names)}, and the server calls itself {uri}"
    return [Finding(Flaw.URI, text, "have the server make its certificate anew, or set its ApplicationUri to that")]


def _host(certificate: x509.Certificate, host: str) -> list[Finding]:
    """Part 6 §6.2.2: host names without wildcards, and addresses."""
    names = [
        *_alternatives(certificate, lambda san: san.get_values_for_type(x509.DNSName)),
        *map(str, _alternatives(certificate, lambda san: san.get_values_for_type(x509.IPAddress))),
    ]
    if host.lower() in map(str.lower, names):
        return []
    text = f"it is made for the host {_listed(names)}, and the server is dialled as {host}"
    return [Finding(Flaw.HOST, text, "write one of its names in connect:, or trust it for this server")]


def _usage(certificate: x509.Certificate) -> list[Finding]:
    lacks = [*_key_usage(certificate), *_extended(certificate)]
    if not lacks:
        return []
    text = f"it may not be used for this: it lacks {', '.join(lacks)}"
    return [Finding(Flaw.USAGE, text, f"{_NEW} with this usage; until then, accept: [usage] goes on with this one")]


def _key_usage(certificate: x509.Certificate) -> list[str]:
    """Part 6 §6.2.2; what names no usage is not restricted (RFC 5280 §4.2.1.3)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return []
    wanted = {"digitalSignature": usage.digital_signature, "keyEncipherment": usage.key_encipherment}
    return [name for name, there in wanted.items() if not there]


def _extended(certificate: x509.Certificate) -> list[str]:
    try:
        purposes = list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return []
    fitting = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    return [] if fitting & set(purposes) else ["serverAuth"]


def _alternatives(certificate: x509.Certificate, pick: Callable[[x509.SubjectAlternativeName], Sequence[T]]) -> list[T]:
    try:
        return list(pick(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value))
    except x509.ExtensionNotFound:
        return []


def _listed(names: Sequence[str]) -> str:
    return " or ".join(names[:5]) or "(none)"

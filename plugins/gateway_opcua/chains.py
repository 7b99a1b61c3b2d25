"""Who vouches for a certificate: the way from it to an issuer that is trusted, and the revocation lists on that way.

Pure, and bounded: what a server sends is at most `judgement.LARGEST` bytes, and a way has at most ten steps.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from gateway_opcua.judgement import LARGEST, Expected, Finding, Flaw, in_force, read, strength

_STEPS: Final = 10
_SHORT_FORM: Final = 0x80
_WRONG: Final = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class Way:
    """From a server's certificate upwards.

    Attributes:
        certificates: the server's own first, each signed by the next.
        anchored: whether one that is trusted was reached.
        forged: issuers that bear the right name and did not sign.
    """

    certificates: tuple[x509.Certificate, ...]
    anchored: bool
    forged: tuple[str, ...] = ()


def split(chain: bytes) -> list[bytes]:
    """The certificates of a chain as a server sends it: DER after DER, its own first (Part 6 §6.2.6).

    What is no DER, and what comes after it, is one last piece. Bounded in pieces.
    """
    pieces: list[bytes] = []
    at = 0
    while at < len(chain) and len(pieces) <= _STEPS:
        end = at + _length(chain, at)
        pieces.append(chain[at:end])
        at = end
    return pieces


def _length(data: bytes, at: int) -> int:
    """Bytes of the SEQUENCE that begins at `at` (X.690 §8.1.3); all that is left where there is none."""
    rest = len(data) - at
    if rest < 2 or data[at] != 0x30:  # noqa: PLR2004 - a tag and a length; SEQUENCE
        return rest
    first, count = data[at + 1], data[at + 1] & 0x7F
    if first < _SHORT_FORM:
        return min(2 + first, rest)
    return min(2 + count + int.from_bytes(data[at + 2 : at + 2 + count], "big"), rest)


def parse(chain: bytes) -> tuple[x509.Certificate, list[x509.Certificate]] | Finding:
    """The server's own certificate and what it sent with it; or why the own one is none."""
    if len(chain) > LARGEST:
        remedy = "give the server a certificate of a usual size"
        return Finding(Flaw.MALFORMED, f"it has {len(chain)} bytes, more than {LARGEST}", remedy)
    first, *others = split(chain) or [b""]
    own = read(first)
    if isinstance(own, Finding):
        return own
    return own, [one for one in map(read, others) if not isinstance(one, Finding)]


def digest(certificate: x509.Certificate) -> bytes:
    """SHA-256."""
    return certificate.fingerprint(hashes.SHA256())


def way(own: x509.Certificate, known: Sequence[x509.Certificate], trusted: Collection[bytes]) -> Way:
    """Go from issuer to issuer among `known`, up to one whose digest is in `trusted`, or as far as it goes.

    No certificate is met twice, so a ring of issuers ends.
    """
    steps, forged = [own], []
    while len(steps) < _STEPS and not (len(steps) > 1 and digest(steps[-1]) in trusted):
        met = {digest(one) for one in steps}
        signers = [one for one in _named(steps[-1], known) if digest(one) not in met]
        signed = [one for one in signers if _signed(steps[-1], one)]
        if not signed:
            forged = [name(one) for one in signers]
            break
        steps.append(min(signed, key=lambda one: digest(one) not in trusted))
    return Way(tuple(steps), len(steps) > 1 and digest(steps[-1]) in trusted, tuple(forged))


def _named(certificate: x509.Certificate, known: Sequence[x509.Certificate]) -> Iterator[x509.Certificate]:
    return (one for one in known if one.subject == certificate.issuer and _is_ca(one))


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, ValueError):
        return False


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except _WRONG:
        return False
    return True


def self_signed(certificate: x509.Certificate) -> bool:
    """Whether nobody else vouches for it."""
    return certificate.subject == certificate.issuer and _signed(certificate, certificate)


def judge_way(
    found: Way, crls: Sequence[x509.CertificateRevocationList], expected: Expected, now: dt.datetime
) -> list[Finding]:
    """What speaks against the issuers on a way, and the revocation of each certificate below them."""
    findings: list[Finding] = []
    for lower, issuer in zip(found.certificates, found.certificates[1:], strict=False):
        whose = f"the certificate of its issuer {name(issuer)}"
        findings += [*in_force(issuer, now, whose), *strength(issuer, expected, whose)]
        findings += revocation(lower, issuer, crls, now)
    if not found.anchored:
        findings.append(_open_end(found))
    return findings


def _open_end(found: Way) -> Finding:
    last = found.certificates[-1]
    if found.forged:
        text = f"{name(last)} is said to be issued by {found.forged[0]}, which has not signed it"
        return Finding(Flaw.FORGED, text, "it is not what it pretends to be: look at the server before all else")
    if self_signed(last):
        return Finding(Flaw.UNTRUSTED, f"its issuer {name(last)} is not trusted here", "trust that CA's certificate")
    text = f"{last.issuer.rfc4514_string()}, which has issued {name(last)}, is not known here"
    return Finding(Flaw.INCOMPLETE, text, "put that CA's certificate into issuers/certs, or have the server send it")


def revocation(
    lower: x509.Certificate, issuer: x509.Certificate, crls: Sequence[x509.CertificateRevocationList], now: dt.datetime
) -> list[Finding]:
    """Whether `issuer` has taken `lower` back; that there is no list of its that is in force is a finding too."""
    lists = [crl for crl in crls if crl.issuer == issuer.subject and _list_signed(crl, issuer)]
    for crl in lists:  # an old list too: what was once taken back stays so
        entry = crl.get_revoked_certificate_by_serial_number(lower.serial_number)
        if entry is not None:
            text = f"{name(issuer)} has revoked {name(lower)} on {entry.revocation_date_utc:%Y-%m-%d}"
            return [Finding(Flaw.REVOKED, text, "give the server a new certificate; this one is never accepted")]
    if any(crl.next_update_utc is None or crl.next_update_utc >= now for crl in lists):
        return []
    age = f"the revocation list of {name(issuer)} is out of date" if lists else f"there is none of {name(issuer)}"
    remedy = "put its present CRL into issuers/crl, or write accept: [no_crl]"
    return [Finding(Flaw.NO_CRL, f"whether {name(lower)} is revoked is not known: {age}", remedy)]


def _list_signed(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # another kind is a TypeError
    except _WRONG:
        return False


def name(certificate: x509.Certificate) -> str:
    """Its subject, as people know it."""
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common[0].value) if common else certificate.subject.rfc4514_string() or "(no name)"

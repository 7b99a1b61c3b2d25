"""Whether the certificate that one server shows is accepted, and for what reason it is trusted."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.sdk import DisconnectedError
from gateway_opcua import chains
from gateway_opcua.certificates import fingerprint, read_certificate
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.judgement import Expected, Finding, Flaw, judge
from gateway_opcua.store import TrustStore, server_name, write


class Basis(StrEnum):
    """Why it is trusted."""

    PINNED = "pinned"  # it is the very one that this server is to show
    LISTED = "listed"  # a person trusts it wherever it is met
    ISSUED = "issued"  # a trusted CA vouches for it
    FIRST = "first"  # it is the first one seen, and that is enough here
    NONE = "none"


# What is no matter on which ground. Where a certificate is bound to one server, the names in it add nothing; one that
# was taken as it is has no issuers to answer for, but what is known to be revoked is never accepted.
_NO_ISSUERS: Final = frozenset({Flaw.INCOMPLETE, Flaw.NO_CRL, Flaw.UNTRUSTED})
_LET_PASS: Final = {
    Basis.PINNED: _NO_ISSUERS | {Flaw.HOST},
    Basis.LISTED: _NO_ISSUERS,
    Basis.ISSUED: frozenset[Flaw](),
    Basis.FIRST: _NO_ISSUERS | {Flaw.HOST},
    Basis.NONE: frozenset[Flaw](),
}
_OF_ISSUERS: Final = frozenset({Flaw.EXPIRED, Flaw.NOT_YET_VALID, Flaw.WEAK_KEY, Flaw.SHA1})
_CURABLE: Final = frozenset({Flaw.UNTRUSTED, Flaw.CHANGED, Flaw.HOST, Flaw.BARRED})  # by `fieldgate certs trust`
_OLD: Final = ("Basic128Rsa15", "Basic256")  # with SHA-1 and keys from 1024 bits on (Part 7 §6.6)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A certificate that is accepted.

    Attributes:
        certificate: the server's own.
        basis: why it is trusted.
        passed: what speaks against it and is let pass; to be told.
    """

    certificate: x509.Certificate
    basis: Basis
    passed: tuple[Finding, ...]


class Trust:
    """What one server's certificate is measured by: its options, and what the folders hold at the time."""

    def __init__(self, home: Path, config: OpcuaDevice) -> None:
        self.store = TrustStore(home)
        self._config = config
        self._server = server_name(config.connect)
        self._pin = self.store.pin(self._server)

    def check(self, chain: bytes, uri: str, now: dt.datetime) -> Verdict:
        """Judge what the server shows.

        Raises:
            DisconnectedError: it is refused; the message says why and what helps.
        """
        parsed = chains.parse(chain)
        if isinstance(parsed, Finding):
            raise self._refused(chain, [parsed])
        own, sent = parsed
        basis, findings = self._ground(own, sent, now)
        findings += judge(own, self._expected(uri), now)
        passing = {*_LET_PASS[basis], *map(Flaw, self._config.accept)}
        against = [one for one in findings if one.flaw not in passing]
        if against:
            if {one.flaw for one in against} & _CURABLE:
                self.store.note_rejected(self._server, own)
            raise self._refused(own.public_bytes(Encoding.DER), against)
        told = [one for one in findings if one.flaw not in _NO_ISSUERS or one.flaw in self._config.accept]
        return Verdict(own, basis, tuple(told))

    def keep(self, verdict: Verdict) -> bool:
        """Pin what was accepted as the first one, once the server has proven to own it. True when it was pinned."""
        if verdict.basis is not Basis.FIRST or self._pin.exists():
            return False
        write(self._pin, verdict.certificate.public_bytes(Encoding.DER), 0o644)
        return True

    # --- on what ground ---

    def _ground(
        self, own: x509.Certificate, sent: Sequence[x509.Certificate], now: dt.datetime
    ) -> tuple[Basis, list[Finding]]:
        der, trusted = own.public_bytes(Encoding.DER), self.store.trusted()
        issuers = [*trusted, *self.store.issuers(), *sent]
        found = chains.way(own, issuers, {chains.digest(one) for one in trusted})
        vouched = chains.judge_way(found, self.store.crls(), self._expected(""), now)
        if (pinned := self._pinned(der)) is not None:
            findings = [] if pinned[0] == der or pinned[0] == fingerprint(der) else [pinned[1]]
            return Basis.PINNED, [*findings, *_without(vouched, _OF_ISSUERS)]
        if any(one == own for one in trusted):
            return Basis.LISTED, _without(vouched, _OF_ISSUERS)
        if found.anchored:
            return Basis.ISSUED, vouched
        loose = _without(
            vouched, _OF_ISSUERS | {Flaw.NO_CRL, *([Flaw.UNTRUSTED] if len(found.certificates) == 1 else [])}
        )
        if self.store.barred(fingerprint(der)):
            return Basis.NONE, [*loose, self._untrusted(Flaw.BARRED, "it was rejected here", der)]
        if self._config.first_use == "keep":
            return Basis.FIRST, loose
        text = "nobody has said here that it is to be trusted"
        return Basis.NONE, [*loose, self._untrusted(Flaw.UNTRUSTED, text, der)]

    def _pinned(self, der: bytes) -> tuple[bytes | str, Finding] | None:
        """The certificate or the fingerprint that this server must show, and what another one means."""
        if (wanted := self._config.fingerprint) is not None:
            return wanted, _changed(wanted, "write the new one's as fingerprint:")
        if (file := self._config.trust) is not None:
            given = read_certificate(file)
            return given, _changed(fingerprint(given), f"put the new one into {file}")
        if not self._pin.exists():
            return None
        kept = self._pin.read_bytes()
        remedy = f"delete {self._pin}, or trust the new one: fieldgate certs trust {fingerprint(der)[:16]}"
        return kept, _changed(fingerprint(kept), remedy)

    def _untrusted(self, flaw: Flaw, text: str, der: bytes) -> Finding:
        short = fingerprint(der)[:16]
        return Finding(flaw, text, f"compare the SHA-256 with that on the server, then: fieldgate certs trust {short}")

    # --- words ---

    def _expected(self, uri: str) -> Expected:
        old = self._config.policy in _OLD
        host = urlsplit(self._config.connect).hostname or ""
        return Expected(host, uri, (1024, 2048) if old else (2048, 4096), sha1=old)

    def _refused(self, der: bytes, against: Sequence[Finding]) -> DisconnectedError:
        reasons = "; ".join(dict.fromkeys(map(str, against)))
        return DisconnectedError(
            f"{self._config.connect}: the server's certificate is refused. SHA-256 {fingerprint(der)}: {reasons}"
        )


def _changed(wanted: str, remedy: str) -> Finding:
    text = f"the server shows another certificate than the trusted one, which has {wanted}"
    return Finding(Flaw.CHANGED, text, f"if the server was given a new one on purpose, {remedy}")


def _without(findings: Sequence[Finding], flaws: Collection[Flaw]) -> list[Finding]:
    return [one for one in findings if one.flaw not in flaws]

"""The certificates of this adapter for people: what `fieldgate certs` lists, and what it does."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from gateway.sdk.certificates import Certificate
from gateway_opcua import chains
from gateway_opcua.certificates import Identity, load_own, renew
from gateway_opcua.judgement import Finding, read
from gateway_opcua.store import Kept, TrustStore


class Keeper:
    """As `gateway.sdk.certificates.Certificates`."""

    def __init__(self, home: Path, now: dt.datetime) -> None:
        self._home, self._now = home, now
        self._store = TrustStore(home)

    def all(self) -> Sequence[Certificate]:
        """Ours, where there is one already, then those of others."""
        own = []
        if (self._home / "own" / "certificate.der").exists():
            pair = load_own(self._home, self._now)
            own = [of_identity("own", pair.present)]
            own += [of_identity("next", pair.following)] if pair.following else []
        return [*own, *map(_of_kept, self._store.all())]

    def trust(self, which: str) -> Certificate:
        """Trust a file, or what was rejected."""
        return _of_kept(self._store.trust(which))

    def reject(self, which: str) -> Certificate:
        """Trust it no longer."""
        return _of_kept(self._store.reject(which))

    def renew(self, *, at_once: bool) -> Certificate:
        """Make a new own certificate."""
        made = renew(self._home, self._now, at_once=at_once)
        return of_identity("next" if made.path.parent.name == "next" else "own", made)


def describe(role: str, certificate: x509.Certificate, place: str, remark: str = "") -> Certificate:
    """A certificate for people."""
    begins, expires = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    fingerprint = chains.digest(certificate).hex().upper()
    return Certificate(role, chains.name(certificate), fingerprint, begins, expires, place, remark)


def of_identity(role: str, identity: Identity) -> Certificate:
    """One of our own."""
    parsed = read(identity.certificate)
    assert not isinstance(parsed, Finding)  # noqa: S101 - it was read when it was loaded
    return describe(role, parsed, str(identity.path), identity.uri)


def _of_kept(kept: Kept) -> Certificate:
    return describe(kept.role, kept.certificate, str(kept.path), f"of {kept.server}" if kept.server else "")

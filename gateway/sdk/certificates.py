"""Certificates, for adapters that have some: a capability of its own.

The gateway tells how long they last, and `fieldgate certs` shows them and does what a person has decided.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from gateway.sdk.errors import FieldgateError


class NoSuchCertificateError(FieldgateError):
    """What a person has named is no certificate, or not one only. The message says how one is named."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate.

    Attributes:
        role: own, next (own, from the next connection on), user, server, trusted, issuer, rejected or barred.
        subject: whose it is.
        fingerprint: SHA-256, in hexadecimal digits.
        begins: from when on it is valid, UTC.
        expires: until when, UTC.
        place: its file, or the server that shows it.
        remark: what else a person should know.
    """

    role: str
    subject: str
    fingerprint: str
    begins: dt.datetime
    expires: dt.datetime
    place: str
    remark: str = ""


class Certificates(Protocol):
    """The certificates that an adapter keeps in its home."""

    def all(self) -> Sequence[Certificate]:
        """Every one."""

    def trust(self, which: str) -> Certificate:
        """Trust one: a file, or the beginning of a fingerprint. Raises NoSuchCertificateError."""

    def reject(self, which: str) -> Certificate:
        """Trust it no longer. Raises NoSuchCertificateError."""

    def renew(self, *, at_once: bool) -> Certificate:
        """Make a new own certificate, used beside the present one until that expires, or from now on."""


@runtime_checkable
class Certified(Protocol):
    """An adapter that has certificates. Servers that run take up a change by themselves, within a minute."""

    @classmethod
    def keeper(cls, home: Path, now: dt.datetime) -> Certificates:
        """Those in `home`, the adapter's folder; `now` is UTC."""

    def certificates(self) -> Sequence[Certificate]:
        """Those that this connection uses now: its own, and what the other side has shown. Read from any thread."""

"""The certificates of others on disk, in the folders that OPC UA tools know (Part 12 §7.8.2), and what is done there.

trusted/HOST_PORT.der   the one certificate that this server may show
trusted/certs           servers and CAs that are trusted wherever they are met
trusted/crl             revocation lists of these CAs; issuers/certs and issuers/crl: of CAs between them and a server
rejected/certs          what servers have shown and nobody has said to be trusted: the last hundred
barred                  what a person has rejected; it is not trusted on first use either
"""

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.sdk.certificates import NoSuchCertificateError
from gateway_opcua.chains import digest

_ANY: Final = "any"  # in place of a server's name: not bound to one
_LARGEST: Final = 16 * 2**20  # bytes of a file; the revocation list of a large CA
_MOST: Final = 1000  # files of a folder that are looked at
_REJECTED: Final = 100  # that are kept
_SHORT: Final = 16  # digits of a fingerprint that stand in a file's name
_ENOUGH: Final = 8  # digits that name a certificate
_ROLES: Final = {
    "trusted": "trusted", "trusted/certs": "trusted", "issuers/certs": "issuer", "rejected/certs": "rejected",
    "barred": "barred",
}  # fmt: skip

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """One certificate on disk. `server` is HOST_PORT where it is of one server only."""

    role: str
    path: Path
    certificate: x509.Certificate
    server: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 as certificate tools show it."""
        return digest(self.certificate).hex().upper()

    @property
    def der(self) -> bytes:
        """As a server shows it."""
        return self.certificate.public_bytes(Encoding.DER)


class TrustStore:
    """The folders below one home. What cannot be read counts as not there."""

    def __init__(self, home: Path) -> None:
        self.home = home

    # --- what there is ---

    def pin(self, server: str) -> Path:
        """Where the one certificate of `server` stands, if there is one."""
        return self.home / "trusted" / f"{server}.der"

    def trusted(self) -> list[x509.Certificate]:
        """Those that are trusted wherever they are met."""
        return _all(self.home / "trusted" / "certs", _certificates)

    def issuers(self) -> list[x509.Certificate]:
        """CAs that are no reason for trust, but lead to those that are."""
        return _all(self.home / "issuers" / "certs", _certificates)

    def crls(self) -> list[x509.CertificateRevocationList]:
        """All revocation lists."""
        return [crl for part in ("trusted", "issuers") for crl in _all(self.home / part / "crl", _crls)]

    def barred(self, fingerprint: str) -> bool:
        """Whether a person has rejected it."""
        return any((self.home / "barred").glob(f"*.{fingerprint[:_SHORT]}.der"))

    def state(self) -> tuple[tuple[str, int, int], ...]:
        """What is another one as soon as a file here is."""
        folders = ("trusted", "trusted/certs", "trusted/crl", "issuers/certs", "issuers/crl", "barred")
        return tuple(
            (str(path), found.st_mtime_ns, found.st_size)
            for folder in folders
            for path in _files(self.home / folder)
            if (found := _stat(path))
        )

    def all(self) -> Iterator[Kept]:
        """Every certificate of others."""
        for folder, role in _ROLES.items():
            for path in _files(self.home / folder):
                server = path.stem if folder == "trusted" else path.name.removesuffix(".der").rpartition(".")[0]
                bound = "" if server == _ANY or folder in ("trusted/certs", "issuers/certs") else server
                for certificate in _load(path, _certificates):
                    yield Kept(role, path, certificate, bound)

    # --- what is done ---

    def note_rejected(self, server: str, certificate: x509.Certificate) -> None:
        """Keep what a server has shown, for a person to look at; the oldest make room."""
        folder = self.home / "rejected" / "certs"
        path = folder / _named(server, certificate)
        if not path.exists():
            write(path, certificate.public_bytes(Encoding.DER), 0o644)
        for old in sorted(_files(folder), key=lambda one: one.stat().st_mtime_ns)[:-_REJECTED]:
            old.unlink(missing_ok=True)

    def trust(self, which: str) -> Kept:
        """Trust a file's certificate anywhere; or one that was rejected, there where it was shown.

        Raises:
            NoSuchCertificateError: `which` is neither a file with one certificate nor the beginning of one fingerprint.
        """
        kept = self._file(Path(which)) or self._find(which, ("rejected", "barred", "issuer"))
        target = (
            self.pin(kept.server) if kept.server else self.home / "trusted" / "certs" / _named(_ANY, kept.certificate)
        )
        write(target, kept.der, 0o644)
        for path in (self.home / "barred").glob(f"*.{kept.fingerprint[:_SHORT]}.der"):
            path.unlink()
        if kept.role in ("rejected", "barred"):
            kept.path.unlink(missing_ok=True)
        return Kept("trusted", target, kept.certificate, kept.server)

    def reject(self, which: str) -> Kept:
        """Trust it no longer, not on first use either. Raises NoSuchCertificateError."""
        kept = self._find(which, ("trusted", "rejected"))
        target = self.home / "barred" / _named(kept.server or _ANY, kept.certificate)
        write(target, kept.der, 0o644)
        for one in list(self.all()):
            if one.fingerprint == kept.fingerprint and one.role in ("trusted", "rejected"):
                one.path.unlink(missing_ok=True)
        return Kept("barred", target, kept.certificate, kept.server)

    def _file(self, path: Path) -> Kept | None:
        if not path.is_file():
            return None
        certificates = _load(path, _certificates)
        if len(certificates) != 1:
            raise NoSuchCertificateError(f"{path} holds {len(certificates)} certificates in PEM or DER; give one")
        return Kept("file", path, certificates[0])

    def _find(self, which: str, roles: Sequence[str]) -> Kept:
        digits = re.sub(r"[:\s]", "", which).upper()
        if len(digits) < _ENOUGH or not re.fullmatch(r"[0-9A-F]+", digits):
            raise NoSuchCertificateError(
                f"{which} is no file, and no fingerprint of {_ENOUGH} hexadecimal digits or more"
            )
        found = {one.fingerprint: one for one in self.all() if one.role in roles and one.fingerprint.startswith(digits)}
        if len(found) != 1:
            are = "several certificates begin so" if found else f"no {' or '.join(roles)} certificate begins so"
            raise NoSuchCertificateError(f"{which}: {are}; see fieldgate certs list")
        return next(iter(found.values()))


def server_name(url: str) -> str:
    """HOST_PORT of an endpoint, safe in a file's name."""
    return re.sub(r"[^A-Za-z0-9.\-]+", "_", url.removeprefix("opc.tcp://"))


def write(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others for a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.new")  # several may write at once
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _named(server: str, certificate: x509.Certificate) -> str:
    return f"{server}.{digest(certificate).hex().upper()[:_SHORT]}.der"


def _files(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix != ".new")[:_MOST]
    return []


def _stat(path: Path) -> os.stat_result | None:
    with contextlib.suppress(OSError):
        return path.stat()
    return None


def _all(folder: Path, load: Callable[[bytes], list[T]]) -> list[T]:
    return [one for path in _files(folder) for one in _load(path, load)]


def _load(path: Path, load: Callable[[bytes], list[T]]) -> list[T]:
    with contextlib.suppress(OSError, ValueError):
        if path.stat().st_size <= _LARGEST:
            return load(path.read_bytes())
    return []


def _certificates(data: bytes) -> list[x509.Certificate]:
    """All of a PEM file, or the one of a DER file. Raises ValueError."""
    return x509.load_pem_x509_certificates(data) if b"-----BEGIN" in data else [x509.load_der_x509_certificate(data)]


def _crls(data: bytes) -> list[x509.CertificateRevocationList]:
    return [x509.load_pem_x509_crl(data) if b"-----BEGIN" in data else x509.load_der_x509_crl(data)]

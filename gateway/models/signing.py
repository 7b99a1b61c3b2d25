"""Who made a bundle: Ed25519 signatures in a DSSE envelope, checked against public keys that lie on disk, offline.

The envelope (github.com/secure-systems-lab/dsse, protocol.md) signs its payload with its type, and is read here in one
spelling only: whoever flips any bit of the file is refused, also where the bit would mean nothing.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from gateway.models.manifest import BundleError
from gateway.sdk.errors import ConfigError

PAYLOAD_TYPE: Final = "application/vnd.fieldgate.bundle+json"
MOST_SIGNATURES: Final = 8
MOST_KEY: Final = 4096  # bytes of a key file

Keys = Mapping[str, Ed25519PublicKey]
"""Trusted public keys by key id."""


def pae(kind: str, payload: bytes) -> bytes:
    """Pre-authentication encoding (DSSE protocol.md): what is signed, so that no payload passes for another type."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 hex digits of the SHA-256 of the raw key."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def generate() -> tuple[bytes, bytes, str]:
    """A new key: private PEM, public PEM, key id."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, public, key_id(key.public_key())


def read_private(path: Path) -> Ed25519PrivateKey:
    """The private key at `path`. Raises ConfigError when it is none."""
    try:
        key = load_pem_private_key(_content(path), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: no private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: not an Ed25519 key; `fieldgate model keygen` makes one")
    return key


def read_trusted(folder: Path | None) -> dict[str, Ed25519PublicKey]:
    """All public keys (`*.pub`, PEM) in `folder`. Raises ConfigError when one cannot be read."""
    if folder is None:
        return {}
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".pub")
    except OSError as error:
        raise ConfigError(f"models.keys: {folder}: {error.strerror}") from error
    return {key_id(key): key for key in map(read_public, paths)}


def read_public(path: Path) -> Ed25519PublicKey:
    """The public key at `path`. Raises ConfigError when it is none."""
    try:
        key = load_pem_public_key(_content(path))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path}: not an Ed25519 key")
    return key


def sign(payload: bytes, key: Ed25519PrivateKey, kind: str = PAYLOAD_TYPE) -> bytes:
    """The envelope around `payload`."""
    signature = {"keyid": key_id(key.public_key()), "sig": _base64(key.sign(pae(kind, payload)))}
    return _spell(kind, payload, [signature])


def verify(envelope: bytes, trusted: Keys, kind: str = PAYLOAD_TYPE) -> tuple[bytes, str]:
    """The payload, and the id of the trusted key that signed it.

    Raises:
        BundleError: unsigned, when it is no envelope or bears no signature; untrusted, when no trusted key has signed;
            tampered, when a trusted key's signature does not hold.
    """
    found_kind, payload, signatures = _parse(envelope)
    if not signatures:
        raise BundleError("unsigned", "the envelope bears no signature")
    if found_kind != kind:
        raise BundleError("tampered", f"the envelope is of type {found_kind[:80]!r}, not {kind!r}")
    known = [one for one in signatures if one["keyid"] in trusted]
    if not known:
        ids = ", ".join(one["keyid"][:16] for one in signatures)
        raise BundleError("untrusted", f"signed by {ids}, which is none of the {len(trusted)} trusted keys")
    for one in known:
        try:
            trusted[one["keyid"]].verify(_plain(one["sig"]), pae(kind, payload))
        except InvalidSignature as error:
            raise BundleError("tampered", f"the signature of key {one['keyid']} does not hold") from error
    return payload, str(known[0]["keyid"])


def _parse(envelope: bytes) -> tuple[str, bytes, list[dict[str, str]]]:
    try:
        read: Any = orjson.loads(envelope)
        kind, payload = str(read["payloadType"]), _plain(read["payload"])
        signatures = [{"keyid": str(one["keyid"]), "sig": _base64(_plain(one["sig"]))} for one in read["signatures"]]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BundleError("unsigned", f"no DSSE envelope: {error!r:.200}") from error
    if len(signatures) > MOST_SIGNATURES:
        raise BundleError("tampered", f"the envelope bears {len(signatures)} signatures")
    if _spell(kind, payload, signatures) != envelope:
        raise BundleError("tampered", "the envelope is not spelt as `fieldgate model pack` writes it")
    return kind, payload, signatures


def _spell(kind: str, payload: bytes, signatures: list[dict[str, str]]) -> bytes:
    envelope = {"payload": _base64(payload), "payloadType": kind, "signatures": signatures}
    return orjson.dumps(envelope, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _plain(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_KEY)

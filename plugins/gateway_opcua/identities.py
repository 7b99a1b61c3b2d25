"""Who logs in with a certificate: the user's, which is another one than the gateway's (Part 4 §7.41.5)."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.sdk import DisconnectedError, denied
from gateway_opcua.certificates import read_certificate
from gateway_opcua.judgement import in_force


@dataclass(frozen=True, slots=True)
class User:
    """A user's certificate and its private key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey


def load_user(path: Path, key: Path, now: dt.datetime) -> User:
    """Read both and see that they go together and are in force. Raises DisconnectedError, for they may be put right."""
    certificate = x509.load_der_x509_certificate(read_certificate(path, "user_certificate"))
    try:
        private = load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        why = f"{error}{denied(error)}"
        raise DisconnectedError(f"user_key: {key} is no private key in PEM without a password: {why}") from error
    if not isinstance(private, rsa.RSAPrivateKey) or private.public_key() != certificate.public_key():
        raise DisconnectedError(f"user_key: {key} is not the RSA key of {path}")
    for finding in in_force(certificate, now, "it"):
        raise DisconnectedError(f"user_certificate: {path}: {finding.text}: have a new one issued for this user")
    return User(certificate, private)

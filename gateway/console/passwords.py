"""Passwords and tokens: argon2id (RFC 9106), what is good enough for a new one, and how they are made.

The cost is OWASP's for argon2id (Password Storage Cheat Sheet): 19 MiB and two passes, which an edge gateway can spare;
one is computed at a time.
"""

import hashlib
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST: Final = 12  # characters; longer is stronger than rules about signs (NIST SP 800-63B §5.1.1.2)
LONGEST: Final = 256
_MEMORY: Final = 19 * 1024  # KiB
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=_MEMORY, parallelism=1)
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # none that are taken for one another
_FIRST_TRIED: Final = ("password", "passwort", "fieldgate", "admin", "operator", "engineer", "welcome", "changeme")
_TOKEN: Final = "fgt_"  # noqa: S105 - by which scanners for lost secrets know one of ours


def hashed(password: str) -> str:
    """What is kept of `password`. Takes tens of milliseconds and 19 MiB."""
    return _HASHER.hash(password)


def matches(kept: str, password: str) -> bool:
    """Whether `password` is the one that `kept` was made of. Takes as long as `hashed`, whatever comes of it."""
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


NOBODY: Final = hashed(secrets.token_urlsafe())
"""Of a password that nobody has: a user that is not there takes as long to refuse as one that is."""


def fault(password: str, user: str) -> str:
    """Why `password` will not do for `user`, in a sentence; empty where it will."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"a password has {SHORTEST} to {LONGEST} characters"
    plain = password.casefold()
    if len(set(plain)) < SHORTEST // 3:
        return "the password repeats a few characters; take several words"
    for word in (user.casefold(), *_FIRST_TRIED):
        if len(plain.replace(word, "")) < SHORTEST // 2:
            return f"the password is little more than '{word}', which is tried first; take several words"
    return ""


def made() -> str:
    """A new password of 80 random bits, in four groups that can be read out."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def token() -> str:
    """A new token of 256 random bits."""
    return _TOKEN + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a token or of a cookie: sha256, hex. They are random, so that no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()

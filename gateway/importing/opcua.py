"""What the OPC UA peers share: security, who logs in, and node ids."""

import re
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from gateway.config.tree import SecretRef
from gateway.importing.asked import digits
from gateway.importing.found import safe
from gateway.importing.report import Report

POLICIES: Final = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss", "Basic256", "Basic128Rsa15")
_MODES: Final = {"none": "none", "sign": "sign", "signandencrypt": "sign_and_encrypt"}
_BEST: Final = ("auto", "best", "")
OWN_CERTIFICATE: Final = "the gateway has a certificate of its own, which the server must accept: `fieldgate certs`"
SOURCE_TIME: Final = "stamped with the time of gathering there; here with the time that the server gives"
_IDENTIFIER: Final = re.compile(r"(?:nsu?=[^;]*;)?[isgb]=(.*)", re.DOTALL)


def security(mode: str, policy: str, place: str, report: Report) -> dict[str, Any]:
    """`security` and `policy`; what was to be chosen at run time is told."""
    mode, policy = mode.strip().lower().replace("_", ""), policy.strip().rpartition("#")[2]
    policy = next(
        (known for known in POLICIES if known.lower().replace("_", "") == policy.lower().replace("_", "")), policy
    )
    if mode in _BEST and policy.lower() in _BEST:
        report.changed(
            place, "the best security that the server offers was chosen at run time; here it is sign_and_encrypt by "
            "Basic256Sha256: set `security: none` where the server has none"
        )  # fmt: skip
        return {"security": "sign_and_encrypt"}
    if mode == "none" or policy.lower() == "none":
        return {}
    if policy.lower() not in _BEST and policy not in POLICIES:
        report.lost(place, f"security policy {policy}: there is {', '.join(POLICIES)}; Basic256Sha256 is taken")
        policy = ""
    found: dict[str, Any] = {"security": _MODES.get(mode, "sign_and_encrypt")}
    return found | ({"policy": policy} if policy.lower() not in _BEST and policy != POLICIES[0] else {})


def login(user: str, name: str, place: str, report: Report) -> dict[str, Any]:
    """`user` and `password`: the password is a reference, whatever stood there."""
    if not user:
        return {}
    secret = safe(name)
    report.secret(place, secret, f"password of user {user}")
    return {"user": user, "password": SecretRef(secret)}


def node(namespace: str, identifier: str, kind: str = "") -> str:
    """A node id in the standard form; `kind` is i, s, g or b, guessed where it is not given."""
    kind = kind or ("i" if digits(identifier) else "g" if _is_guid(identifier) else "s")
    prefix = "" if namespace in ("", "0") else f"ns={namespace};" if digits(namespace) else f"nsu={namespace};"
    return f"{prefix}{kind}={identifier}"


def call(node_id: str) -> str:
    """A name for a node that has none: its identifier."""
    found = _IDENTIFIER.fullmatch(node_id)
    text = found[1] if found else node_id
    return f"node_{text}" if digits(text) else text


def server(url: str) -> str:
    """A name for a server that has none: its host."""
    try:
        return urlsplit(url).hostname or "opcua"
    except ValueError:  # the adapter's table says what is wrong with it
        return "opcua"


def _is_guid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False

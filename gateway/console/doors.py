"""What a request must be before anybody looks at who sends it: at a name of ours, from a page of ours. Pure.

A page elsewhere can make a browser send requests here, and a name that it owns can be made to lead here (DNS
rebinding). So the Host must be an address, or a name that is known; and what changes anything must come from a page of
this very console (Origin, RFC 6454) and bring a secret that only that page can read.
"""

import hmac
import ipaddress
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from gateway.console.rights import Refused, Who

SAFE: Final = ("GET", "HEAD")
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@\[\]]+))(?::\d{1,5})?")
CSRF: Final = "x-csrf-token"
HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""On every answer (OWASP, HTTP Headers Cheat Sheet)."""
TLS_ONLY: Final = {"strict-transport-security": "max-age=31536000"}


def check_host(host: str, names: frozenset[str]) -> None:
    """Raises Refused (421) when `host`, the header, is neither an address nor one of `names`.

    A browser that was led here by a name of somebody else says that name.
    """
    name = _name(host)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if name not in names:
            raise Refused(
                HTTPStatus.MISDIRECTED_REQUEST, "host", f"'{name[:64]}' is no name of this console (console.hosts)"
            ) from None


def _name(host: str) -> str:
    """Without the port, and an IPv6 address without its brackets; empty where it is no host at all (RFC 9110 §7.2)."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


def check_origin(headers: Mapping[str, str], scheme: str) -> None:
    """Raises Refused (403) when a browser says that the request comes from another page than ours.

    Args:
        headers: of the request, by their lower-case names.
        scheme: http or https, in which it came.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
    ours = origin is None or origin == f"{scheme}://{headers.get('host', '')}"
    if not ours or site not in ("same-origin", "none"):
        raise Refused(HTTPStatus.FORBIDDEN, "origin", "the request comes from a page of another place")


def check_csrf(headers: Mapping[str, str], who: Who) -> None:
    """Raises Refused (403) when a change does not bring the secret of its login. A token needs none."""
    if who.csrf and not hmac.compare_digest(headers.get(CSRF, "").encode(), who.csrf.encode()):
        raise Refused(HTTPStatus.FORBIDDEN, "csrf", f"the header {CSRF} is not that of this login; load the page anew")


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of a program; None where there is none."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None

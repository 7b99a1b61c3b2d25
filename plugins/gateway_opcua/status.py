"""What the StatusCodes of the services mean for a client (Part 4 §7.39, Part 6 Annex A.2)."""

from typing import Final

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from gateway.sdk import quality

BAD_SHUTDOWN: Final = 0x800C0000
BAD_SERVER_HALTED: Final = 0x800E0000
BAD_NOTHING_TO_DO: Final = 0x800F0000
BAD_TOO_MANY_OPERATIONS: Final = 0x80100000
BAD_USER_ACCESS_DENIED: Final = 0x801F0000
BAD_NO_CONTINUATION_POINTS: Final = 0x804B0000
BAD_TOO_MANY_MATCHES: Final = 0x806D0000
BAD_NO_MATCH: Final = 0x806F0000
BAD_NOT_READABLE: Final = 0x803A0000
BAD_TOO_MANY_SESSIONS: Final = 0x80560000
BAD_SUBSCRIPTION_ID_INVALID: Final = 0x80280000
BAD_TOO_MANY_SUBSCRIPTIONS: Final = 0x80770000
BAD_TOO_MANY_PUBLISH_REQUESTS: Final = 0x80780000
BAD_NO_SUBSCRIPTION: Final = 0x80790000

SESSION_LOST: Final = frozenset(
    {
        quality.BAD_COMMUNICATION_ERROR,
        BAD_SHUTDOWN,
        BAD_SERVER_HALTED,
        0x80220000,  # BadSecureChannelIdInvalid
        0x80250000,  # BadSessionIdInvalid
        0x80260000,  # BadSessionClosed
        0x80270000,  # BadSessionNotActivated
        0x80860000,  # BadSecureChannelClosed
        0x80AE0000,  # BadConnectionClosed
    }
)
"""The session is gone: only a new one helps."""

ASK_FOR_LESS: Final = frozenset(
    {
        BAD_TOO_MANY_OPERATIONS,
        0x80080000,  # BadEncodingLimitsExceeded
        0x80B80000,  # BadRequestTooLarge
        0x80B90000,  # BadResponseTooLarge
    }
)
"""The server refuses a call for its size."""

_WRONG_NODE: Final = np.array(
    [
        BAD_USER_ACCESS_DENIED,
        0x80330000,  # BadNodeIdInvalid
        quality.BAD_NODE_ID_UNKNOWN,
        0x80350000,  # BadAttributeIdInvalid
        BAD_NOT_READABLE,
        0x803D0000,  # BadNotSupported
        0x80600000,  # BadBrowseNameInvalid
        BAD_TOO_MANY_MATCHES,
        BAD_NO_MATCH,
        0x80E60000,  # BadSecurityModeInsufficient
    ],
    np.uint32,
)
_FILTER_REFUSED: Final = np.array(
    [
        0x80430000,  # BadMonitoredItemFilterInvalid
        0x80440000,  # BadMonitoredItemFilterUnsupported
        0x80450000,  # BadFilterNotAllowed
        0x808E0000,  # BadDeadbandFilterInvalid
    ],
    np.uint32,
)
_CODE: Final = np.uint32(0xFFFF0000)  # without the info bits
_OVERFLOW: Final = np.uint32(0x480)  # Part 4 §7.39 info bits: DataValue, Overflow


def is_wrong_node(status: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Mask of the readings that are bad because the node is: not there, or not for us. Shape (n,)."""
    return np.isin(status & _CODE, _WRONG_NODE)


def is_filter_refused(status: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Mask of the monitored items that were refused for their filter. Shape (n,)."""
    return np.isin(status & _CODE, _FILTER_REFUSED)


def not_for_us(code: int) -> bool:
    """Whether a reading is bad because the node is not there, or not for us."""
    return bool(is_wrong_node(np.array([code], np.uint32))[0])


def name(code: int) -> str:
    """`0x806F0000` → `BadNoMatch`; a code that the standard does not name keeps its severity and its number."""
    own = quality.name(code)
    if "(" not in own:
        return own
    known, meaning = ua.status_codes.get_name_and_doc(code & 0xFFFF0000)
    return own if meaning.startswith("Unknown") else str(known)


def count_overflows(status: NDArray[np.uint32]) -> int:
    """Readings before which the server's queue of the tag ran over."""
    return int(np.count_nonzero((status & _OVERFLOW) == _OVERFLOW))


_ISSUED: Final = "it does not accept this gateway's certificate {certificate}: "
_HELP: Final = {
    BAD_USER_ACCESS_DENIED: "it refuses {who}",
    0x80200000: "it refuses {who}",  # BadIdentityTokenInvalid
    0x80210000: "it refuses {who}",  # BadIdentityTokenRejected
    0x80120000: "it refuses this gateway's certificate: accept {certificate} on the server",  # BadCertificateInvalid
    0x80130000: "it refuses this gateway's certificate: accept {certificate} on the server",  # BadSecurityChecksFailed
    0x801A0000: "it does not trust this gateway yet: accept {certificate} on the server",  # BadCertificateUntrusted
    0x80140000: "it takes this gateway's certificate for out of date: check both clocks, and renew it with"
    " fieldgate certs renew if it is",  # BadCertificateTimeInvalid
    0x80150000: _ISSUED + "that of its CA is out of date; renew it on the server",  # BadCertificateIssuerTimeInvalid
    0x80160000: _ISSUED + "its host name is wrong; fieldgate certs renew",  # BadCertificateHostNameInvalid
    0x80170000: _ISSUED + "its application URI is wrong; fieldgate certs renew",  # BadCertificateUriInvalid
    0x80180000: _ISSUED + "it lacks a usage; have it issued with clientAuth",  # BadCertificateUseNotAllowed
    0x80190000: _ISSUED + "its issuer is no CA",  # BadCertificateIssuerUseNotAllowed
    0x801B0000: _ISSUED + "give the server its CA's revocation list",  # BadCertificateRevocationUnknown
    0x801C0000: _ISSUED + "give the server the revocation list of its CA's CA",  # BadCertificateIssuerRevocationUnknown
    0x801D0000: _ISSUED + "it was revoked; have a new one issued",  # BadCertificateRevoked
    0x801E0000: _ISSUED + "its CA was revoked; have a new one issued by another",  # BadCertificateIssuerRevoked
    0x810D0000: _ISSUED + "give the server the certificates of its CAs",  # BadCertificateChainIncomplete
    0x81140000: _ISSUED + "its key or signature is too weak for the server",  # BadCertificatePolicyCheckFailed
    0x80540000: "it does not offer this security mode: check security",  # BadSecurityModeRejected
    0x80550000: "it does not offer this security policy: check security and policy",  # BadSecurityPolicyRejected
    BAD_TOO_MANY_SESSIONS: "it has no free session: close one, or allow more on the server",
    BAD_TOO_MANY_SUBSCRIPTIONS: "it has no free subscription: use mode: read, or allow more on the server",
    0x80830000: "it does not know the path of this URL: check connect",  # BadTcpEndpointUrlInvalid
}


def explain(code: int, who: str, certificate: str) -> str:
    """What a refusal to connect means, and what helps."""
    text = _HELP.get(code & 0xFFFF0000, "it refuses the connection")
    return f"{text.format(who=who, certificate=certificate)} ({name(code)})"

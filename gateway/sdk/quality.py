"""Quality of a value: an OPC UA StatusCode from the wire to the broker.

OPC UA Part 4 §7.39 and Part 6 Annex A.2. The two top bits are the severity: 00 Good, 01 Uncertain, 10 Bad.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

GOOD: Final = 0x00000000
UNCERTAIN: Final = 0x40000000
UNCERTAIN_LAST_USABLE_VALUE: Final = 0x40900000  # not refreshed within stale_after
UNCERTAIN_SENSOR_NOT_ACCURATE: Final = 0x40930000
UNCERTAIN_ENGINEERING_UNITS_EXCEEDED: Final = 0x40940000  # clamped to the tag's range
BAD: Final = 0x80000000
BAD_COMMUNICATION_ERROR: Final = 0x80050000
BAD_DECODING_ERROR: Final = 0x80070000
BAD_TIMEOUT: Final = 0x800A0000
BAD_INVALID_TIMESTAMP: Final = 0x80230000  # time ran backwards
BAD_WAITING_FOR_INITIAL_DATA: Final = 0x80320000
BAD_NODE_ID_UNKNOWN: Final = 0x80340000
BAD_OUT_OF_RANGE: Final = 0x803C0000  # NaN or infinite where a number was promised
BAD_CONFIGURATION_ERROR: Final = 0x80890000
BAD_NOT_CONNECTED: Final = 0x808A0000
BAD_DEVICE_FAILURE: Final = 0x808B0000
BAD_OUT_OF_SERVICE: Final = 0x808D0000
BAD_TYPE_MISMATCH: Final = 0x80740000
BAD_NO_DATA: Final = 0x809B0000

_NAMES: Final = {
    code: "".join(word.capitalize() for word in name.split("_"))
    for name, code in sorted(globals().items())
    if name.isupper() and not name.startswith("_") and isinstance(code, int)
}


def is_good(status: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Mask of the good ones among `status` (shape (n,), u4)."""
    mask: NDArray[np.bool_] = status < UNCERTAIN
    return mask


def is_bad(status: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Mask of the bad ones among `status` (shape (n,), u4)."""
    mask: NDArray[np.bool_] = status >= BAD
    return mask


def name(code: int) -> str:
    """`0x800A0000` → `BadTimeout`; a code without a name here keeps its severity and its number."""
    known = _NAMES.get(code & 0xFFFF0000)
    if known:
        return known
    return f"{('Good', 'Uncertain', 'Bad', 'Bad')[code >> 30]}(0x{code:08X})"

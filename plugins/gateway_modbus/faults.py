"""How a request ended, and what quality its tags have then.

An outcome is a number: 0 is good, 1 to 255 is the exception code of the device (MODBUS Application Protocol V1.1b3 §7),
beyond are ends without a usable answer.
"""

from typing import Final

from gateway.sdk import quality

GOOD: Final = 0
TIMEOUT: Final = 256  # no answer in time
SHORT: Final = 257  # an answer with the wrong amount of data

ILLEGAL: Final = frozenset({2, 3})  # this range, or so much at once: a part of it may be allowed
SILENT: Final = frozenset({TIMEOUT, 10, 11})  # nobody there; 10 and 11 are a gateway saying so for its unit

_STATUS: Final = {
    GOOD: quality.GOOD,
    1: quality.BAD_CONFIGURATION_ERROR,  # the unit does not know the function, so it has no such table
    2: quality.BAD_CONFIGURATION_ERROR,  # no such address: the tag's `at`, `type` or the map of the device is wrong
    3: quality.BAD_CONFIGURATION_ERROR,
    TIMEOUT: quality.BAD_TIMEOUT,
    SHORT: quality.BAD_DECODING_ERROR,
}


def status(outcome: int) -> int:
    """The quality of tags whose request ended so; every other exception is the device's own failure."""
    return _STATUS.get(outcome, quality.BAD_DEVICE_FAILURE)

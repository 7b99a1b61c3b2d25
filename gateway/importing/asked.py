"""What a person adds on the command line because the foreign files do not say it, and the durations that they write."""

import re
from dataclasses import dataclass
from typing import Final

from gateway.sdk.errors import ConfigError

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_DIGITS: Final = 12
_LONGEST: Final = 3.2e8  # s, ten years
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Asked:
    """Options of the verb.

    Attributes:
        connect: where the device answers, for files that do not say it.
        namespace: index of browse names that are written without one.
    """

    connect: str | None = None
    namespace: int | None = None

    def where(self, place: str) -> str:
        """`connect`. Raises ConfigError with the remedy where it was not given."""
        if self.connect is None:
            raise ConfigError(f"{place}: it does not say where the device is; add --connect tcp://10.0.4.21:502")
        return self.connect


def go_seconds(text: str) -> float | None:
    """Go's `1m30s` → 90.0; None where it is none."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def digits(text: str) -> bool:
    """Whether it is a number of plain digits, of bounded length."""
    return text.isascii() and text.isdigit() and len(text) < _DIGITS


def duration(seconds: float) -> str:
    """As a device file has it; a millisecond at least, unless it is none at all."""
    whole = max(1, round(min(seconds, _LONGEST) * 1000)) if seconds > 0 else 0
    return f"{whole}ms" if whole % 1000 else f"{whole // 1000}s"

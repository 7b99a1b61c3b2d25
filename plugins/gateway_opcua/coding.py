"""A value for a variable, in the server's own type: exactly, or not at all. Pure."""

import datetime as dt
import math
import struct
from collections.abc import Callable
from typing import Any, Final

from asyncua import ua

from gateway.sdk import Value

BOOLEAN, FLOAT, DOUBLE, STRING, DATE_TIME, LOCALIZED_TEXT = 1, 10, 11, 12, 13, 21
_RANGES: Final = {
    2: (-(2**7), 2**7 - 1), 3: (0, 2**8 - 1), 4: (-(2**15), 2**15 - 1), 5: (0, 2**16 - 1), 6: (-(2**31), 2**31 - 1),
    7: (0, 2**32 - 1), 8: (-(2**63), 2**63 - 1), 9: (0, 2**64 - 1),
}  # fmt: skip
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def convert(value: Value, kind: int) -> ua.Variant:
    """`value` as a scalar of the built-in type `kind` (Part 6 Table 1). Raises ValueError that says why it is none."""
    name = ua.VariantType(kind).name
    how = _HOW.get(kind) or (_integer if kind in _RANGES else None)
    if how is None:
        raise ValueError(f"values of type {name} cannot be written")
    return ua.Variant(how(value, kind, name), ua.VariantType(kind))


def _boolean(value: Value, _kind: int, name: str) -> bool:
    if isinstance(value, str) or value not in (0, 1):
        raise ValueError(f"{value!r} is no {name}: it is true or false")
    return bool(value)


def _integer(value: Value, kind: int, name: str) -> int:
    _refuse_text(value, name)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value!r} is no {name}: it has no decimals")
    low, high = _RANGES[kind]
    if not low <= value <= high:  # type: ignore[operator]  # no text
        raise ValueError(f"{value!r} does not fit {name}: {low} to {high}")
    return int(value)


def _real(value: Value, kind: int, name: str) -> float:
    """Decimals are rounded to the nearest, as everywhere; whole numbers stay what they are."""
    _refuse_text(value, name)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no number for a machine")
    try:
        held = struct.unpack("<f", struct.pack("<f", number))[0] if kind == FLOAT else number
    except OverflowError as error:
        raise ValueError(f"{value!r} does not fit {name}") from error
    if isinstance(value, int) and held != value:
        raise ValueError(f"{name} cannot hold {value} exactly; the next is {held:.0f}")
    return number


def _text(value: Value, _kind: int, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text, and the server wants {name}")  # noqa: TRY004 - as of every value
    return value


def _localized(value: Value, kind: int, name: str) -> ua.LocalizedText:
    return ua.LocalizedText(_text(value, kind, name))


def _time(value: Value, _kind: int, name: str) -> dt.datetime:
    """Unix seconds, as it is read, or ISO 8601 with its zone."""
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no {name}")  # noqa: TRY004 - as of every value
    if not isinstance(value, str):
        return _EPOCH + dt.timedelta(seconds=value)
    moment = dt.datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone: put Z or +01:00 behind it")
    return moment.astimezone(dt.UTC)


def _refuse_text(value: Value, name: str) -> None:
    if isinstance(value, str | bool):
        raise ValueError(f"{value!r} is no number, and the server wants {name}")  # noqa: TRY004 - as of every value


_HOW: Final[dict[int, Callable[[Value, int, str], Any]]] = {
    BOOLEAN: _boolean,
    FLOAT: _real,
    DOUBLE: _real,
    STRING: _text,
    DATE_TIME: _time,
    LOCALIZED_TEXT: _localized,
}

"""Values in the server's own type: exactly, or refused with a reason."""

import datetime as dt
from typing import Any

import pytest
from asyncua import ua

from gateway_opcua.coding import convert

T = ua.VariantType


@pytest.mark.parametrize(
    ("value", "kind", "held"),
    [
        (True, T.Boolean, True),
        (0, T.Boolean, False),
        (1.0, T.Boolean, True),
        (255, T.Byte, 255),
        (-128.0, T.SByte, -128),
        (2**64 - 1, T.UInt64, 2**64 - 1),
        (21.1, T.Float, 21.1),
        (2**24, T.Float, 2.0**24),
        (2**53, T.Double, 2.0**53),
        ("lager", T.String, "lager"),
        (0, T.DateTime, dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),
        ("2024-05-01T14:00:00+02:00", T.DateTime, dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)),
    ],
)
def test_a_value_is_held_as_it_is(value: Any, kind: T, held: Any) -> None:
    variant = convert(value, kind.value)
    assert (variant.Value, variant.VariantType) == (held, kind)
    assert type(variant.Value) is type(held)


@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [
        (2, T.Boolean, "true or false"),
        ("true", T.Boolean, "true or false"),
        (256, T.Byte, "does not fit Byte: 0 to 255"),
        (-1, T.UInt32, "does not fit"),
        (1.5, T.Int32, "no decimals"),
        (float("nan"), T.Int32, "no decimals"),
        (2**64, T.UInt64, "does not fit"),
        ("7", T.Int16, "no number"),
        (True, T.Int16, "no number"),
        (float("inf"), T.Double, "no number for a machine"),
        (1e39, T.Float, "does not fit Float"),
        (2**24 + 1, T.Float, "cannot hold 16777217 exactly; the next is 16777216"),
        (2**53 + 1, T.Double, "cannot hold"),
        (10**400, T.Double, "too large"),
        (5, T.String, "no text"),
        ("2024-05-01T14:00:00", T.DateTime, "no time zone"),
        ("yesterday", T.DateTime, "yesterday"),
        (1, T.Guid, "cannot be written"),
        (1, T.ExtensionObject, "cannot be written"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(value: Any, kind: T, reason: str) -> None:
    with pytest.raises((ValueError, OverflowError), match=reason):
        convert(value, kind.value)

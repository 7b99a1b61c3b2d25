"""What a server says of a variable's values beside them: unit, range, and the text of each (Part 8 §5, §6). Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.sdk.described import Described

PROPERTIES: Final = {
    "EngineeringUnits": "unit",
    "EURange": "range",
    "EnumStrings": "strings",
    "EnumValues": "values",
    "FalseState": "false",
    "TrueState": "true",
}
"""Properties of an AnalogItem and of discrete items (Part 8 §5.3.2, §5.3.3), and what they are called here."""
_UNECE: Final = "http://www.opcfoundation.org/UA/units/un/cefact"  # Part 8 §5.6.3.3: the id is the code's letters
_MOST_TEXTS: Final = 1000


def described(reads: Mapping[str, Any]) -> Described:
    """What `reads`, a node's, say altogether."""
    return Described(unit_of(reads.get("unit")), range_of(reads.get("range")), reads.get("texts") or {})


def unit_of(information: Any) -> str:
    """The display name of an EUInformation; the UNECE code where it has none."""
    if not isinstance(information, dict):
        return ""
    if shown := information.get("DisplayName"):
        return str(shown).strip()
    code = information.get("UnitId")
    if information.get("NamespaceUri") != _UNECE or not isinstance(code, int) or code <= 0:
        return ""
    letters = code.to_bytes(8, "big").lstrip(b"\0")
    return letters.decode("ascii") if letters.isalnum() else ""


def range_of(span: Any) -> tuple[float, float] | None:
    """A Range that is one."""
    if not isinstance(span, dict):
        return None
    low, high = span.get("Low"), span.get("High")
    if not (isinstance(low, float) and isinstance(high, float)):
        return None
    return (low, high) if -float("inf") < low < high < float("inf") else None


def texts_of(reads: Mapping[str, Any]) -> dict[int, str]:
    """What single values mean, by the properties of a variable or of its type; {} where none of them says."""
    if isinstance(strings := reads.get("strings"), list):
        return _texts(enumerate(strings))
    if isinstance(values := reads.get("values"), list):
        return texts_of_fields(values)
    return _texts([(0, reads.get("false")), (1, reads.get("true"))])


def texts_of_fields(fields: Any) -> dict[int, str]:
    """Those of EnumValueType or EnumField (Part 3 §8.39, §8.52): number and text each."""
    if not isinstance(fields, list):
        return {}
    known = [one for one in fields if isinstance(one, dict) and isinstance(one.get("Value"), int)]
    return _texts((one["Value"], one.get("DisplayName") or one.get("Name")) for one in known)


def _texts(pairs: Iterable[tuple[int, Any]]) -> dict[int, str]:
    told = [(number, text) for number, text in pairs if isinstance(text, str) and text]
    return dict(told[:_MOST_TEXTS])

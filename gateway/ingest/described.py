"""What devices say of their tags beside the values, asked of the adapters when somebody looks."""

from collections.abc import Iterable
from typing import Final

from gateway.ingest.runner import Runner
from gateway.sdk.described import Described, Describes
from gateway.sdk.tags import TagTable

_NOTHING: Final = Described()


def said_of(runners: Iterable[Runner], tag: str) -> Described:
    """What is said of `device.tag`; nothing where its adapter knows nothing."""
    told = (runner.adapter.described() for runner in runners if isinstance(runner.adapter, Describes))
    return next((known[tag] for known in told if tag in known), _NOTHING)


def in_words(table: TagTable, runners: Iterable[Runner], row: int, value: float) -> str:
    """A value with its unit and its text: those of the device, unless the configuration says or scales it."""
    scaled = (table.scale[row], table.offset[row]) != (1.0, 0.0)
    said = _NOTHING if scaled else said_of(runners, table.names[row])
    text = said.texts.get(int(value)) if value.is_integer() else None
    return " ".join(
        part for part in (f"{value:.6g}", table.units[row] or said.unit, f"({text})" if text else "") if part
    )

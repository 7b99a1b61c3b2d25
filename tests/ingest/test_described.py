"""What devices say of their tags, in words: the configuration's own word comes first."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.ingest.described import in_words, said_of
from gateway.sdk import DeviceConfig, TagConfig, TagTable
from gateway.sdk.described import Described

TAGS = {"plain": TagConfig(), "named": TagConfig(unit="psi"), "scaled": TagConfig(scale=0.1)}
TABLE = TagTable.build([DeviceConfig(device="pump", adapter="x", every=1.0, tags=TAGS)])
SAID = {f"pump.{tag}": Described("bar", (0.0, 6.0), {2: "running"}) for tag in TAGS}


def runners(said: dict[str, Described] = SAID) -> Any:
    """One whose adapter knows nothing, and one that knows."""
    knowing = SimpleNamespace(described=lambda: said)
    return cast("Any", [SimpleNamespace(adapter=object()), SimpleNamespace(adapter=knowing)])


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [
        ("plain", 2.0, "2 bar (running)"),
        ("plain", 2.5, "2.5 bar"),
        ("plain", float("nan"), "nan bar"),
        ("named", 3.0, "3 psi"),
        ("named", 2.0, "2 psi (running)"),
        ("scaled", 2.0, "2"),  # the unit is that of the number before scale
    ],
)
def test_a_value_in_words(tag: str, value: float, words: str) -> None:
    assert in_words(TABLE, runners(), TABLE.row(f"pump.{tag}"), value) == words


def test_of_what_nobody_says_anything_the_number_is_left() -> None:
    assert said_of(runners(), "pump.other") == Described()
    assert in_words(TABLE, runners({}), TABLE.row("pump.plain"), 2.0) == "2"

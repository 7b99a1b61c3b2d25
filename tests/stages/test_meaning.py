"""What values mean: the configuration's own word comes first, then the device's."""

import pytest

from gateway.sdk import DeviceConfig, TagConfig, TagTable
from gateway.sdk.described import Described
from gateway.sdk.tags import Connection
from gateway.stages.meaning import Meanings
from tests.stages.said import Saying, meanings

TAGS = {
    "plain": TagConfig(), "named": TagConfig(unit="psi", range=(0.0, 9.0)), "scaled": TagConfig(scale=0.1),
}  # fmt: skip
TABLE = TagTable.build([DeviceConfig(device=name, adapter="x", every=1.0, tags=TAGS) for name in ("pump", "fan")])
SAID = {f"pump.{tag}": Described("bar", (0.0, 6.0), {2: "running"}) for tag in TAGS}


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [
        ("pump.plain", 2.0, "2 bar (running)"),
        ("pump.plain", 2.5, "2.5 bar"),
        ("pump.plain", float("nan"), "nan bar"),
        ("pump.plain", float("inf"), "inf bar"),
        ("pump.named", 3.0, "3 psi"),
        ("pump.named", 2.0, "2 psi (running)"),
        ("pump.scaled", 2.0, "2"),  # the unit is that of the number before scale
        ("fan.plain", 2.0, "2"),  # of which nobody says anything
    ],
)
def test_a_value_in_words(tag: str, value: float, words: str) -> None:
    assert meanings(TABLE, SAID).words(TABLE.row(tag), value) == words


def test_a_range_is_the_configured_one_else_that_of_the_device() -> None:
    one = meanings(TABLE, SAID)
    ranges = [one.of(TABLE.row(f"pump.{tag}")).range for tag in TAGS]
    assert ranges == [(0.0, 6.0), (0.0, 9.0), None]
    assert one.of(TABLE.row("fan.plain")) == Described()


def test_what_is_learnt_later_is_known_at_once_and_counted() -> None:
    said: dict[str, Described] = {}
    one = meanings(TABLE, said)
    assert (one.known, one.unit(TABLE.row("pump.plain"))) == (0, "")
    said |= SAID
    assert (one.known, one.unit(TABLE.row("pump.plain"))) == (3, "bar")


def test_after_a_reload_the_same_adapter_says_it_of_other_rows() -> None:
    more = TagTable.build([DeviceConfig(device=name, adapter="x", every=1.0, tags=TAGS) for name in ("a", "pump")])
    one = Meanings(more)
    one.said_by([Saying(Connection("line", TABLE.devices), SAID)])
    assert one.unit(more.row("pump.plain")) == "bar"
    assert one.unit(more.row("a.plain")) == ""

"""Units are read where they stand, and refused in plain words."""

import pytest
from pydantic import ValidationError

from gateway.sdk.config import DeviceConfig, Rate, Size, Table, TagConfig, seconds


class Sample(Table):
    """Two units."""

    size: Size = 1
    """A size."""
    rate: Rate = 1.0
    """A rate."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [("200ms", 0.2), ("1s", 1.0), ("5min", 300.0), ("5m", 300.0), ("2h", 7200.0), ("1d", 86400.0), ("1.5 s", 1.5)],
)
def test_durations_are_seconds(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["1", "", "s", "-1s", "1 fortnight", 5, None, True, "1s2"])
def test_what_is_no_duration_is_refused_with_the_forms(text: object) -> None:
    with pytest.raises(ValueError, match="200ms, 1s"):
        seconds(text)


def test_sizes_and_rates() -> None:
    assert Sample.model_validate({"size": "64MiB"}).size == 64 * 2**20
    assert Sample.model_validate({"size": "2GB"}).size == 2 * 10**9
    assert Sample.model_validate({"rate": "1/week"}).rate == pytest.approx(1 / 604800)


@pytest.mark.parametrize("bad", [{"size": "lots"}, {"rate": "0/week"}, {"rate": "often"}, {"size": True}])
def test_odd_sizes_and_rates_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate(bad)


def test_a_period_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="longer than 0"):
        TagConfig.model_validate({"every": "0s"})


@pytest.mark.parametrize("name", ["pump 7", "a/b", "", "#", "x" * 65])
def test_device_names_are_safe_in_topics_and_files(name: str) -> None:
    with pytest.raises(ValidationError):
        DeviceConfig.model_validate({"device": name, "adapter": "x", "tags": {"t": {}}})


def test_in_a_file_the_unit_is_not_left_out() -> None:
    assert TagConfig.model_validate({"every": 1.5}).every == 1.5
    with pytest.raises(ValidationError, match="a number with a unit"):
        TagConfig.model_validate({"every": 1.5}, context={"written": True})
    with pytest.raises(ValidationError, match="a number with a unit"):
        Sample.model_validate({"size": 1}, context={"written": True})

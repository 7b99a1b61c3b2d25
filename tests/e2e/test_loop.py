"""The bench of the local rule measures what it says: every change of the value is followed by a write, and timed."""

from pathlib import Path

import pytest

from bench.loop import measure


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_change_of_the_value_is_followed_by_its_write(tmp_path: Path) -> None:
    found = measure(tmp_path, rounds=15, registers=20)
    assert found["lost"] == 0
    assert len(found["took"]) == 15
    assert 0.0005 < sorted(found["took"])[7] < 1.0

"""A recording of a real machine, over the wire: by OPC UA and Modbus to the daemon, alarms at the broker."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.shared
@pytest.mark.timeout(300)
def test_a_recording_raises_its_alarm_in_its_labelled_stretch_and_every_row_is_accounted_for(recordings: Path) -> None:
    """The first 680 rows of one series: 400 to learn from, the anomaly begins at row 573."""
    command = [sys.executable, "bench/eval.py", "--live", "--root", str(recordings), "--set", "skab"]
    command += ["--series", "valve1_0", "--limit", "680", "--pace", "200ms"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "680    680" in ran.stdout

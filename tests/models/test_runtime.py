"""Inference is nobody's business: onnxruntime, as we load it, leaves no device id behind and queues nothing to send."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SILENCERS = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS")  # a machine of the field sets none of them


@pytest.mark.parametrize("module", ["session", "worker"])
def test_a_session_writes_nothing_for_telemetry(tmp_path: Path, module: str) -> None:
    code = f"from gateway.models import {module}, session; {module}.runtime(); session.open_session()"
    env = {name: value for name, value in os.environ.items() if name not in SILENCERS}
    homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), str(tmp_path))
    subprocess.run([sys.executable, "-c", code], env={**env, **homes}, check=True, timeout=60)
    assert list(tmp_path.rglob("*")) == []

"""`fieldgate browse` of very many nodes: it tells as it goes, also on a terminal, in little memory."""

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.plugins.gateway_opcua.peers import free_port, install_node_opcua, start_node_opcua

FULL = os.environ.get("FIELDGATE_FULL") == "1"
NODES = 100_000 if FULL else 4_000
MOST = 350 if FULL else 150  # MB of the process


def on_a_terminal(command: list[str]) -> tuple[list[tuple[float, str]], int, float]:
    """What it wrote, each piece with its instant; its exit code; the most memory that it took, in MB.

    By its own account while it runs: what wait4 tells counts the process that it was forked from, too.
    """
    ours, its = pty.openpty()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=its, stderr=its)
    os.close(its)
    pieces: list[tuple[float, str]] = []
    most = 0.0
    try:
        while data := os.read(ours, 65536):
            pieces.append((time.monotonic(), data.decode()))
            most = max(most, peak(process.pid))
    except OSError:  # so Linux tells that the other side of a terminal has closed
        pass
    finally:
        os.close(ours)
    return pieces, process.wait(), most


def peak(pid: int) -> float:
    """The most memory that a process has had, MB; 0 when it has ended."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


@pytest.mark.slow
@pytest.mark.timeout(900 if FULL else 120)
def test_what_is_found_and_how_far_it_is_are_shown_as_it_goes(tmp_path: Path) -> None:
    """FIELDGATE_FULL=1 for its hundred thousand."""
    if reason := install_node_opcua():
        pytest.skip(f"node-opcua: {reason}")
    with start_node_opcua(free_port(), nodes=NODES) as process:
        url = f"opc.tcp://127.0.0.1:{process.port}"
        options = ["--match", "/Line/N*5", "--limit", str(2 * NODES), "--home", str(tmp_path)]
        command = [sys.executable, "-m", "gateway", "browse", url, *options]
        pieces, code, memory = on_a_terminal(command)
    text = "".join(piece for _, piece in pieces)
    print(f"{NODES} nodes: {pieces[-1][0] - pieces[0][0]:.1f} s, {memory:.0f} MB")  # noqa: T201 - the figure of the line
    assert code == 0
    lines = [line for line in re.split(r"\r\n|\r\x1b\[K", text) if "/Line/N" in line or line.startswith("Line/N")]
    assert len(lines) == NODES // 10
    counts = [int(count) for count in re.findall(r"\r(\d+) nodes", text)]
    assert counts == sorted(counts)
    assert counts[-1] > NODES
    assert len(counts) > 10
    halfway = next(at for at, piece in pieces if f"N{NODES // 2 + 5}" in piece)
    assert pieces[0][0] < halfway < pieces[-1][0]
    assert 20 < memory < MOST

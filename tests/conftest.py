"""Shared by all tests: the option that forbids skips, and where recordings lie."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

# how fast an example is drawn is the machine's affair: a fresh one builds tables at the first draw
settings.register_profile("fieldgate", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fieldgate")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="a skipped test fails the run")
    parser.addoption("--requests", type=int, default=2000, help="how many mutated requests the console is sent")
    parser.addoption("--kills", type=int, default=12, help="how often the daemon is killed in the torture test")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    skipped = reporter.stats.get("skipped", [])
    if session.config.getoption("--all") and skipped and session.exitstatus == 0:
        reporter.write_line(f"--all forbids skips: {len(skipped)} skipped", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded data sets; a test that needs it is skipped loudly without."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"recordings are not at hand: {folder} is missing")
    return folder


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> Iterator[None]:
    """A call from our code that would block the event loop (file, sleep, socket, lock) fails the test."""
    with blockbuster_ctx(scanned_modules=["gateway", "gateway_modbus", "gateway_opcua"]):
        yield

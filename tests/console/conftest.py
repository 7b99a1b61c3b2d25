"""A whole gateway with its console, in a process of its own, and people who use it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.plant import Plant


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """One gateway for the tests of a module."""
    one = Plant(tmp_path_factory.mktemp("console"))
    try:
        yield one.start()
    finally:
        one.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Plant]:
    """A gateway of the test's own; it is not started yet."""
    one = Plant(tmp_path)
    yield one
    one.stop()

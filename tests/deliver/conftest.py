"""The outbox is opened, and in these tests also worked, on the caller's thread; the daemon does both on others."""

import pytest


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """No guard here: what blocks is what is tested."""

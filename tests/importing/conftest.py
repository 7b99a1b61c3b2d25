"""A site for each test."""

from pathlib import Path

import pytest

from tests.importing.site import Site


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    return Site(tmp_path, capsys)

"""The real file system does what the simulated one does."""

import random
from pathlib import Path

import pytest

from gateway.ops.files import Files, RealFiles
from tests.deliver.simfiles import SimFiles


@pytest.fixture(params=[RealFiles, lambda: SimFiles(random.Random(0))], ids=["real", "simulated"])
def files(request: pytest.FixtureRequest) -> Files:
    made: Files = request.param()
    return made


def test_append_read_truncate_rename_unlink(files: Files, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    files.make_folder(folder)
    files.make_folder(folder)
    assert files.names(folder) == []
    path = folder / "x"
    handle = files.open_append(path)
    files.append(handle, b"hello ")
    files.append(handle, b"world" * 100_000)
    files.fsync(handle)
    files.fsync_dir(folder)
    assert files.size(path) == 500_006
    assert files.read(path, 3, 5) == b"lo wo"
    assert files.read(path, 500_000, 100) == b"dworld"
    assert files.read(path, 600_000, 100) == b""
    files.truncate(path, 8)
    files.append(handle, b"!")
    files.close(handle)
    assert files.read(path, 0, 100) == b"hello wo!"
    other = files.open_append(folder / "y")
    files.append(other, b"other")
    files.close(other)
    files.rename(path, folder / "y")
    assert files.names(folder) == ["y"]
    assert files.read(folder / "y", 0, 100) == b"hello wo!"
    files.unlink(folder / "y")
    assert files.names(folder) == []
    assert files.free(folder) > 0
    for gone in (lambda: files.size(path), lambda: files.read(path, 0, 1), lambda: files.unlink(path)):
        with pytest.raises(FileNotFoundError):
            gone()

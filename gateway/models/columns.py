"""The columns that gateway and worker share: windows in, scores out; one anonymous file, mapped by both."""

import mmap
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Columns:
    """Room for `rows` windows of `window` rows of `width` tags.

    Attributes:
        x: f8[rows, window, width], the tags in the order of the model's inputs and in their units; NaN nowhere.
        score: f8[rows].
        contrib: f8[rows, width]; NaN where the model says nothing.
        expected: f8[rows, width], in the tags' units; NaN where the model says nothing.
    """

    def __init__(self, handle: int, rows: int, window: int, width: int) -> None:
        """Map the file `handle`, which is at least as long as `size` says."""
        self._map = mmap.mmap(handle, self.size(rows, window, width))
        at = 0

        def column(*shape: int) -> NDArray[np.float64]:
            nonlocal at
            made: NDArray[Any] = np.ndarray(shape, np.float64, self._map, at)
            at += made.nbytes
            return made

        self.x = column(rows, window, width)
        self.score, self.contrib, self.expected = column(rows), column(rows, width), column(rows, width)

    @staticmethod
    def size(rows: int, window: int, width: int) -> int:
        """Bytes of the file."""
        return 8 * rows * (window * width + 1 + 2 * width)


def anonymous(name: str, size: int = 0, content: bytes = b"") -> int:
    """A file without a path that can be handed to another process; `content`, or zeros."""
    handle = os.memfd_create(name, os.MFD_CLOEXEC)
    os.truncate(handle, size or len(content))
    view = memoryview(content)
    at = 0
    while at < len(view):
        at += os.pwrite(handle, view[at:], at)
    return handle

"""A plugin for tests of what guards against plugins: a module of its own, with its own folder."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

SOURCE = """\
import asyncio
import re
import time

HEAP = []


def blocks(seconds):
    time.sleep(seconds)


def spins(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def computes(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        re.match("(a+)+$", "a" * 19 + "b")


def swallows(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            time.sleep(0.05)
        except Exception:
            pass


def hands_over(function, *values):
    function(*values)


def keeps(size):
    HEAP.append(bytearray(size))


async def blocks_later(seconds):
    await asyncio.sleep(0)
    time.sleep(seconds)
"""


@contextmanager
def plugin(folder: Path, name: str = "villain") -> Iterator[Any]:
    """The module, imported from a file in `folder`."""
    path = folder / f"{name}.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]

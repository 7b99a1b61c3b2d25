"""A progress bar on stderr, where a terminal watches; otherwise nothing."""

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import Final, TypeVar

T = TypeVar("T")

_WIDTH: Final = 30
_STEPS: Final = 200  # times that the bar is drawn


def watched(items: Iterable[T], what: str) -> Iterator[T]:
    """`items`, with a bar that says how many of them are through; `items` knows its length, or is only counted."""
    total = len(items) if isinstance(items, Sized) else 0
    if not sys.stderr.isatty():
        yield from items
        return
    every = max(total // _STEPS, 1) if total else 1000
    for number, item in enumerate(items):
        if number % every == 0:
            _draw(number, total, what)
        yield item
    _draw(total, total, what)
    sys.stderr.write("\n")


def _draw(done: int, total: int, what: str) -> None:
    share = done / total if total else 0.0
    bar = "#" * round(_WIDTH * share)
    figure = f"{100 * share:3.0f} %" if total else f"{done} rows"
    sys.stderr.write(f"\r{what} [{bar:<{_WIDTH}}] {figure}")
    sys.stderr.flush()

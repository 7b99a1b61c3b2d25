"""Whose memory it is that grows: what is allocated within a second is traced, and counted by the plugin that did it.

Tracing costs while it runs (tracemalloc: each allocation keeps where it was made), so it runs only for that second.
"""

import asyncio
import tracemalloc
from collections import Counter
from typing import Final

from gateway.ops.culprit import Plugins

_FRAMES: Final = 12  # of each allocation
_SHARE: Final = 0.5  # of all that is new, that must be of one plugin
_LEAST: Final = 2**19  # bytes a second that count


async def culprit(plugins: Plugins, seconds: float = 1.0) -> tuple[str, float]:
    """(adapter, bytes a second) of the plugin that most of what is new belongs to; ("", all) where none stands out."""
    if tracemalloc.is_tracing():
        return "", 0.0
    tracemalloc.start(_FRAMES)
    try:
        await asyncio.sleep(seconds)
        sizes = await asyncio.to_thread(_sizes, plugins)
    finally:
        tracemalloc.stop()
    rate = sum(sizes.values()) / seconds
    [(adapter, size)] = sizes.most_common(1) or [("", 0)]
    clear = size / seconds >= _LEAST and size >= _SHARE * sum(sizes.values())
    return (adapter, size / seconds) if clear and adapter else ("", rate)


def _sizes(plugins: Plugins) -> Counter[str]:
    """Bytes that are new and still held, by adapter."""
    sizes: Counter[str] = Counter()
    for trace in tracemalloc.take_snapshot().traces:
        sizes[plugins.of(frame.filename for frame in reversed(trace.traceback))] += trace.size
    return sizes

"""What the forms of telemetry cost in CPU and bytes a reading, side by side in one run.

    ./dev bench payloads

columnar:    one scan of n tags as JSON columns.
sparkplug:   the same as metrics by alias, ready for the outbox; `late` is the marking as historical, when it waited.
flat:        the same as one JSON message a tag.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gateway.deliver.event import dumps
from gateway.deliver.payloads.columnar import Columnar
from gateway.deliver.payloads.flat import flat
from gateway.deliver.sparkplug.catalog import Catalog
from gateway.deliver.sparkplug.columns import Encoder
from gateway.deliver.sparkplug.late import historical
from gateway.sdk import DeviceConfig, TagTable
from gateway.stages.condition import Readings

SIZES = (4, 40, 400)
ROUNDS = 7
WITHIN = 0.05  # s of one round


class Cost(NamedTuple):
    us: float  # of CPU a reading
    size: float  # bytes a reading


def table(tags: int) -> TagTable:
    plain: dict[str, dict[str, str]] = {f"tag_{number}": {} for number in range(tags)}
    return TagTable.build([DeviceConfig.model_validate({"device": "pump-7", "adapter": "sim", "tags": plain})])


def cost(work: Callable[[], int], readings: int) -> Cost:
    """The best of some rounds; `work` gives the bytes that it made."""
    best, size, count = float("inf"), 0, 1
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(count):
            size = work()
        taken = time.process_time() - begun
        best = min(best, taken / count) if taken > WITHIN / 4 else best
        count = max(1, round(count * WITHIN / max(taken, 1e-4)))
    return Cost(best / readings * 1e6, size / readings)


def costs(tags: int) -> dict[str, Cost]:
    tag_table = table(tags)
    rng = np.random.default_rng(0)
    time_ns = np.full(tags, 1_773_480_413_589_000_000)
    part = Readings(np.arange(tags), rng.normal(100, 10, tags), time_ns, np.zeros(tags, np.uint32))
    columnar, catalog = Columnar("line-3", tag_table), Catalog(tag_table)
    encode = Encoder(catalog)
    stored = encode(part, {})
    work: dict[str, Callable[[], int]] = {
        "columnar": lambda: len(
            columnar.encode(0, part.rows, part.value, part.time, part.status, {}, "18bcfe56800", 4711, 10**18)
        ),
        "sparkplug": lambda: len(encode(part, {})),
        "late": lambda: len(historical(stored)),
        "flat": lambda: sum(len(dumps(flat(value, 1_773_480_413_589, 0))) for value in part.value.tolist()),
    }
    return {name: cost(function, tags) for name, function in work.items()}


def main() -> None:
    print(f"{'tags':>6} {'form':<10} {'us/reading':>11} {'bytes/reading':>14} {'x columnar':>11}")
    for tags in SIZES:
        found = costs(tags)
        for name, one in found.items():
            ratio = one.us / found["columnar"].us
            print(f"{tags:>6} {name:<10} {one.us:>11.3f} {one.size:>14.1f} {ratio:>11.2f}")


if __name__ == "__main__":
    main()

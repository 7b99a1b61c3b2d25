"""What a user's model costs, and what a hostile one costs the loop: `./dev bench worker [--seconds 5]`.

Cost of a call through the worker beside the same model in the process, start and memory of a worker, and how late the
event loop is (p99 of a 5 ms tick) with nothing, with two looping models, and with one that is killed over and over.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from gateway.models.process import Limits, Process, WorkerError
from gateway.models.session import open_session
from tests.models.made import WIDTH, WINDOW, manifest, mean_square, sluggish


def percentiles(times: list[float], unit: float = 1e6) -> str:
    low, high = np.percentile(np.array(times) * unit, [50, 99])
    return f"p50 {low:8.1f}  p99 {high:8.1f}"


async def cost(rows: int, calls: int = 500) -> None:
    x = np.random.default_rng(0).normal(size=(rows, WINDOW, WIDTH))
    process = await Process.start(mean_square(), manifest(), Limits(), rows)
    through = []
    for _ in range(calls):
        began = time.perf_counter()
        await process.ask(x)
        through.append(time.perf_counter() - began)
    await process.close()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "m.onnx").write_bytes(mean_square())
        session = open_session(Path(folder) / "m.onnx")
    beside = []
    for _ in range(calls):
        began = time.perf_counter()
        session.run(["score"], {"x": x.astype(np.float32)})
        beside.append(time.perf_counter() - began)
    print(f"a call, {rows:5} windows   worker {percentiles(through)} us   in process {percentiles(beside)} us")


def resident(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def start() -> None:
    times, memory = [], []
    for _ in range(5):
        began = time.perf_counter()
        process = await Process.start(mean_square(), manifest(), Limits())
        times.append(time.perf_counter() - began)
        memory.append(resident(process.pid))
        await process.close()
    print(f"start of a worker       {percentiles(times, 1e3)} ms   resident {max(memory):.0f} MiB")


async def lateness(seconds: float, work: Any) -> list[float]:
    """How late a tick of 5 ms is while `work` goes on."""
    task = asyncio.create_task(work())
    await asyncio.sleep(0.3)
    late, due = [], time.monotonic()
    end = due + seconds
    while due < end:
        due += 0.005
        await asyncio.sleep(due - time.monotonic())
        late.append(time.monotonic() - due)
        due = max(due, time.monotonic() - 0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return late


async def busy_worker() -> None:
    process = await Process.start(sluggish(), manifest(), Limits(deadline=600.0))
    try:
        await process.ask(np.full((1, WINDOW, WIDTH), 200.0))
    except WorkerError:
        return
    finally:
        await process.close()


async def restarting_worker() -> None:
    """A model that misses its deadline over and over."""
    while True:
        process = await Process.start(sluggish(), manifest(), Limits(deadline=0.2))
        try:
            await process.ask(np.full((1, WINDOW, WIDTH), 200.0))
        except WorkerError:
            await process.close()


async def nothing() -> None:
    await asyncio.sleep(3600)


async def main(seconds: float) -> None:
    for rows in (1, 64, 1024):
        await cost(rows)
    await start()
    for name, work in (
        ("nothing else", nothing), ("two looping models", both), ("a model killed over and over", restarting_worker)
    ):  # fmt: skip
        late = await lateness(seconds, work)
        print(f"loop late, {name:30} {percentiles(late, 1e3)} ms   max {max(late) * 1e3:.1f}")


async def both() -> None:
    await asyncio.gather(busy_worker(), busy_worker())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    asyncio.run(main(parser.parse_args().seconds))

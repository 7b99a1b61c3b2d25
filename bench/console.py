"""What pages cost: 50 Modbus devices with 100 tags each at 1 s, nobody looking, then thirty pages with live tags.

    ./dev bench console [--viewers 30] [--rows 100] [--seconds 10] [--rounds 3]

Each page has one stream: its own window of the tags, the overview and the alarms. Thirty of them may cost a tenth of a
core, and how late the devices are read, p99, must not move by 10 ms. Both states take turns, and the medians count, for
what else the machine does comes and goes.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.isolation import Reads, grids, lateness_ms, now_us
from bench.rig import cpu_seconds, farm_config, free_port, journal, quantile, rss_mb
from gateway.cli.children import Child, daemon, listening, simulator
from gateway.console.accounts import new_token
from gateway.console.stream import OF_ONE
from gateway.state.users import Users

DEVICES, REGISTERS = 50, 100
TAGS = DEVICES * REGISTERS
SETTLE = 3.0  # s after the start and after each change
MAY_COST = 0.10  # of a core
MAY_MOVE_MS = 10.0


@dataclass
class Pages:
    """Pages that look: each has its own window of the tags."""

    url: str
    tokens: Sequence[str]
    viewers: int
    rows: int
    seen: Counter[str] = field(default_factory=Counter)

    async def watch(self, number: int) -> None:
        """One page: reads its stream until cancelled, and counts."""
        offset = number * max((TAGS - self.rows) // max(self.viewers, 1), 0)
        path = f"/api/v1/stream?topics=tags,overview,alarms&offset={offset}&limit={self.rows}"
        host, _, port = self.url.removeprefix("http://").rstrip("/").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
        token = self.tokens[number // OF_ONE]
        writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n".encode())
        try:
            while line := await reader.readline():
                self.seen["bytes"] += len(line)
                self.seen["tags"] += line == b"event: tags\n"
        finally:
            writer.close()


@dataclass
class Phase:
    """What was measured while nothing was changed: wall us, share of a core, MB."""

    span: tuple[int, int]
    cost: float
    memory: float

    @classmethod
    async def of(cls, gateway: Child, seconds: float) -> "Phase":
        await asyncio.sleep(SETTLE)
        begun, used = now_us(), cpu_seconds(gateway.process.pid)
        await asyncio.sleep(seconds)
        cost = (cpu_seconds(gateway.process.pid) - used) / seconds
        return cls((begun, now_us()), cost, rss_mb(gateway.process.pid))


async def phases(gateway: Child, pages: Pages, seconds: float, rounds: int) -> list[tuple[Phase, Phase]]:
    """Nobody looks, then all do; so many times."""
    found = []
    for _ in range(rounds):
        alone = await Phase.of(gateway, seconds)
        tasks = [asyncio.create_task(pages.watch(number)) for number in range(pages.viewers)]
        found.append((alone, await Phase.of(gateway, seconds)))
        assert not any(task.done() for task in tasks), "a page was sent away"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return found


def tokens_of(state: Path, viewers: int) -> list[str]:
    """Tokens for the pages: each has only so many streams."""
    state.mkdir()
    users, tokens = Users(state), []
    for number in range(-(-viewers // OF_ONE)):
        token, kept = new_token(f"bench {number}", "viewer", 1, "bench", time.time_ns())
        users.put_token(kept)
        tokens.append(token)
    users.close()
    return tokens


def measure(folder: Path, args: argparse.Namespace) -> tuple[list[tuple[Phase, Phase]], Reads, Pages]:
    """All phases, the reads that the devices have answered, and what the pages have seen."""
    state, file = folder / "state", folder / "journal.csv"
    tokens = tokens_of(state, args.viewers)
    with contextlib.ExitStack() as stack:
        farm, ready = simulator(
            "farm", "--devices", str(DEVICES), "--registers", str(REGISTERS), "--period", "1s", "--journal", str(file),
            log=folder / "farm.log",
        )  # fmt: skip
        stack.callback(farm.stop)
        config = farm_config(folder, ready, free_port(), telemetry="off")
        config.write_text(json.dumps({**json.loads(config.read_text()), "console": {"listen": "127.0.0.1:0"}}))
        gateway = daemon(config, state, folder / "gateway.log")
        stack.callback(gateway.stop)
        listening(gateway, state)
        while not (state / "console-listen").is_file():
            time.sleep(0.1)
        pages = Pages((state / "console-listen").read_text(), tokens, args.viewers, args.rows)
        found = asyncio.run(phases(gateway, pages, args.seconds, args.rounds))
    reads: Reads = defaultdict(list)
    for device, _, at in journal(file):
        reads[device].append(at)
    return found, reads, pages


def late(reads: Reads, phase: Phase) -> float:
    """How late reads of this phase were against their own grid, p99, ms."""
    return quantile(lateness_ms(reads, grids(reads, range(DEVICES), phase.span), phase.span), 0.99)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=30)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found, reads, pages = measure(Path(folder), args)
    cost = [median(phase.cost for phase in kind) for kind in zip(*found, strict=True)]
    behind = [median(late(reads, phase) for phase in kind) for kind in zip(*found, strict=True)]
    memory = [phase.memory for phase in found[0]]
    each = args.viewers * (args.seconds + SETTLE) * args.rounds
    print(f"console  {TAGS} tags at 1 s, {args.viewers} pages of {args.rows} rows, which get each "
          f"{pages.seen['tags'] / each:.1f} events of tags a second, {pages.seen['bytes'] / each / 1000:.0f} kB/s\n"
          f"  of a core {100 * cost[0]:.1f} % → {100 * cost[1]:.1f} %   reads late (p99) "
          f"{behind[0]:.1f} → {behind[1]:.1f} ms   memory {memory[0]:.0f} → {memory[1]:.0f} MB")  # fmt: skip
    return 0 if cost[1] - cost[0] <= MAY_COST and behind[1] - behind[0] < MAY_MOVE_MS else 1


if __name__ == "__main__":
    sys.exit(main())

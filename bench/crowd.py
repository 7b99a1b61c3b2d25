"""A thousand Modbus devices on one gateway, telemetry on; then ten with the troubles on which gateways differ.

    ./dev bench crowd [--devices 1000] [--seconds 20] [--only crowd|illegal|back|slow]

crowd:   1,000 devices of 120 registers at 1 s, each read told to a subscriber: values a second, core and memory of the
         whole daemon, and reads that came late or not at all.
illegal: one register of a block is illegal; how many of its 120 keep flowing.
back:    a device is away for 5 s; how long after its return its first value comes.
slow:    devices that take 20 ms to answer; their rate, and from their answer to the subscriber.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.rig import Mosquitto, Sink, answered_us, cpu_seconds, farm_config, quantile, rss_mb, verdict
from gateway.cli.children import Child, daemon, simulator

REGISTERS, TROUBLED, ILLEGAL, AWAY = 120, 10, 60, 5.0


class Site(NamedTuple):
    """What runs."""

    farm: Child
    gateway: Child
    sink: Sink

    def told(self, since: int, device: int) -> list[tuple[int, dict[str, Any]]]:
        """What the subscriber has got of `device` from message number `since` on."""
        return [one for one in self.sink.messages[since:] if one[1]["device"] == f"farm-{device}"]


@contextmanager
def site(devices: int, *options: str) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Mosquitto(folder)
        numbers = ("--devices", str(devices), "--registers", str(REGISTERS))
        farm, ready = simulator("farm", *numbers, *options, log=folder / "farm.log")
        sink = Sink(broker.port, "fieldgate/bench/telemetry/#")
        (folder / "state").mkdir()
        config = farm_config(folder, ready, broker.port)
        gateway = daemon(config, folder / "state", folder / "gateway.log")
        try:
            assert sink.wait_for(2 * devices, 60.0), gateway.last_words()
            yield Site(farm, gateway, sink)
        finally:
            for part in (gateway, farm, sink, broker):
                part.stop()


def crowd(devices: int, seconds: float) -> bool:
    with site(devices) as at:
        time.sleep(3.0)  # connecting is over
        pid, before = at.gateway.process.pid, len(at.sink.messages)
        spent, began = cpu_seconds(pid), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        cores, memory = (cpu_seconds(pid) - spent) / took, rss_mb(pid)
        messages = [message for _, message in at.sink.messages[before:]]
    values = sum(len(message["values"]) for message in messages) / took
    bad = sum("status" in message for message in messages)
    fewest = min(Counter(message["device"] for message in messages).values())
    print(f"crowd    {devices} devices: {values:.0f} values/s   {cores:.3f} core   {memory:.0f} MB   "
          f"{bad} bad   at least {fewest} reads of each device in {took:.0f} s")  # fmt: skip
    return (
        cores <= 0.35 and memory <= 250 and not bad and fewest >= int(took) - 1
    )  # one may lie across each end of the window


def illegal(seconds: float) -> bool:
    with site(TROUBLED) as at:
        at.farm.tell(f"illegal 3 {ILLEGAL}")
        time.sleep(5.0)
        before = len(at.sink.messages)
        time.sleep(seconds)
        mine = [message for _, message in at.told(before, 3)]
        others = [message for _, message in at.told(before, 4)]
    flowing = {sum(status == 0 for status in message.get("status", [0] * REGISTERS)) for message in mine}
    print(
        f"illegal  {sorted(flowing)} of {REGISTERS} registers flow, {len(mine)} reads of it, {len(others)} of its like"
    )
    return flowing == {REGISTERS - 1} and len(mine) >= len(others) - 1


def back(_seconds: float) -> bool:
    waits = []
    with site(TROUBLED) as at:
        for device in range(5):
            at.farm.tell(f"refuse {device} on")
            time.sleep(AWAY)
            before = len(at.sink.messages)
            at.farm.tell(f"refuse {device} off")
            began = time.time_ns()
            while not any("status" not in message for _, message in at.told(before, device)):
                assert time.time_ns() - began < 30e9, at.gateway.last_words()
                time.sleep(0.01)
            waits.append((time.time_ns() - began) / 1e9)
    print(
        f"back     first value {', '.join(f'{wait:.2f}' for wait in waits)} s after the return from {AWAY:.0f} s away"
    )
    return max(waits) <= 1.2


def slow(seconds: float) -> bool:
    with site(TROUBLED, "--delay", "20") as at:
        before = len(at.sink.messages)
        time.sleep(seconds)
        messages = at.sink.messages[before:]
    lag = [(got / 1000 - answered_us(message)) / 1000 for got, message in messages]
    rate = len(messages) / seconds / TROUBLED
    p50, p99 = quantile(lag, 0.5), quantile(lag, 0.99)
    print(f"slow     {100 * rate:.0f} % of the rate, answer to subscriber p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    return rate >= 0.95 and p50 <= 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", choices=("crowd", "illegal", "back", "slow"))
    args = parser.parse_args()
    runs: dict[str, Callable[[], bool]] = {
        "crowd": lambda: crowd(args.devices, args.seconds),
        "illegal": lambda: illegal(args.seconds),
        "back": lambda: back(args.seconds),
        "slow": lambda: slow(args.seconds),
    }
    return verdict(runs, args.only)


if __name__ == "__main__":
    sys.exit(main())

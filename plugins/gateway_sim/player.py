"""`player`: a recording, served row by row by OPC UA and Modbus TCP, at a pace of its own or at that of its reader."""

import argparse
import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from gateway_sim.points import Point
from gateway_sim.process import Console
from gateway_sim.recording import Recording, load
from gateway_sim.servers.pair import Pair, Ports, full_names
from gateway_sim.turns import Turns

ASSET: Final = "recording"
LINGER: Final = 0.2  # s between the last row's last answer and the end, so that the answer still goes out
_SPLITS: Final[Mapping[str, Callable[[int], int]]] = {
    "half": lambda n: (n + 1) // 2,
    "opcua": lambda n: n,
    "modbus": lambda _: 0,
}


class Player:
    """Shows one row after the other on a Pair. `every` is None in lock-step with the reader."""

    def __init__(self, recording: Recording, split: str, every: float | None, log: TextIO | None) -> None:
        points = [Point(name) for name in recording.names]
        self.pair = Pair(points, range(_SPLITS[split](len(points))))
        self.finished = asyncio.Event()
        self._recording, self._every, self._log = recording, every, log
        columns = {"opcua": self.pair.opcua_columns, "modbus": self.pair.modbus_columns}
        self.turns = Turns(len(recording), [side for side in columns if len(columns[side])], lockstep=every is None)
        self._stepped = time.time_ns()
        self._in_opcua = -1  # the row that the OPC UA server shows

    async def start(self, ports: Ports) -> None:
        """Open the servers with the first row on show."""
        self._show()
        await self.pair.start(ports)
        await self._catch_up()
        self.pair.opcua.before_read = self._catch_up
        last_node = len(self.pair.opcua_columns) - 1
        last_register = 2 * len(self.pair.modbus_columns) - 1
        self.pair.opcua.on_read = lambda read: self._hear("opcua", last=last_node in read)
        self.pair.modbus.on_read = lambda read: self._hear("modbus", last=last_register in read)

    async def play(self) -> None:
        """Go through the recording; returns when its last row is over."""
        if self._every is not None:
            await self._march(self._every)
        await self.finished.wait()
        await asyncio.sleep(LINGER)

    async def _march(self, every: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self.turns.done:
            due += every
            await asyncio.sleep(due - loop.time())
            self._step()
            await self._catch_up()

    def _hear(self, side: str, *, last: bool) -> None:
        """A side was read; it counts when its last tag was, however many requests the read was cut into."""
        if not last:
            return
        if self.turns.read(side) and self._log is not None:
            self._log.write(f"{self.turns.row},{time.time_ns()}\n")
            self._log.flush()
        if self.turns.over:
            self._step()

    def _step(self) -> None:
        self.turns.step()
        if self.turns.done:
            self._fall_silent()
            self.finished.set()
            return
        self._stepped = time.time_ns()
        self._show()

    def _fall_silent(self) -> None:
        """Answer nothing more: a read after the last row would give that row again."""
        self.pair.modbus.mute = True
        self.pair.opcua.before_read = asyncio.Event().wait

    def _show(self) -> None:
        row = self._recording.rows[self.turns.row]
        self.pair.modbus.show(row[self.pair.modbus_columns])

    async def _catch_up(self) -> None:
        """Bring the OPC UA side to the row that is on show: at the latest before it is read."""
        row = min(self.turns.row, self.turns.rows - 1)
        if row != self._in_opcua and len(self.pair.opcua_columns):
            self._in_opcua = row
            await self.pair.opcua.show(self._recording.rows[row][self.pair.opcua_columns], self._stepped)


def description(pair: Pair, recording: Recording) -> dict[str, Any]:
    """What the ready line tells: devices, and one asset with every tag."""
    devices = pair.describe()
    full = full_names(devices)
    return {
        "devices": devices,
        "assets": {ASSET: [full[name] for name in recording.names]},
        "rows": len(recording),
        "skipped": list(recording.skipped),
    }


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    with path.open("w", encoding="utf-8") as file:
        yield file


async def run(options: argparse.Namespace) -> None:
    """Serve until the last row is over, or until told to stop."""
    console = Console(keep=options.keep)
    recording = load(options.csv, options.columns, options.limit)
    with _opened(options.log) as log:
        player = Player(recording, options.split, options.pace, log)
        await player.start(Ports(options.opcua_port, options.modbus_port))
        try:
            console.open(description(player.pair, recording), {})
            await console.until_stopped(player.play())
            if player.turns.done:
                console.say({"done": True, "rows": len(recording)})
        finally:
            await player.pair.stop()

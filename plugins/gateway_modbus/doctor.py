"""`fieldgate doctor`: looks at one device, by reads only, and says how it wants to be asked and what its registers are.

In turn: does it answer, how fast may it be asked, who is it, what may be read and how much at once, what the values of
its tags are under every type and order, and whether it takes a second connection.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

from gateway.sdk import DisconnectedError
from gateway_modbus import identify
from gateway_modbus.addresses import DataTable
from gateway_modbus.config import ModbusDevice
from gateway_modbus.doctor_line import Line, words
from gateway_modbus.doctor_map import Map, explore, gaps
from gateway_modbus.doctor_pace import advised_pause, advised_timeout, needed_pause
from gateway_modbus.doctor_rank import WINDOW, Evidence, Reading, rank
from gateway_modbus.doctor_report import Findings, TagFinding
from gateway_modbus.faults import GOOD, SILENT
from gateway_modbus.plan import Block, Limits, Span, plan
from gateway_modbus.tag import ModbusTag

READS: Final = 8  # of each tag
BETWEEN: Final = 0.25  # s between two of them
REGISTERS, COILS = 125, 2000  # MODBUS Application Protocol V1.1b3 §6.1 to §6.4
PAGES: Final = 32  # of its identification
MODELS: Final = 100  # of SunSpec

Say = Callable[[str], None]


async def examine(config: ModbusDevice, siblings: Mapping[str, int], say: Say) -> Findings:
    """Look at the device with `config`.

    Args:
        config: of the device.
        siblings: units of the other devices on its line, by name.
        say: told what is under way.

    Raises:
        DisconnectedError: nobody is there at all.
    """
    doctor = _Doctor(config, siblings, say)
    try:
        return await doctor.run()
    finally:
        await doctor.line.close()


class _Doctor:
    """One examination."""

    def __init__(self, config: ModbusDevice, siblings: Mapping[str, int], say: Say) -> None:
        self.line = Line(config.endpoint)
        self._config, self._siblings, self._say = config, siblings, say
        self._found = Findings(config.device, config.connect)
        self._maps: dict[DataTable, Map] = {}
        first = next(iter(config.tags.values()))
        self._known = (first.at.table.function, first.at.number, first.span)  # a read that is harmless

    async def run(self) -> Findings:
        await self.line.open()
        await asyncio.sleep(self._config.connect_delay)
        if not await self._answers():
            await self._look_at_siblings()
            return self._found
        for words_, step in (
            ("how fast it may be asked", self._pace), ("who it is", self._identify), ("what may be read", self._map),
            ("what its registers are", self._rank), ("how many connections it takes", self._connections),
            ("who else is there", self._look_at_siblings),
        ):  # fmt: skip
            self._say(words_)
            await step()
        self._conclude()
        return self._found

    async def _answers(self) -> bool:
        """Whether the unit answers at all, be it by an exception of its own."""
        outcome, _ = await self.line.read(*self._known)
        if outcome in SILENT:
            await asyncio.sleep(1.0)
            outcome, _ = await self.line.read(*self._known)
        self._found.ok = outcome not in SILENT
        self._found.facts["unit"] = f"{self._config.endpoint.unit}: {words(outcome)}"
        return self._found.ok

    async def _pace(self) -> None:
        async def attempt(pause: float) -> int:
            self.line.delay = pause
            return (await self.line.read(*self._known))[0]

        needed = await needed_pause(attempt)
        if needed is None:
            self._found.facts["pause"] = "it leaves out answers whatever the pause"
            return
        self.line.delay = advised_pause(needed)
        self._found.facts["pause"] = f"needs {needed * 1e3:.0f} ms between requests" if needed else "needs none"
        if self.line.delay > self._config.delay:
            self._found.settings["delay"] = f"{self.line.delay * 1e3:.0f}ms"

    async def _identify(self) -> None:
        _, objects = await identify.everything(self.line.ask, PAGES)
        self._found.facts["identification"] = identify.named(objects) or "it does not say who it is"
        self._found.facts["sunspec"] = await self._sunspec()

    async def _sunspec(self) -> str:
        for base in identify.SUNSPEC_BASES:
            outcome, mark = await self.line.read(DataTable.HOLDING.function, base, 2)
            if outcome == GOOD and mark == identify.SUNSPEC_MARK:
                models = await self._models(base + 2)
                return f"at holding:{base}, models {', '.join(map(str, models))}"
        return "no"

    async def _models(self, at: int) -> list[int]:
        models: list[int] = []
        while len(models) < MODELS and at < 0xFFFF:  # noqa: PLR2004 - the last address of a table
            outcome, header = await self.line.read(DataTable.HOLDING.function, at, 2)
            found = identify.sunspec_model(header) if outcome == GOOD else None
            if found is None:
                break
            models.append(found[0])
            at += 2 + found[1]
        return models

    async def _map(self) -> None:
        for table, blocks in groupby(self._blocks(), key=attrgetter("table")):

            async def probe(start: int, count: int, function: int = table.function) -> int:
                return (await self.line.read(function, start, count))[0]

            most = COILS if table.bits else REGISTERS
            self._maps[table] = await explore(probe, table, list(blocks), most)
        holes = [str(hole) for found in self._maps.values() for hole in gaps(found.holes(), self._taken(found.table))]
        self._found.facts["largest block"] = {str(table): found.largest for table, found in self._maps.items()}
        self._found.facts["holes"] = holes or "none between the tags"
        if holes:
            self._found.settings["holes"] = [*map(str, self._config.holes), *holes]
        for name, tables in (("max_coils", _BITS), ("max_registers", _REGISTERS)):
            limits = [found.largest for table, found in self._maps.items() if table in tables and found.smallest]
            if limits and min(limits) < getattr(self._config, name):
                self._found.settings[name] = min(limits)

    def _blocks(self) -> list[Block]:
        tags = self._config.tags.values()
        spans = [Span(tag.at.table, tag.at.number, tag.span, index) for index, tag in enumerate(tags)]
        return plan(spans, Limits(REGISTERS, COILS, REGISTERS - 1, tuple(self._config.holes)))

    def _taken(self, table: DataTable) -> list[tuple[int, int]]:
        tags = self._config.tags.values()
        return [(tag.at.number, tag.at.number + tag.span) for tag in tags if tag.at.table is table]

    async def _rank(self) -> None:
        registers = {name: tag for name, tag in self._config.tags.items() if not tag.at.table.bits}
        windows = {name: await self._readable(tag, self._window(tag)) for name, tag in registers.items()}
        reads: dict[str, list[bytes]] = {name: [] for name in windows}
        for turn in range(READS):
            await asyncio.sleep(BETWEEN if turn else 0.0)
            for name, size in windows.items():
                at = self._config.tags[name].at
                outcome, data = await self.line.read(at.table.function, at.number, size) if size else (2, b"")
                reads[name] += [data] if outcome == GOOD else []
        self._found.tags = [self._finding(name, data) for name, data in reads.items()]

    def _window(self, tag: ModbusTag) -> int:
        """Registers that may belong to `tag`: up to the next one, and to the next hole."""
        start = tag.at.number
        bounds = [at for at, _ in self._taken(tag.at.table) if at > start]
        bounds += [hole.first for hole in self._maps[tag.at.table].holes() if hole.first >= start]
        return min([bound - start for bound in bounds] + [max(WINDOW, tag.length or 0)])

    async def _readable(self, tag: ModbusTag, size: int) -> int:
        """As many of them as can be read: nobody has asked yet for what lies behind the last tag."""
        while size and (await self.line.read(tag.at.table.function, tag.at.number, size))[0] != GOOD:
            size = size - 1 if size <= WINDOW else WINDOW
        return size

    def _finding(self, name: str, reads: Sequence[bytes]) -> TagFinding:
        tag = self._config.tags[name]
        readings: Sequence[Reading] = ()
        if reads:
            end = tag.at.number + len(reads[0]) // 2
            bounded = any(start == end for start, _ in self._taken(tag.at.table))
            readings = rank(Evidence(reads, tag.unit, tag.range, tag.scale, tag.offset, bounded))
        zeros = "it holds zeros only: nothing tells its type"
        trouble = ("" if any(map(any, reads)) else zeros) if reads else "it could not be read"
        return TagFinding(name, tag, readings, tag.coding(self._config.order), self._config.order, trouble)

    async def _connections(self) -> None:
        """Whether a second connection is served beside the first."""
        if self._config.endpoint.scheme not in ("tcp", "tls", "rtu+tcp", "ascii+tcp"):
            return
        second = Line(self._config.endpoint, self.line.delay, list(self.line.times))
        try:
            await second.open()
            outcome, _ = await second.read(*self._known)
            served = outcome not in SILENT and self.line.connected
        except DisconnectedError:
            served = False
        finally:
            await second.close()
        self._found.facts["connections"] = "two or more at once" if served else "one at a time"
        if not served and not self._config.connect_each:
            self._found.settings["connect_each"] = True

    async def _look_at_siblings(self) -> None:
        for name, unit in self._siblings.items():
            outcome, _ = await self.line.ask(_ONE_REGISTER, unit)
            self._found.facts[f"unit {unit} ({name})"] = words(outcome if outcome in SILENT else GOOD)

    def _conclude(self) -> None:
        timeout = advised_timeout(self.line.times)
        slowest = max(self.line.times, default=0.0)
        self._found.facts["slowest answer"] = f"{slowest * 1e3:.0f} ms of {len(self.line.times)}"
        if timeout != self._config.timeout:
            self._found.settings["timeout"] = f"{timeout * 1e3:.0f}ms" if timeout < 1 else f"{timeout:.0f}s"


_ONE_REGISTER: Final = bytes((3, 0, 0, 0, 1))
_BITS: Final = (DataTable.COIL, DataTable.DISCRETE)
_REGISTERS: Final = (DataTable.HOLDING, DataTable.INPUT)

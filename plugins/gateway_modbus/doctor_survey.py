"""A device of which nothing is known: which of its registers hold something, and where one value ends. Reads only.

What stands there is read a few times; from the lowest address on, each register that is not always 0 begins a value,
and the most plausible reading of it (`doctor_rank`) says where the next one begins.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from pydantic import ValidationError

from gateway.sdk import ConfigError
from gateway.sdk.browse import Visit
from gateway_modbus.addresses import DataTable, Stretch
from gateway_modbus.config import ModbusDevice
from gateway_modbus.doctor import examine
from gateway_modbus.doctor_line import Line
from gateway_modbus.doctor_map import Map, explore
from gateway_modbus.doctor_rank import WINDOW, Evidence, Reading, rank
from gateway_modbus.doctor_report import Findings
from gateway_modbus.faults import GOOD
from gateway_modbus.plan import Block, Span

READS: Final = 4
BETWEEN: Final = 0.3  # s
MOST: Final = 100  # registers of one request: many devices allow fewer than 125
MOST_TAGS: Final = 500

Found = dict[str, dict[str, Any]]
"""Options of tags as a person writes them, by name."""


def stretches(texts: Sequence[str]) -> list[Stretch]:
    """What is to be looked at. Raises ConfigError for what is no stretch of registers."""
    try:
        found = [Stretch.parse(text) for text in texts]
    except ValueError as error:
        raise ConfigError(f"--survey {error}") from error
    for one in found:
        if one.table.bits:
            raise ConfigError(f"--survey {one}: only registers can be surveyed, holding or input")
    return found


async def survey(line: Line, wanted: Sequence[Stretch]) -> Found:
    """The values that lie in `wanted`, as tags. Raises DisconnectedError."""
    found: Found = {}
    for table, parts in groupby(sorted(wanted), key=attrgetter("table")):

        async def probe(start: int, count: int, function: int = table.function) -> int:
            return (await line.read(function, start, count))[0]

        readable = await explore(probe, table, [block for part in parts for block in _blocks(part)], MOST)
        for start, end in readable.runs():
            reads = await _read(line, readable, start, end)
            for at, kind in values(reads):
                found[f"{table}_{start + at}"] = {"at": f"{table}:{start + at}", "type": kind}
    return dict(list(found.items())[:MOST_TAGS])


def values(reads: Sequence[bytes]) -> list[tuple[int, str]]:
    """Where values begin in registers that were read a few times, counted from the first, and their likeliest types."""
    found: list[tuple[int, str]] = []
    at, size = 0, min((len(read) // 2 for read in reads), default=0)
    while at < size:
        window = [read[2 * at : 2 * min(at + WINDOW, size)] for read in reads]
        if not any(read[0] or read[1] for read in window):
            at += 1
            continue
        coding = narrowest([one for one in rank(Evidence(window)) if _usual(one)])[0].coding
        found.append((at, coding.type))
        at += coding.registers
    return found


def _usual(reading: Reading) -> bool:
    """Whether it is worth a guess: two registers that stand still make a plausible number in some order of bytes."""
    return reading.coding.type != "string" and not reading.coding.order.startswith(("B", "D"))


def narrowest(readings: Sequence[Reading]) -> list[Reading]:
    """`readings`, before the first of them one that gives the same values with fewer registers.

    Behind a value of which nothing is known may lie empty registers as well as more of the value.
    """
    same = (one for one in readings if one.values == readings[0].values)
    best = min(same, key=lambda one: one.coding.registers)
    return [best, *(one for one in readings if one is not best)]


def _blocks(part: Stretch) -> list[Block]:
    """`part` in pieces of one request, each of registers that may be refused one by one."""
    ends = range(part.first, part.last + 1, MOST)
    pieces = [range(start, min(start + MOST, part.last + 1)) for start in ends]
    return [Block.over([Span(part.table, at, 1, at) for at in piece]) for piece in pieces]


async def _read(line: Line, readable: Map, start: int, end: int) -> list[bytes]:
    """All from `start` to before `end`, a few times; a time at which a part of it failed is left out."""
    reads = []
    for turn in range(READS):
        await asyncio.sleep(BETWEEN if turn else 0.0)
        parts = [
            await line.read(readable.table.function, at, min(readable.largest, end - at))
            for at in range(start, end, max(1, readable.largest))
        ]
        if all(outcome == GOOD for outcome, _ in parts):
            reads.append(b"".join(data for _, data in parts))
    return reads


async def examine_unknown(wanted: Visit, where: Sequence[str], say: Callable[[str], None]) -> Findings:
    """Look for the values of a device that no configuration names, then examine it as if a person had written them.

    Raises ConfigError for what cannot be looked at, and DisconnectedError where nobody is there.
    """
    parts = stretches(where)
    first = parts[0] if parts else Stretch(DataTable.HOLDING, 0, 0)
    config = _table(wanted, {"first": {"at": f"{first.table}:{first.first}"}})
    say("which registers hold something")
    line = Line(config.endpoint)
    try:
        await line.open()
        found = await survey(line, parts)
    finally:
        await line.close()
    findings = await examine(_table(wanted, found) if found else config, {}, say)
    findings.tags = [replace(tag, readings=narrowest(tag.readings)) if tag.readings else tag for tag in findings.tags]
    return findings


def _table(wanted: Visit, tags: Found) -> ModbusDevice:
    table = {"device": wanted.name, "adapter": "modbus", "connect": wanted.url, "tags": tags, **wanted.options}
    try:
        return ModbusDevice.model_validate(table)
    except ValidationError as error:
        reasons = (f"{'.'.join(map(str, one['loc'])) or wanted.url}: {one['msg']}" for one in error.errors())
        raise ConfigError("; ".join(reasons)) from None

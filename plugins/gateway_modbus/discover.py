"""What answers at an address over Modbus TCP: which units, who they say they are, and a device file for each.

By reads only, one request at a time: Read Device Identification, the models of SunSpec, and the first register.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final

from gateway.sdk import DisconnectedError
from gateway.sdk.discover import OPEN, REQUEST, Discovered, Pace, Place
from gateway_modbus import identify, pdu, sunspec
from gateway_modbus.addresses import DataTable
from gateway_modbus.doctor_line import Line
from gateway_modbus.endpoint import Endpoint
from gateway_modbus.faults import GOOD, SILENT

_PAGES: Final = 8  # of an identification
_MODELS: Final = 16
_LAST: Final = 0xFFFF
_HEADER: Final = 4  # bytes of a model's number and length
_COMMON: Final = 66  # registers of the common model, its header with it
_TYPES: Final = {
    DataTable.HOLDING: "uint16",
    DataTable.INPUT: "uint16",
    DataTable.COIL: "bool",
    DataTable.DISCRETE: "bool",
}


@dataclass
class _Look:
    """One address under examination. Every packet has the leave of `pace`."""

    place: Place
    pace: Pace
    line: Line

    async def ask(self, request: bytes, unit: int) -> tuple[int, bytes]:
        """As `Line.ask`."""
        if not self.line.connected:
            await self.pace.spend(OPEN)
        await self.pace.spend(REQUEST)
        return await self.line.ask(request, unit)

    async def registers(self, unit: int, start: int, count: int, function: int = 3) -> bytes:
        """What `count` of them hold; nothing where they cannot be read."""
        count = min(count, _LAST + 1 - start)
        outcome, payload = await self.ask(pdu.read(function, start, count), unit)
        return payload[1:] if outcome == GOOD and len(payload) > 1 else b""


async def discover(place: Place, pace: Pace) -> AsyncGenerator[Discovered, None]:
    """As `gateway.sdk.discover.Discovers`."""
    endpoint = Endpoint(place.host, place.port, place.units[0])
    look = _Look(place, pace, Line(endpoint))
    await pace.spend(OPEN)
    try:
        await look.line.open()
    except DisconnectedError as error:
        if isinstance(error.__cause__, ConnectionRefusedError):
            yield Discovered(_url(place, None), remark="nothing listens here", listening=False)
        return
    found = 0
    try:
        for unit in place.units:
            if (one := await _unit(look, unit)) is not None:
                found += 1
                yield one
        if not found:
            yield Discovered(_url(place, None), remark="takes connections and answers none of the units asked")
    except DisconnectedError as error:
        yield Discovered(_url(place, None), remark=f"takes connections and is no Modbus device, or full: {error}")
    finally:
        await look.line.close()


async def _unit(look: _Look, unit: int) -> Discovered | None:
    """One unit, if it answers at all; an exception is an answer."""
    says = await _identification(look, unit)
    if says is None:
        return None
    if (base := await _sunspec(look, unit)) is not None:
        return await _models(look, unit, base, says)
    tag, where = await _first(look, unit), _url(look.place, unit)
    remark = f"what its registers mean it does not say: see its manual, or fieldgate doctor '{where}' --survey"
    if tag is None:
        return Discovered(where, "Modbus unit", says, remark)
    return Discovered(where, "Modbus unit", says, remark, _file(look.place, unit, {"first": tag}))


async def _identification(look: _Look, unit: int) -> dict[str, str] | None:
    """Who it says it is: nothing where it does not say; None where nobody answers."""
    outcome, objects = await identify.everything(lambda pdu: look.ask(pdu, unit), _PAGES)
    if outcome in SILENT and not await _alive(look, unit, outcome):
        return None
    return identify.named(objects)


async def _alive(look: _Look, unit: int, outcome: int) -> bool:
    """Some devices are silent on functions that they do not know: ask for a register, unless a gateway has said no."""
    if outcome in (10, 11):
        return False
    return (await look.ask(pdu.read(DataTable.HOLDING.function, 0, 1), unit))[0] not in SILENT


async def _sunspec(look: _Look, unit: int) -> int | None:
    """Where its models begin."""
    for base in identify.SUNSPEC_BASES:
        if await look.registers(unit, base, 2) == identify.SUNSPEC_MARK:
            return base + 2
    return None


async def _models(look: _Look, unit: int, at: int, says: dict[str, str]) -> Discovered:
    """Walk the chain of models; those that are known become tags."""
    tags: dict[str, dict[str, Any]] = {}
    kinds: list[str] = []
    models: list[int] = []
    while len(models) < _MODELS and at < _LAST:
        header = await look.registers(unit, at, 2)
        found = identify.sunspec_model(header) if len(header) == _HEADER else None
        if found is None:
            break
        model, length = found
        models.append(model)
        if model == sunspec.COMMON or sunspec.kind(model):
            held = await look.registers(unit, at, min(length + 2, _COMMON))
            says = says | sunspec.common(held) if model == sunspec.COMMON else says
            tags = tags or sunspec.tags(model, at, held)
            kinds += [sunspec.kind(model)] if sunspec.kind(model) else []
        at += 2 + length
    kind = f"SunSpec {kinds[0] if kinds else 'device'}"
    remark = f"models {', '.join(map(str, models)) or 'none'}"
    device = _file(look.place, unit, tags) if tags else None
    return Discovered(_url(look.place, unit), kind, says, remark, device)


async def _first(look: _Look, unit: int) -> dict[str, str] | None:
    """A tag that can be read, so that the device file can be tried."""
    for table, kind in _TYPES.items():
        if await look.registers(unit, 0, 1, table.function):
            return {"at": f"{table.name.lower()}:0", "type": kind}
    return None


def _url(place: Place, unit: int | None) -> str:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"tcp://{host}:{place.port}" + (f"?unit={unit}" if unit is not None else "")


def _file(place: Place, unit: int, tags: dict[str, Any]) -> dict[str, Any]:
    return {"adapter": "modbus", "connect": _url(place, unit), "every": "1s", "tags": tags}

"""Writing one tag: judged first, sent by the function code that fits, then read back.

A part of a register is changed by mask write (22), which no other writer can come between. Where `write_function` asks
for another one, the register is read, changed and written back.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import numpy as np

from gateway.sdk import DisconnectedError, Tag, Value, WriteRefusedError, Written, check_range
from gateway_modbus import pdu
from gateway_modbus.coding import part_mask, touched
from gateway_modbus.config import ModbusDevice
from gateway_modbus.decode import Decoder, Place
from gateway_modbus.encode import encode
from gateway_modbus.faults import GOOD, SHORT, TIMEOUT
from gateway_modbus.tag import MASK_WRITE, ModbusTag, write_functions

NO_FUNCTION: Final = 1
_INSTEAD: Final = {pdu.WRITE_COIL: pdu.WRITE_COILS, pdu.WRITE_REGISTER: pdu.WRITE_REGISTERS}
_IN_DOUBT: Final = frozenset({4, 5, SHORT})  # failed on the way, or goes on working: what it holds then tells
_REASONS: Final = {
    1: "it does not know function {function}; set write_function",
    2: "it has no such address, or does not let it be written",
    3: "it does not take this value",
    6: "it is busy",
    8: "its memory is at fault",
    10: "its gateway has no path to it",
    11: "its gateway gets no answer from it",
}


Ask = Callable[[bytes], Awaitable[tuple[int, bytes]]]
"""Send a PDU to the device in its turn: → (outcome (`faults`), of a good one the answer behind its function code)."""


async def write(ask: Ask, config: ModbusDevice, tag: Tag, value: Value) -> Written:
    """Write `tag` of the device with `config`, and read it back.

    Args:
        ask: the line to the device.
        config: of the device.
        tag: one of its tags.
        value: raw, as on the wire; of an enumeration its text will do.

    Raises:
        WriteRefusedError: nothing was changed.
        DisconnectedError: no answer; whether the device took the value is not known.
    """
    return await _Write(ask, config, tag, value).run()


class _Write:
    """One write under way."""

    def __init__(self, ask: Ask, config: ModbusDevice, tag: Tag, value: Value) -> None:
        if not isinstance(tag.config, ModbusTag) or not tag.config.writable:
            raise WriteRefusedError(f"{tag.name} is not writable; `write` in its table allows it")
        self._send_pdu, self._config, self._row, self._value = ask, config, tag, value
        self._tag = tag.config
        self._coding = self._tag.coding(config.order)
        check_range(self._tag, value)
        self._wire = encode(self._coding, value)

    async def run(self) -> Written:
        function = self._tag.write_function or write_functions(self._tag)[0]
        outcome, payload = await self._send(function)
        if outcome == NO_FUNCTION and self._tag.write_function is None and function in _INSTEAD:
            function = _INSTEAD[function]
            outcome, payload = await self._send(function)
        if outcome != GOOD and outcome not in _IN_DOUBT:
            why = _REASONS.get(outcome, f"exception {outcome}").format(function=function)
            raise WriteRefusedError(f"{self._row.name}: the device refuses: {why}")
        held = payload[1:] if outcome == GOOD and function == pdu.READ_WRITE else await self._read()
        return Written(self._row, self._value, self._decoded(held))

    async def _send(self, function: int) -> tuple[int, bytes]:
        """Ask for the write. The outcome, and the answer behind its function code."""
        at = self._tag.at.number
        if self._tag.at.table.bits:
            return await self._ask(pdu.write_coil(function, at, on=self._wire == b"\1"))
        if function == MASK_WRITE:
            place = touched(self._coding)[0]
            mask, bits = (_register(data, place) for data in (part_mask(self._coding), self._wire))
            return await self._ask(pdu.mask_write(at + place, mask, bits))
        return await self._ask(pdu.write_registers(function, at, await self._whole()))

    async def _whole(self) -> bytes:
        """Its registers as they are to be: where it is a part of them, the rest as it is now."""
        if not self._coding.partial:
            return self._wire
        held = await self._read()
        if held is None:
            raise WriteRefusedError(f"{self._row.name}: its register cannot be read, so no part of it is written")
        mask = part_mask(self._coding)
        return bytes(old & ~bits | new for old, bits, new in zip(held, mask, self._wire, strict=True))

    async def _read(self) -> bytes | None:
        """What the device holds there now; None where it does not say."""
        table, count = self._tag.at.table, self._tag.span
        outcome, payload = await self._ask(pdu.read(table.function, self._tag.at.number, count))
        size = 1 if table.bits else 2 * count
        if outcome != GOOD or len(payload) != 1 + size or payload[0] != size:
            return None
        return bytes([payload[1] & 1]) if table.bits else payload[1:]

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        outcome, payload = await self._send_pdu(request)
        if outcome == TIMEOUT:
            within = f"{self._config.timeout:g} s"
            raise DisconnectedError(f"no answer within {within}; what {self._row.name} holds is not known")
        return outcome, payload

    def _decoded(self, held: bytes | None) -> Value | None:
        if held is None or len(held) != max(1, 2 * self._coding.registers):
            return None
        raw = np.frombuffer(held, np.uint8)[np.newaxis]
        values, other = Decoder([Place(0, self._coding)])(raw)
        number = float(values[0, 0])
        beside = other.get((0, 0))
        return (
            number if beside is None or (isinstance(beside, str) and isinstance(self._value, float | int)) else beside
        )


def _register(data: bytes, place: int) -> int:
    return int.from_bytes(data[2 * place : 2 * place + 2], "big")

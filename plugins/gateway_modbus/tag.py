"""What a person may write for a tag of a Modbus device, and what cannot be."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from gateway.sdk import TagConfig
from gateway_modbus.addresses import LAST, Address, DataTable, parse
from gateway_modbus.coding import BYTES, INTEGERS, UNSIGNED, AnyOrder, Coding, Order, Type, spelt, touched

At = Annotated[
    Address,
    BeforeValidator(parse),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["holding:100", "coil:5", 40103, "400103"]}),
]
MASK_WRITE: Final = 22
WriteFunction = Literal[5, 6, 15, 16, 22, 23]
_INTEGER: Final = re.compile(r"\s*(-?[0-9]+|0[xX][0-9A-Fa-f]+)\s*")


def _numbered(value: Any) -> Any:
    """The keys of an enumeration as numbers; a file has them as text."""
    if not isinstance(value, Mapping):
        return value
    wrong = [key for key in value if isinstance(key, str) and not _INTEGER.fullmatch(key)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no whole number: write {{0: stopped, 1: running}}")
    return {int(key, 0) if isinstance(key, str) else key: text for key, text in value.items()}


Texts = Annotated[Mapping[int, str], BeforeValidator(_numbered), Field(min_length=1)]


class ModbusTag(TagConfig):
    """One tag of a Modbus device."""

    at: At
    """Where it is: holding:100, input:0, coil:5, discrete:7 (zero-based), or 5 or 6 digits as in manuals (40101)."""
    type: Type | None = None
    """How it is coded: uint16 for registers and bool for coils and discrete inputs unless set."""
    order: AnyOrder | None = None
    """Order of its bytes on the wire, A the most significant; the device's own unless set."""
    bit: int | None = Field(default=None, ge=0, le=63)
    """The one bit of an unsigned integer that it is, 0 the least significant."""
    mask: int | None = Field(default=None, gt=0)
    """The bits of an unsigned integer that it is, as in 0x0FF0; they are shifted down to the lowest."""
    byte: Literal["low", "high"] | None = None
    """Which byte of its register a uint8 or int8 is; the low one unless set."""
    length: int | None = Field(default=None, ge=1, le=125)
    """Registers of a string, two characters each."""
    enum: Texts | None = None
    """The text of each number: {0: stopped, 1: running}."""
    write_function: WriteFunction | None = None
    """Function code of its writes; unless set 5 for a coil, 6 for a register, 16 for several, 22 for a part of one."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for problem in (_table_problem(self), _type_problem(self), _order_problem(self), _write_problem(self)):
            if problem:
                raise ValueError(problem)
        if self.at.number + self.span > LAST + 1:
            raise ValueError(f"{self.at} as {self.kind} runs beyond {LAST}, the last address of a table")
        return self

    @property
    def kind(self) -> Type:
        """The type, resolved; that of the registers where the tag is one bit of them."""
        if self.at.table.bits:
            return self.type or "bool"
        return "uint16" if self.type is None or self.picks_bit else self.type

    def number(self, text: str) -> float | None:
        """The number that `text` stands for in its enumeration."""
        return next((number for number, known in (self.enum or {}).items() if known == text), None)

    @property
    def datatype(self) -> str:
        """What its value is: a decimal number is a whole one, half a float is one, a named number is a text."""
        if self.enum is not None:
            return "string"
        plain = {"bcd16": "uint16", "bcd32": "uint32", "float16": "float32"}
        return "bool" if self.picks_bit else plain.get(self.kind, self.kind)

    @property
    def picks_bit(self) -> bool:
        """Whether it is a bool that a register holds as one of its bits."""
        return self.type == "bool" and self.bit is not None

    @property
    def span(self) -> int:
        """Elements of its table that it takes: registers, or one bit."""
        return self.coding("ABCD").registers or 1

    def coding(self, order: Order) -> Coding:
        """How it is coded, on a device whose values come in `order`."""
        return Coding(
            type=self.kind,
            order=self.order or order,
            mask=(self.mask or 0) if self.bit is None else 1 << self.bit,
            high=self.byte == "high",
            length=self.length or 0,
            texts=tuple((self.enum or {}).items()),
        )


def _table_problem(tag: ModbusTag) -> str:
    if tag.at.table.bits:
        apart = [name for name in ("bit", "mask", "byte", "length") if getattr(tag, name) is not None]
        if tag.kind != "bool":
            return f"{tag.at} as {tag.kind}: a {tag.at.table} is always bool"
        return f"{apart[0]}: a {tag.at.table} is one bit, and has no parts" if apart else ""
    if tag.kind == "bool":
        return f"{tag.at} as bool: a {tag.at.table} holds registers, not bool: read uint16, name its bit, or use a coil"
    return ""


def _type_problem(tag: ModbusTag) -> str:
    """What does not go together with its type; "" when all does."""
    coding = tag.coding("ABCD")
    rules = (
        (tag.kind == "string" and tag.length is None, "a string needs its length in registers, two characters each"),
        (tag.length is not None and tag.kind != "string", f"length: is of a string, not of {tag.kind}"),
        (tag.kind == "string" and (tag.scale, tag.offset) != (1, 0), "scale and offset: a string is no number"),
        (tag.byte is not None and tag.kind not in BYTES, f"byte: is of uint8 and int8, not of {tag.kind}"),
        (tag.bit is not None and tag.mask is not None, "bit and mask: one of them; a bit is a mask of one"),
        (bool(coding.mask) and tag.kind not in UNSIGNED, f"bit and mask: of uint16, uint32, uint64, not of {tag.kind}"),
        (coding.mask >> 16 * (coding.registers or 4) != 0, f"bit or mask: is beyond the bits of {tag.kind}"),
        (bool(tag.enum) and tag.kind not in INTEGERS | {"bool"}, f"enum: is of whole numbers, not of {tag.kind}"),
    )
    return next((message for wrong, message in rules if wrong), "")


def _order_problem(tag: ModbusTag) -> str:
    if tag.order is None or tag.at.table.bits:
        return ""
    try:
        spelt(tag.order, 1 if tag.kind == "string" else tag.span)
    except ValueError as error:
        return str(error)
    return ""


def _write_problem(tag: ModbusTag) -> str:
    """Why it cannot be written as it says."""
    if not tag.writable:
        return "" if tag.write_function is None else "write_function: without `write` nothing is written"
    if tag.at.table not in (DataTable.COIL, DataTable.HOLDING):
        return f"write: a {tag.at.table} is only ever read; coils and holding registers are written"
    allowed = write_functions(tag)
    if tag.write_function is None and tag.coding("ABCD").partial and allowed[0] != MASK_WRITE:
        return f"write: mask write reaches one register; write_function: {allowed[0]} reads, changes and writes all"
    if tag.write_function is None or tag.write_function in allowed:
        return ""
    return f"write_function: {tag.at} as {tag.kind} is written by {', '.join(map(str, allowed))}"


def write_functions(tag: ModbusTag) -> tuple[int, ...]:
    """The function codes that can write it, the usual one first (MODBUS Application Protocol V1.1b3 §6)."""
    if tag.at.table.bits:
        return 5, 15
    coding = tag.coding("ABCD")
    whole = (6, 16, 23) if coding.registers == 1 else (16, 23)
    return (MASK_WRITE, *whole) if coding.partial and len(touched(coding)) == 1 else whole

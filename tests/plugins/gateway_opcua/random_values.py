"""Random values of every type that OPC UA has, as asyncua's objects; structures are the makers' own of `values.xml`."""

import datetime as dt
import itertools
import random
import struct
import uuid
from collections.abc import Callable
from typing import Any, Final

from asyncua import ua
from asyncua.ua import VariantType as Kind

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MEMBERS: Final = ("Weight", "Pieces", "Inner")  # of the union Choice
STATUSES: Final = (0, 0, 0, 0, 0, 0, 0x40930000, 0x00A60000, 0x808C0000)  # good more often than not
BITS: Final = {Kind.SByte: -8, Kind.Byte: 8, Kind.Int16: -16, Kind.UInt16: 16, Kind.Int32: -32, Kind.UInt32: 32,
               Kind.Int64: -64, Kind.UInt64: 64}  # fmt: skip
NUMBERS: Final = (Kind.Boolean, *BITS, Kind.Float, Kind.Double, Kind.DateTime)


class Random:
    """Draws values of every type; `made` are the makers' own."""

    def __init__(self, seed: str, made: dict[str, Any]) -> None:
        self._draw, self._made = random.Random(seed), made
        self._within = False  # a structure
        self._kinds: dict[Kind, Callable[[], Any]] = {
            Kind.Boolean: lambda: self._draw.random() < 0.5,
            Kind.Float: lambda: struct.unpack("<f", struct.pack("<f", self._real(1e30)))[0],
            Kind.Double: lambda: self._real(1e300),
            Kind.String: self._text,
            Kind.DateTime: self.time,
            Kind.Guid: lambda: uuid.UUID(int=self._draw.getrandbits(128)),
            Kind.ByteString: self._bytes,
            Kind.XmlElement: lambda: ua.XmlElement(ua.String(f"<a>{self._draw.randrange(99)}</a>")),
            Kind.NodeId: self._node,
            Kind.ExpandedNodeId: self._expanded,
            Kind.StatusCode: lambda: ua.StatusCode(ua.UInt32(self._draw.choice(STATUSES))),
            Kind.QualifiedName: lambda: ua.QualifiedName(self._text() or "", self._draw.randrange(9)),
            Kind.LocalizedText: lambda: ua.LocalizedText(self._text(), self._draw.choice([None, "de", "zh-CN"])),
            Kind.ExtensionObject: self._structure,
            Kind.DiagnosticInfo: lambda: ua.DiagnosticInfo(
                SymbolicId=ua.Int32(self._draw.randrange(99)), AdditionalInfo=self._text()
            ),
            Kind.DataValue: lambda: self.value(depth=1),
            Kind.Variant: lambda: self.variant(depth=1),
        } | {kind: lambda bits=bits: self._integer(bits) for kind, bits in BITS.items()}

    def values(self, count: int, how: str) -> list[ua.DataValue]:
        """`any`: whatever there is; `steady`: a number each, its type and status by its place; `alike`: of one type."""
        if how == "any":
            return [self.value() for _ in range(count)]
        one = self._draw.choice(NUMBERS)
        kinds = NUMBERS if how == "steady" else (one,)
        statuses = STATUSES if how == "steady" else (0,)
        return [
            self._dated(ua.Variant(self._kinds[kind](), kind), statuses[number % len(statuses)])
            for number, kind in zip(range(count), itertools.cycle(kinds), strict=False)
        ]

    def value(self, depth: int = 0) -> ua.DataValue:
        """Of any type, good, uncertain or bad, with a source time."""
        return self._dated(self.variant(depth), self._draw.choice(STATUSES))

    def _dated(self, variant: ua.Variant, status: int) -> ua.DataValue:
        return ua.DataValue(variant, ua.StatusCode(ua.UInt32(status)), self.time())

    def variant(self, depth: int = 0) -> ua.Variant:
        """One value, an array or a matrix; beyond some depth nothing that holds others."""
        kinds = [kind for kind in self._kinds if not depth or kind not in (Kind.DataValue, Kind.Variant)]
        kind = self._draw.choice(kinds)
        form = 1 if kind is Kind.Variant and self._draw.random() < 0.5 else self._draw.choice([0, 0, 1, 2, 3])
        if kind is Kind.Variant and form == 0:
            form = 1  # a Variant holds another one in an array only (Part 6 §5.2.2.16)
        if form == 0:
            return ua.Variant(self._kinds[kind](), kind)
        if form == 1:
            return ua.Variant([self._kinds[kind]() for _ in range(self._draw.randrange(6))], kind, is_array=True)
        sizes = [ua.Int32(self._draw.randint(1, 3)) for _ in range(form)]
        return ua.Variant(self._matrix(kind, sizes), kind, Dimensions=sizes, is_array=True)

    def _matrix(self, kind: Kind, sizes: list[ua.Int32]) -> Any:
        return [self._matrix(kind, sizes[1:]) for _ in range(sizes[0])] if sizes else self._kinds[kind]()

    def time(self) -> Any:
        """To the microsecond, as asyncua has it; between 2001 and 2096."""
        return EPOCH + dt.timedelta(microseconds=self._draw.randrange(10**15, 4 * 10**15))

    def _real(self, size: float) -> Any:
        return self._draw.choice([0.0, 0.1, -1.5, float("inf"), float("nan"), self._draw.uniform(-size, size)])

    def _integer(self, bits: int) -> Any:
        low, high = (-(2 ** (-bits - 1)), 2 ** (-bits - 1) - 1) if bits < 0 else (0, 2**bits - 1)
        near = [value for value in (2**53 - 1, 2**53, 2**53 + 1) if value <= high]
        return self._draw.choice([low, high, self._draw.randint(low, high), *near])

    def _text(self) -> Any:
        return self._draw.choice([*self._empty(""), "warm", "Öfen 炉 🔥", "x" * self._draw.randint(1, 300)])

    def _bytes(self) -> Any:
        return self._draw.choice([*self._empty(b""), self._draw.randbytes(self._draw.randint(1, 40))])

    def _empty(self, empty: Any) -> list[Any]:
        """Null and empty; in structures neither, for node-opcua makes the one of the other when it looks into them."""
        return [] if self._within else [None, empty]

    def _node(self) -> ua.NodeId:
        name: Any = self._draw.choice([7, 70_000, "Öfen", uuid.UUID(int=self._draw.getrandbits(128)), b"\x00\xff"])
        return ua.NodeId(name, ua.Int16(self._draw.randrange(5)))

    def _expanded(self) -> ua.ExpandedNodeId:
        return ua.ExpandedNodeId(ua.Int32(self._draw.randrange(10**6)), ua.Int16(self._draw.randrange(5)))

    # --- structures ---

    def _structure(self) -> Any:
        self._within = True
        made = self._draw.choice((self._whole, self._inner, self._choice, self._scalars, self._range))()
        self._within = False
        return made

    def _range(self) -> Any:
        """One of the standard's own."""
        return ua.Range(Low=self._real(9.0), High=self._real(9.0))

    def _inner(self) -> Any:
        limits = [self._real(1e9) for _ in range(self._draw.randrange(4))]
        return self._made["Inner"](
            Number=self._integer(16), Level=self._level(), Note=self._draw.choice([None, self._text()]), Limits=limits,
            Wide=self._draw.choice([None, self._integer(-64)]),
        )  # fmt: skip

    def _level(self) -> Any:
        return self._draw.choice(list(self._made["Level"]))

    def _choice(self) -> Any:
        chosen = self._made["Choice"]()
        name = self._draw.choice(MEMBERS)
        drawn = {"Weight": lambda: self._real(1e9), "Pieces": lambda: self._integer(-32), "Inner": self._inner}
        setattr(chosen, name, drawn[name]())
        return chosen

    def _scalars(self) -> Any:
        simple = [kind for kind in self._kinds if kind.value < Kind.ExtensionObject.value]
        return self._made["Scalars"](**{kind.name: self._kinds[kind]() for kind in simple})

    def _whole(self) -> Any:
        many = range(self._draw.randrange(4))
        return self._made["Whole"](
            Inner=self._inner(), Inners=[self._inner() for _ in many], Choice=self._choice(),
            Choices=[self._choice() for _ in many], Levels=[self._level() for _ in many], Scalars=self._scalars(),
            Long=[self._integer(64) for _ in many], Words=[self._text() for _ in many],
        )  # fmt: skip

"""modpoll (gavinying/modpoll): CSV lines `device`, `poll` and `ref`.

modpoll/modbus_task.py. Traps: addresses go to the wire as they are written, 40001 too; the first half of BE_LE is the
order of bytes, the second that of words, and whatever is no known word is BE_LE; a `bool` is eight coils, one value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.importing import modbus
from gateway.importing.asked import Asked
from gateway.importing.foreign import Foreign
from gateway.importing.found import Found
from gateway.importing.report import Report

EVERY: Final = "10s"  # --rate where it is not given
_OBJECTS: Final = {"coil": 2000, "discrete_input": 2000, "holding_register": 123, "input_register": 123}  # at most
_TABLES: Final = {
    "coil": "coil",
    "discrete_input": "discrete",
    "holding_register": "holding",
    "input_register": "input",
}
_TYPES: Final = {
    **{f"{sign}int{bits}": bits // 16 for sign in ("", "u") for bits in (16, 32, 64)},
    "float16": 1, "float32": 2, "float64": 4,
}  # fmt: skip
_ORDERS: Final = {"be_be": (False, False), "le_be": (True, False), "le_le": (True, True)}
_BYTE: Final = 8


@dataclass(slots=True)
class _Poll:
    """One block, and where modpoll's decoder stands in it."""

    table: str
    start: int
    size: int
    order: str
    at: int


class _Reader:
    """One file, line by line."""

    def __init__(self, file: Foreign, asked: Asked, report: Report) -> None:
        self._file, self._report = file, report
        self._connect = asked.where(file.name)
        self.found: list[Found] = []
        self._device: Found | None = None
        self._poll: _Poll | None = None

    def line(self, number: int, cells: list[str]) -> None:
        """One line; a comment is none."""
        place, word = self._file.place((number,)), cells[0].lower()
        verbs = {"device": self._begin, "poll": self._block, "ref": self._ref}
        if word.startswith("#"):
            return
        if word not in verbs:
            self._report.lost(place, f"{word[:40]} is neither device nor poll nor ref")
            return
        try:
            verbs[word](place, [*cells[1:], "", "", "", "", "", ""])
        except ValueError:
            self._report.lost(place, "a number is missing")

    def _begin(self, place: str, cells: list[str]) -> None:
        options = {"connect": modbus.with_unit(self._connect, int(cells[1])), "every": EVERY}
        self._device, self._poll = Found(cells[0], "modbus", place, options), None
        self.found.append(self._device)

    def _block(self, place: str, cells: list[str]) -> None:
        self._poll = None
        kind, start, size, endian = cells[0].lower(), int(cells[1]), int(cells[2]), cells[3].lower()
        if kind not in _TABLES or size > _OBJECTS[kind] or self._device is None:
            self._report.lost(place, f"{kind} from {start}, {size}: modpoll does not read it either")
            return
        if endian not in (*_ORDERS, "be_le"):
            self._report.changed(place, f"the order {endian or '(none)'} is read as BE_LE there, and here")
        bytes_, words = _ORDERS.get(endian, (False, True))
        order = modbus.order(bytes_swapped=bytes_, words_swapped=words)
        self._poll = _Poll(_TABLES[kind], start, size, order, start)

    def _ref(self, place: str, cells: list[str]) -> None:
        name, address, kind, access = cells[0].replace(" ", "_"), int(cells[1]), cells[2].lower() or "uint16", cells[3]
        poll, device = self._poll, self._device
        if poll is None or device is None or not poll.start <= address < poll.start + poll.size:
            self._report.lost(place, f"{name}: outside of what is polled; modpoll does not read it either")
            return
        if access and "r" not in access.lower():
            self._report.lost(place, f"{name}: can only be written there; a tag here is read")
            return
        if "w" in access.lower():
            self._report.changed(place, modbus.WRITES_OFF)
        scale = float(cells[5]) if cells[5] else 1.0
        tag = {"unit": cells[4], "scale": scale if scale not in (0, 1) else None}
        if poll.table in ("coil", "discrete"):
            self._coils(place, name, address, kind)
        else:
            self._register(place, name, address, kind, tag)

    def _register(self, place: str, name: str, address: int, kind: str, tag: dict[str, Any]) -> None:
        assert self._poll is not None and self._device is not None  # noqa: S101, PT018 - `_ref` has looked
        coded, width = _coded(kind)
        if not coded:
            self._report.lost(place, f"{name}: a list of bits; take a uint16, or a tag with `bit` for each")
            return
        if address < self._poll.at:
            self._report.changed(
                place, f"modpoll would read it at {self._poll.at}, behind the one before; here as written"
            )
        self._poll.at = max(self._poll.at, address) + width
        if kind.startswith("string"):
            self._report.changed(
                place, f"{name}: modpoll's versions differ in the length of a string; here {width} registers"
            )
        order = "ABCD" if kind.startswith("string") else self._poll.order
        self._device.add(place, {"at": f"{self._poll.table}:{address}", **coded, "order": order, **tag}, name)

    def _coils(self, place: str, name: str, address: int, kind: str) -> None:
        """A bool is a byte of the answer: modpoll counts bytes as addresses, and lists the last coil first."""
        assert self._poll is not None and self._device is not None  # noqa: S101, PT018 - `_ref` has looked
        if kind not in ("bool", "bool8"):
            self._report.lost(place, f"{name}: coils as {kind}; take a tag for each coil")
            return
        first = self._poll.start + _BYTE * (address - self._poll.start)
        end = min(first + _BYTE, self._poll.start + self._poll.size)
        self._report.changed(place, f"{name}: a list of coils there; here a tag for each, {name}_0 the first coil")
        for coil in range(first, end):
            self._device.add(place, {"at": f"{self._poll.table}:{coil}"}, f"{name}_{coil - first}")


def read(files: Sequence[Foreign], asked: Asked, report: Report) -> list[Found]:
    """The devices of all files."""
    found: list[Found] = []
    for file in files:
        reader = _Reader(file, asked, report)
        for number, cells in file.rows():
            reader.line(number, cells)
        report.changed(file.name, f"the period stands on modpoll's command line (--rate); here it is {EVERY}")
        found += reader.found
    return found


def _coded(kind: str) -> tuple[dict[str, Any], int]:
    """Type and width in registers; nothing where there is no such thing here."""
    if kind in _TYPES:
        return {"type": kind}, _TYPES[kind]
    if kind.startswith("string"):
        length = max(1, int(kind[6:9] or 2) // 2)
        return {"type": "string", "length": length}, length
    return {}, 1

"""A batch of readings as Sparkplug metrics, by columns: the parts that change are written for all rows at once.

Only texts are written one by one.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.deliver.sparkplug.catalog import LONG as LONG_TYPES
from gateway.deliver.sparkplug.catalog import QUALITY_STALE, Catalog, fit
from gateway.deliver.sparkplug.forms import (
    ALIAS,
    CODE,
    DOUBTFUL,
    GOOD,
    IN_INT,
    INT,
    LONG,
    NULL,
    TIME,
    Bytes,
    Form,
    form,
    padded,
)
from gateway.deliver.sparkplug.wire import Datatype, Property, bytes_field, number_field, property_set, value_field
from gateway.sdk.quality import BAD
from gateway.stages.condition import Readings

_MS: Final = 1_000_000
_SETS: Final = 1024  # sets of rows whose blanks are kept
_SIGNED: Final = (-(2.0**63), 2.0**63 - 2**10)  # the doubles that 64 bits hold
_UNSIGNED: Final = (0.0, 2.0**64 - 2**11)


class Blank(NamedTuple):
    """Metrics of one datatype, good, with their aliases: time and value are filled in."""

    datatype: int
    places: NDArray[np.intp] | None  # among the rows; None: all of them
    shape: Form
    block: Bytes


class Encoder:
    """Writes the metrics of one catalog.

    Args:
        catalog: of the tags.
        told: name the datatype in each metric.
    """

    def __init__(self, catalog: Catalog, *, told: bool = False) -> None:
        self._catalog, self._told = catalog, told
        self._blanks: OrderedDict[bytes, list[Blank]] = OrderedDict()
        self._of = catalog.fingerprint

    def __call__(self, part: Readings, other: Mapping[int, Any]) -> bytes:
        """The metrics of `part`.

        Args:
            part: n readings of one device, conditioned; a row may repeat.
            other: values that are no numbers, by row; the catalog has learnt them.
        """
        blanks = [] if other or np.count_nonzero(part.status) else self._blank(part.rows)
        if not blanks:
            return self._odd(part, other)
        stamps = part.time.tobytes()
        same = stamps == stamps[:8] * len(part)
        time = _stamp(part.time.item(0) // _MS) if same else padded(part.time // _MS, TIME)
        filled = []
        for blank in blanks:
            block = blank.block.copy()
            places = slice(None) if blank.places is None else blank.places
            blank.shape.time.of(block)[:] = time if same else time[places]
            blank.shape.value.of(block)[:] = _numbers(blank.datatype, part.value[places])
            filled.append(block.tobytes())
        return filled[0] if len(filled) == 1 else b"".join(filled)

    def _blank(self, rows: NDArray[np.int64]) -> list[Blank]:
        """Blanks for `rows`, made once for each set of rows; none where one of them is a text."""
        if self._of != self._catalog.fingerprint:
            self._blanks.clear()
            self._of = self._catalog.fingerprint
        key = rows.tobytes()
        blanks = self._blanks.get(key)
        if blanks is None:
            datatype = self._catalog.datatype[rows]
            kinds = np.unique(datatype).tolist()
            places = [None] if len(kinds) == 1 else [np.flatnonzero(datatype == kind) for kind in kinds]
            blanks = self._blanks[key] = [
                Blank(
                    kind, where, form(kind, GOOD, self._told), self._begun(rows if where is None else rows[where], kind)
                )
                for kind, where in zip(kinds, places, strict=True)
                if Datatype.STRING not in kinds
            ]
            if len(self._blanks) > _SETS:
                self._blanks.popitem(last=False)
        else:
            self._blanks.move_to_end(key)
        return blanks

    def _begun(self, rows: NDArray[np.int64], datatype: int, said: int = GOOD) -> Bytes:
        shape = form(datatype, said, self._told)
        block = np.empty((len(rows), len(shape.pattern)), np.uint8)
        block[:] = shape.pattern
        shape.alias.of(block)[:] = padded(self._catalog.alias[rows], ALIAS)
        return block

    def _odd(self, part: Readings, other: Mapping[int, Any]) -> bytes:
        """With texts, or readings that are not good: by what is said of each."""
        datatype = self._catalog.datatype[part.rows]
        kinds = datatype * 4 + _said(part, datatype, other)
        return b"".join(self._kind(part.chosen(kinds == kind), other, kind) for kind in np.unique(kinds).tolist())

    def _kind(self, part: Readings, other: Mapping[int, Any], kind: int) -> bytes:
        datatype, said = divmod(kind, 4)
        if datatype == Datatype.STRING and said != NULL:
            return self._texts(part, other, said)
        shape, block = form(datatype, said, self._told), self._begun(part.rows, datatype, said)
        shape.time.of(block)[:] = padded(part.time // _MS, TIME)
        if said != GOOD:
            shape.code.of(block)[:] = padded(part.status, CODE)
        if said != NULL:
            long = other and datatype in LONG_TYPES
            shape.value.of(block)[:] = _exact(datatype, part, other) if long else _numbers(datatype, part.value)
        return block.tobytes()

    def _texts(self, part: Readings, other: Mapping[int, Any], said: int) -> bytes:
        out = bytearray()
        head = number_field(4, Datatype.STRING) if self._told else b""
        aliases, times, codes = (
            padded(self._catalog.alias[part.rows], ALIAS), (part.time // _MS).tolist(), part.status.tolist()
        )  # fmt: skip
        for place, row in enumerate(part.rows.tolist()):
            text = value_field(Datatype.STRING, fit(Datatype.STRING, other.get(row, float(part.value[place]))))
            body = b"\x28\x00\x10" + aliases[place].tobytes() + number_field(3, times[place]) + head + text
            out += bytes_field(2, body if said == GOOD else body + property_set(_doubt(codes[place])))
        return bytes(out)


def _said(part: Readings, datatype: Bytes, other: Mapping[int, Any]) -> Bytes:
    said = np.zeros(len(part), np.uint8)
    if part.status.any():
        said[part.status > 0] = DOUBTFUL
        said[part.status >= BAD] = NULL
    silent = np.isnan(part.value)
    if silent.any():  # bad, or a text that is not at hand
        there = np.isin(part.rows, list(other)) if other else np.zeros(len(part), bool)
        said[silent & ~there] = NULL
        said[(datatype != Datatype.STRING) & silent] = NULL
    return said


def _stamp(number: int) -> Bytes:
    """One time as a varint; a tenth of what `padded` takes for it."""
    groups = (number >> shift & 0x7F | 0x80 for shift in range(0, 7 * (TIME - 1), 7))
    return np.frombuffer(bytes((*groups, number >> 7 * (TIME - 1))), np.uint8)


def _numbers(datatype: int, value: NDArray[np.float64]) -> Bytes:
    """Each of n values as `datatype` has it on the wire, u1[n, width]."""
    if datatype == Datatype.DOUBLE:
        return _raw(value.astype("<f8", copy=False))
    if datatype == Datatype.FLOAT:
        return _raw(value.astype("<f4"))
    if datatype == Datatype.BOOLEAN:
        return _raw(value != 0)
    if datatype in IN_INT:
        return padded(value.astype(np.int64) & 0xFFFFFFFF, INT)
    return padded(_whole(value, unsigned=datatype == Datatype.UINT64), LONG)


def _whole(value: NDArray[np.float64], *, unsigned: bool) -> NDArray[np.int64]:
    held = np.clip(value, *(_UNSIGNED if unsigned else _SIGNED))
    return held.astype(np.uint64).view(np.int64) if unsigned else held.astype(np.int64)


def _exact(datatype: int, part: Readings, other: Mapping[int, Any]) -> Bytes:
    """Whole numbers of 64 bits; those that no double holds are in `other`."""
    whole = _whole(part.value, unsigned=datatype == Datatype.UINT64)
    for place, row in enumerate(part.rows.tolist()):
        item = other.get(row)
        if isinstance(item, int):
            whole[place] = item - 2**64 if item >= 2**63 else item
    return padded(whole, LONG)


def _raw(column: NDArray[Any]) -> Bytes:
    """The bytes of each value, u1[n, width]."""
    raw: Bytes = column.view(np.uint8).reshape(len(column), -1)
    return raw


def _doubt(status: int) -> dict[str, Property]:
    return {"Quality": Property(Datatype.INT32, QUALITY_STALE), "StatusCode": Property(Datatype.INT64, status)}

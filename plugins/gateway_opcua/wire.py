"""The OPC UA binary encoding, as far as it must be stepped over (Part 6 §5.2). Pure, and never past the end unnoticed.

Every function takes a message and a position and returns the position behind what it read. What is cut off or makes no
sense raises CodecError, IndexError or struct.error; `codec` turns the latter two into CodecError at its border.
"""

import struct
from collections.abc import Callable
from typing import Final

U32: Final = struct.Struct("<I")
I32: Final = struct.Struct("<i")
I64: Final = struct.Struct("<q")
_MAX_DEPTH: Final = 20  # variants and diagnostics may hold their like; nobody nests them deeper on purpose


class CodecError(ValueError):
    """The bytes are no OPC UA message that this gateway understands."""


# Size of each built-in type, -1 where it varies; numbers as in Part 6 Table 1.
SIZES: Final = [-1] * 64
for _kind, _size in {
    0: 0, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 13: 8, 14: 16, 19: 4,
}.items():  # fmt: skip
    SIZES[_kind] = _size

# Bytes that follow the value in a DataValue, by its mask (Part 6 §5.2.2.17): status, source time and its picoseconds,
# server time and its picoseconds.
TAILS: Final = [
    4 * (m >> 1 & 1) + 8 * (m >> 2 & 1) + 8 * (m >> 3 & 1) + 2 * (m >> 4 & 1) + 2 * (m >> 5 & 1) for m in range(64)
]
MAX_MASK: Final = 0x3F  # the higher bits are reserved
HAS_VALUE: Final = 1
HAS_STATUS: Final = 2
HAS_SOURCE_TIME: Final = 4
HAS_SERVER_TIME: Final = 8
HAS_SOURCE_PICOSECONDS: Final = 16
HAS_SERVER_PICOSECONDS: Final = 32


def skip_bytes(body: bytes, at: int) -> int:
    """String, ByteString, XmlElement: a length, -1 for null, and as many bytes."""
    (length,) = I32.unpack_from(body, at)
    return _within(body, at + 4, length)


def skip_array(body: bytes, at: int, size: int) -> int:
    """An array whose elements have `size` bytes each."""
    (count,) = I32.unpack_from(body, at)
    return _within(body, at + 4, count * size)


def _within(body: bytes, at: int, length: int) -> int:
    if length > len(body) - at:
        raise CodecError(f"{length} bytes announced, {len(body) - at} left")
    return at + max(length, 0)


def skip_node_id(body: bytes, at: int) -> int:
    """NodeId and ExpandedNodeId (§5.2.2.9, §5.2.2.10)."""
    form = body[at]
    kind = form & 0x3F
    if kind in _NODE_ID_SIZES:
        at += _NODE_ID_SIZES[kind]
    elif kind in (3, 5):
        at = skip_bytes(body, at + 3)
    else:
        raise CodecError(f"node id in the unknown form {kind}")
    if form & 0x80:
        at = skip_bytes(body, at)
    return at + (4 if form & 0x40 else 0)


_NODE_ID_SIZES: Final = {0: 2, 1: 4, 2: 7, 4: 19}


def numeric_id(body: bytes, at: int) -> tuple[int, int]:
    """A node id of namespace 0 that names a type: its number, 0 when it is none, and the position behind it."""
    end = skip_node_id(body, at)
    if body[at] == 0:
        return body[at + 1], end
    if body[at] == 1 and body[at + 1] == 0:
        return body[at + 2] | body[at + 3] << 8, end
    if body[at : at + 3] == b"\x02\x00\x00":
        return U32.unpack_from(body, at + 3)[0], end
    return 0, end


def skip_extension(body: bytes, at: int) -> int:
    """ExtensionObject (§5.2.2.15): type, how it is encoded, and its body."""
    at = skip_node_id(body, at)
    return skip_bytes(body, at + 1) if body[at] else at + 1


def _skip_qualified_name(body: bytes, at: int) -> int:
    return skip_bytes(body, at + 2)


def _skip_localized_text(body: bytes, at: int) -> int:
    mask, at = body[at], at + 1
    for bit in (1, 2):
        if mask & bit:
            at = skip_bytes(body, at)
    return at


def skip_diagnostics(body: bytes, at: int, depth: int = 0) -> int:
    """DiagnosticInfo (§5.2.2.12)."""
    if depth > _MAX_DEPTH:
        raise CodecError("diagnostics nested too deep")
    mask, at = body[at], at + 1
    at += 4 * (mask & 0x0F).bit_count()
    if mask & 0x10:
        at = skip_bytes(body, at)
    if mask & 0x20:
        at += 4
    return skip_diagnostics(body, at, depth + 1) if mask & 0x40 else at


def skip_data_value(body: bytes, at: int, depth: int = 0) -> int:
    """DataValue (§5.2.2.17)."""
    mask, at = body[at], at + 1
    if mask > MAX_MASK:
        raise CodecError(f"data value with the reserved mask {mask:#x}")
    if mask & HAS_VALUE:
        at = skip_variant(body, at, depth)
    return at + TAILS[mask]


def skip_variant(body: bytes, at: int, depth: int = 0) -> int:
    """Variant (§5.2.2.16): a scalar, an array or a matrix of any built-in type."""
    if depth > _MAX_DEPTH:
        raise CodecError("variants nested too deep")
    form, at = body[at], at + 1
    at = _skip_elements(body, at, form & 0x3F, depth) if form & 0x80 else _skip_scalar(body, at, form & 0x3F, depth)
    if form & 0x40:
        at = skip_array(body, at, 4)
    return at


def _skip_scalar(body: bytes, at: int, kind: int, depth: int) -> int:
    size = SIZES[kind]
    if size >= 0:
        return at + size
    if kind in _NESTED:
        return _NESTED[kind](body, at, depth + 1)
    return _SKIPS.get(kind, skip_bytes)(body, at)  # types 26 to 31 are reserved and read as ByteString (§5.1.2)


def _skip_elements(body: bytes, at: int, kind: int, depth: int) -> int:
    size = SIZES[kind]
    if size > 0:
        return skip_array(body, at, size)
    (count,) = I32.unpack_from(body, at)
    at += 4
    if count > len(body) - at:  # each element takes a byte at least; this also bounds the loop
        raise CodecError(f"{count} elements announced, {len(body) - at} bytes left")
    for _ in range(count):
        at = _skip_scalar(body, at, kind, depth)
    return at


_SKIPS: Final[dict[int, Callable[[bytes, int], int]]] = {
    12: skip_bytes,
    15: skip_bytes,
    16: skip_bytes,
    17: skip_node_id,
    18: skip_node_id,
    20: _skip_qualified_name,
    21: _skip_localized_text,
    22: skip_extension,
}
_NESTED: Final[dict[int, Callable[[bytes, int, int], int]]] = {
    23: skip_data_value,
    24: skip_variant,
    25: skip_diagnostics,
}

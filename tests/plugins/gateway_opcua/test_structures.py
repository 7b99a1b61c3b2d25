"""The makers' own structures: by their definitions, from the bytes and from real servers."""

import struct
from pathlib import Path
from typing import Any

import orjson
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from gateway_opcua.plain import FOREIGN, Unknown, decode_variant
from gateway_opcua.structures import UNION, WITH_OPTIONAL, Member, Structure, Structures, decode
from gateway_opcua.wire import CodecError
from tests.plugins.gateway_opcua.messages import node
from tests.plugins.gateway_opcua.peers import Process
from tests.plugins.gateway_opcua.rigs import device, running

ONE = {"Number": 1, "Colour": "green_1", "Limits": [0.5, 1.5]}
TWO = {"Number": 2, "Colour": "red_0", "Note": "slow", "Limits": []}


@pytest.mark.parametrize("mode", ["read", "subscribe"])
async def test_a_structure_of_the_makers_own_arrives_by_its_fields(
    asyncua_server: Process, tmp_path: Path, mode: str
) -> None:
    async with running(tmp_path, device(asyncua_server.port, ["Recipe"], mode=mode)) as run:
        recipe = {"Id": 2**60 + 1, "First": ONE, "Steps": [ONE, TWO], "Goal": {"Pieces": 12}}
        await run.until(lambda: run.other("Recipe")[-1:] == [recipe])


@pytest.mark.parametrize("mode", ["read", "subscribe"])
async def test_likewise_from_another_makers_server(node_opcua_server: Process, tmp_path: Path, mode: str) -> None:
    async with running(tmp_path, device(node_opcua_server.port, ["ns=1;s=Recipe"], mode=mode)) as run:
        await run.until(lambda: run.other("Recipe")[-1:] == [{"First": ONE, "Steps": [ONE, TWO]}])


# --- pure ---

STEP = node("ns=2;i=5002")


def variant(body: bytes, count: int = 1) -> bytes:
    """A Variant with structures of the type STEP; an array where there are several."""
    one = b"\x01\x02" + struct.pack("<H", 5002) + b"\x01" + struct.pack("<i", len(body)) + body
    return b"\x16" + one if count == 1 else b"\x96" + struct.pack("<i", count) + one * count


def test_what_is_not_known_stays_as_its_bytes_and_is_asked_for() -> None:
    types, value = Structures(), decode_variant(variant(b"\x07\x00"))
    assert types.settle({3: value, 5: value}) == {row: {"TypeId": "ns=2;i=5002", "Body": "BwA="} for row in (3, 5)}
    assert types.untold == {3, 5}
    assert types.wanted == {STEP}
    assert types.asked.is_set()
    assert orjson.loads(orjson.dumps(value)) == {"TypeId": "ns=2;i=5002", "Body": "BwA="}


def test_what_is_known_is_told_by_its_fields_in_arrays_too() -> None:
    types = Structures()
    types.learn(STEP, Structure(0, [Member("Number", 5)]))
    assert types.settle({1: decode_variant(variant(b"\x07\x00")), 2: decode_variant(variant(b"\x07\x00", 2))}) == {
        1: {"Number": 7},
        2: [{"Number": 7}, {"Number": 7}],
    }


def test_a_type_that_cannot_be_learnt_is_not_asked_for_again() -> None:
    types = Structures()
    types.learn(STEP, None)
    assert isinstance(types.settle({1: decode_variant(variant(b"\x07\x00"))})[1], Unknown)
    assert types.wanted == set()


@pytest.mark.parametrize(
    ("structure", "body"),
    [
        (Structure(0, [Member("a", 11)]), b"\x00"),
        (Structure(0, [Member("a", 11, rank=1)]), struct.pack("<i", 2**31 - 1)),
        (Structure(UNION, [Member("a", 11)]), struct.pack("<I", 9)),
        (Structure(0, [Member("a", 12)]), struct.pack("<i", 100) + b"short"),
    ],
)
def test_bytes_that_do_not_match_the_definition_stay_bytes(structure: Structure, body: bytes) -> None:
    types = Structures()
    types.learn(STEP, structure)
    assert isinstance(types.settle({1: decode_variant(variant(body))})[1], Unknown)
    with pytest.raises((CodecError, *FOREIGN)):
        decode(structure, Buffer(body))


def test_a_structure_that_holds_its_like_ends() -> None:
    endless = Structure(0)
    endless.members.append(Member("again", nested=endless))
    types = Structures()
    types.learn(STEP, endless)
    assert isinstance(types.settle({1: decode_variant(variant(b""))})[1], Unknown)


SCALARS: dict[int, tuple[str, st.SearchStrategy[Any]]] = {
    1: ("<?", st.booleans()),
    3: ("<B", st.integers(0, 255)),
    6: ("<i", st.integers(-(2**31), 2**31 - 1)),
    8: ("<q", st.integers(-(2**63), 2**63 - 1)),
    11: ("<d", st.floats(allow_nan=False)),
}


@st.composite
def told(draw: st.DrawFn, depth: int = 2) -> tuple[Structure, Any, bytes]:
    """A definition, a value of it, and its bytes."""
    form = draw(st.sampled_from([0, WITH_OPTIONAL, UNION]))
    parts = [draw(member(f"m{i}", depth, optional=form == WITH_OPTIONAL)) for i in range(draw(st.integers(1, 4)))]
    structure = Structure(form, [one for one, _, _ in parts])
    if form == UNION:
        chosen = draw(st.integers(0, len(parts)))
        one, value, body = parts[chosen - 1]
        return structure, {one.name: value} if chosen else {}, struct.pack("<I", chosen) + (body if chosen else b"")
    there = [not one.optional or draw(st.booleans()) for one, _, _ in parts]
    bits = [here for here, (one, _, _) in zip(there, parts, strict=True) if one.optional]
    mask = struct.pack("<I", sum(bit << place for place, bit in enumerate(bits))) if form == WITH_OPTIONAL else b""
    held = [part for here, part in zip(there, parts, strict=True) if here]
    return structure, {one.name: value for one, value, _ in held}, mask + b"".join(body for _, _, body in held)


@st.composite
def member(draw: st.DrawFn, name: str, depth: int, *, optional: bool) -> tuple[Member, Any, bytes]:
    optional = optional and draw(st.booleans())
    rank = draw(st.integers(0, 3))
    sizes = [draw(st.integers(1, 3)) for _ in range(rank)]
    count = 1
    for size in sizes:
        count *= size
    if depth and draw(st.booleans()):
        structure, value, body = draw(told(depth - 1))
        one, values, bodies = (
            Member(name, nested=structure, rank=rank, optional=optional),
            [value] * count,
            [body] * count,
        )
    else:
        kind = draw(st.sampled_from(list(SCALARS)))
        form, numbers = SCALARS[kind]
        values = [draw(numbers) for _ in range(count)]
        one, bodies = Member(name, kind, rank=rank, optional=optional), [struct.pack(form, value) for value in values]
    head = struct.pack("<i", sizes[0]) if rank == 1 else struct.pack(f"<i{rank}i", rank, *sizes) if rank else b""
    return one, shaped(values, sizes), head + b"".join(bodies)


def shaped(values: list[Any], sizes: list[int]) -> Any:
    if not sizes:
        return values[0]
    step = len(values) // sizes[0]
    return [shaped(values[at : at + step], sizes[1:]) for at in range(0, len(values), step)]


@given(told())
def test_any_definition_gives_back_the_value(case: tuple[Structure, Any, bytes]) -> None:
    structure, value, body = case
    assert decode(structure, Buffer(body)) == value


def test_strings_times_and_the_like_are_told_as_beside_structures() -> None:
    text = ua.LocalizedText("Ofen", "de")
    body = struct.pack("<i", 4) + b"warm" + struct_to_binary(text)
    structure = Structure(0, [Member("word", 12), Member("text", 21)])
    assert decode(structure, Buffer(body)) == {"word": "warm", "text": "Ofen"}

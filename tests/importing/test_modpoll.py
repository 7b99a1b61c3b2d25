"""modpoll: its examples import, and what is read is what its decoder would have made of the answer.

The model is written after gavinying/modpoll, modpoll/modbus_task.py: one decoder walks through the block of a poll.
"""

import itertools
import struct

import pytest

from tests.importing.site import Site, registers, same, serving, wire

FORMS = {"uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q", "float16": "e",
         "float32": "f", "float64": "d"}  # fmt: skip
WORDS = {"BE_BE": (">", "big"), "LE_BE": ("<", "big"), "LE_LE": ("<", "little"), "BE_LE": (">", "little"),
         "odd": (">", "little")}  # fmt: skip
CONNECT = ("--connect", "tcp://10.0.0.7:502")


def value(values: list[int], address: int, kind: str, endian: str) -> float:
    """fromRegisters with byteorder and wordorder; the address goes to the wire as it is written."""
    byte, word = WORDS[endian]
    raw = wire(values, address, struct.calcsize(">" + FORMS[kind]) // 2)
    words = [raw[at : at + 2] for at in range(0, len(raw), 2)]
    words = words[::-1] if word == "little" else words
    packed = b"".join(one if byte == ">" else one[::-1] for one in words)
    found: float = struct.unpack(">" + FORMS[kind], packed)[0]
    return found


def test_every_type_and_order_reads_what_modpoll_reads(site: Site) -> None:
    values, lines, meant = registers(9), list[str](), dict[str, float]()
    for endian, table in itertools.product(WORDS, ("holding_register", "input_register")):
        lines += [f"device,{endian}-{table},1", f"poll,{table},40001,100,{endian}"]
        for number, kind in enumerate(FORMS):
            address, scale = 40001 + 5 * number, 1.0 if "64" in kind else 0.1
            lines.append(f"ref,{kind},{address},{kind},r,V,{scale}")
            meant[f"{endian}-{table}.{kind}"] = value(values, address, kind, endian) * scale
    with serving(values) as port:
        done = site.run("modpoll", {"meter.csv": "\n".join(lines)}, "--connect", f"tcp://127.0.0.1:{port}")
        assert (done.code, site.checks()) == (0, True)
        read = site.reads()
    assert [(name, read[name], meant[name]) for name in meant if not same(read[name], meant[name])] == []
    assert done.told("changed", "the order odd is read as BE_LE")


def test_40001_is_40001_on_the_wire(site: Site) -> None:
    text = "device,modsim001,1\npoll,holding_register,40001,5,BE_BE\nref,register1,40001,uint16,rw,\n"
    done = site.run("modpoll", {"example.csv": text}, *CONNECT)
    assert (done.code, site.checks()) == (0, True)
    assert done.tags["register1"]["at"] == "holding:40001"
    assert done.told("changed", "example.csv:3", "nothing is written")
    assert done.devices["modsim001"]["every"] == "10s"
    assert done.told("changed", "--rate")


EXAMPLE = """# Modbus Configuration File
# device,<device_name>,<device_id>
device,modsim001,1
poll,holding_register,40001,5,BE_BE
ref,register1,40001,uint16,rw,
ref,register2,40002,uint16,rw,
device,modsim002,2
poll,coil,1,12,BE_BE
ref,coil1-8,1,bool,rw,
ref,coil9-16,2,bool,rw,
"""


def test_the_example_with_two_units_and_coils(site: Site) -> None:
    with serving(registers(10)) as port:
        done = site.run("modpoll", {"example.csv": EXAMPLE}, "--connect", f"tcp://127.0.0.1:{port}")
        assert (done.code, site.checks()) == (0, True)
        read = site.reads()
    coils = {f"modsim002.coil1-8_{n}": int((1 + n) % 3 == 0) for n in range(8)}
    coils |= {f"modsim002.coil9-16_{n}": int((9 + n) % 3 == 0) for n in range(4)}  # the poll ends at coil 12
    assert {name: one for name, one in read.items() if "coil" in name} == coils
    assert done.told("changed", "example.csv:9", "list of coils")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("poll,holding_register,1,200,BE_BE", ("m.csv:4", "does not read it either")),
        ("poll,register,1,2,BE_BE", ("m.csv:4", "does not read it either")),
        ("ref,far,99,uint16,r", ("m.csv:4", "outside")),
        ("ref,bits,3,bool16,r", ("m.csv:4", "list of bits")),
        ("ref,onlyw,3,uint16,w", ("m.csv:4", "only be written")),
        ("rex,far,99,uint16,r", ("m.csv:4", "neither device nor poll nor ref")),
        ("ref,nan,x,uint16,r", ("m.csv:4", "a number is missing")),
    ],
)
def test_what_there_is_not_here_is_lost_with_its_line(site: Site, line: str, words: tuple[str, ...]) -> None:
    head = "device,d,1\npoll,holding_register,1,9,BE_BE\nref,good,1,uint16,r\n"
    done = site.run("modpoll", {"m.csv": head + line}, *CONNECT)
    assert (done.code, site.checks()) == (1, True)
    assert done.tags.keys() == {"good"}
    assert done.told("lost", *words), done.notes


def test_a_reference_behind_the_decoder_is_told(site: Site) -> None:
    text = "device,d,1\npoll,holding_register,1,9,BE_BE\nref,a,3,uint32,r\nref,b,4,uint16,r\n"
    done = site.run("modpoll", {"m.csv": text}, *CONNECT)
    assert done.code == 0
    assert done.told("changed", "m.csv:4", "modpoll would read it at 5")


def test_where_the_device_is_stands_on_the_command_line(site: Site) -> None:
    done = site.run("modpoll", {"m.csv": EXAMPLE})
    assert done.code == 78
    assert "m.csv" in done.err
    assert "--connect" in done.err

"""Equal tags become one object, unequal ones do not, and a copy says what the original said."""

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.ops.memory import bound_malloc, compacted, share_equal_tags
from gateway_modbus.config import ModbusDevice


def device(name: str, **second: object) -> ModbusDevice:
    tags = {"a": {"at": "holding:1"}, "b": {"at": "holding:2", "enum": {"0": "off"}}, "c": {"at": 40101, **second}}
    return ModbusDevice.model_validate(
        {"device": name, "adapter": "modbus", "connect": "tcp://127.0.0.1:502", "tags": tags}, context={"written": True}
    )


def test_tags_that_say_the_same_are_one_object_and_others_stay_apart() -> None:
    devices = [device("x"), device("y"), device("z", scale=2)]
    before = [one.model_dump() for one in devices]
    share_equal_tags(devices)
    first, second, third = (one.tags for one in devices)
    assert first["a"] is second["a"] is third["a"]
    assert first["c"] is second["c"]
    assert first["c"] is not third["c"]
    assert [one.model_dump() for one in devices] == before
    assert [one.model_fields_set for one in (first["c"], third["c"])] == [{"at"}, {"at", "scale"}]


def test_a_copy_says_the_same_and_shares_the_same() -> None:
    devices = [device("x"), device("y")]
    share_equal_tags(devices)
    copies = compacted(devices)
    assert copies == devices
    assert copies[0] is not devices[0]
    assert copies[0].tags["a"] is copies[1].tags["a"]


def test_what_cannot_be_copied_stays() -> None:
    lock = threading.Lock()
    assert compacted(lock) is lock


def test_malloc_is_bounded_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr("ctypes.CDLL", lambda _name: SimpleNamespace(mallopt=lambda *what: told.append(what)))
    for variable in ("MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_"):
        monkeypatch.delenv(variable, raising=False)
    bound_malloc()
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    bound_malloc()
    assert told == [(-8, 2), (-3, 1 << 20), (-3, 1 << 20)]


LARGE = """
import ctypes
from gateway.ops.memory import bound_malloc
class Info(ctypes.Structure):  # mallinfo2, glibc 2.33
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]
libc = ctypes.CDLL("libc.so.6")
libc.mallinfo2.restype, libc.malloc.restype, libc.free.argtypes = Info, ctypes.c_void_p, [ctypes.c_void_p]
libc.malloc.argtypes = [ctypes.c_size_t]
{bound}
libc.free(libc.malloc(8 << 20))
before = libc.mallinfo2().hblks
libc.malloc(4 << 20)
print(libc.mallinfo2().hblks - before)
"""


@pytest.mark.parametrize(("bound", "apart"), [("bound_malloc()", 1), ("", 0)])
def test_a_large_block_stays_out_of_the_heap_after_a_larger_one_was_given_back(bound: str, apart: int) -> None:
    """The second case is glibc by itself: what the first one is for."""
    code = [sys.executable, "-c", LARGE.format(bound=bound)]
    done = subprocess.run(code, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) == apart

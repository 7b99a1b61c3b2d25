"""Equal tags become one object, unequal ones do not, and a copy says what the original said."""

import threading
from types import SimpleNamespace

import pytest

from gateway.ops.memory import bound_arenas, compacted, share_equal_tags
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


def test_malloc_keeps_to_a_few_arenas_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr("ctypes.CDLL", lambda _name: SimpleNamespace(mallopt=lambda *what: told.append(what)))
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    bound_arenas()
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    bound_arenas()
    assert told == [(-8, 2)]

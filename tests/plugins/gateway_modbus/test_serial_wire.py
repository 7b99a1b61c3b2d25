"""A serial port that cannot be opened: the error says why, and what helps where the gateway runs."""

import errno
import os
import pty
from pathlib import Path

import pytest
import serial  # type: ignore[import-untyped] # ships no types

from gateway.sdk import DisconnectedError
from gateway_modbus.endpoint import Endpoint
from gateway_modbus.link import Link
from gateway_modbus.serial_wire import open_serial, refusal

SERVICE = {"INVOCATION_ID": "0123456789abcdef"}
DROP_IN = "systemd/serial.conf (docs/install.md, Serial lines)"


def opened(path: str | Path) -> str:
    """What the opening of a port that cannot be opened says."""
    with pytest.raises(DisconnectedError) as failed:
        open_serial(Endpoint.parse(f"rtu://{path}?unit=1"), Link.__new__(Link))
    return str(failed.value)


def test_a_port_that_is_not_there_says_so_once_and_where_to_look() -> None:
    said = opened("/dev/ttyNOSUCH")
    assert said.startswith("/dev/ttyNOSUCH: No such file or directory; is it plugged in?")
    assert said.count("No such file") == 1


def test_a_port_in_use_says_by_whom() -> None:
    _, end = pty.openpty()
    with serial.Serial(os.ttyname(end), exclusive=True):
        assert "another program has it open" in opened(os.ttyname(end))


def test_a_service_is_told_of_the_drop_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert DROP_IN not in opened("/dev/ttyNOSUCH")
    monkeypatch.setenv("INVOCATION_ID", SERVICE["INVOCATION_ID"])
    assert opened("/dev/ttyNOSUCH").endswith(DROP_IN)


@pytest.mark.parametrize(
    ("number", "path", "told"),
    [
        (errno.EPERM, "/dev/ttyUSB0", True),  # the device controller of the cgroup
        (errno.EACCES, "/dev/ttyS0", True),  # not in its group
        (errno.EAGAIN, "/dev/ttyS0", False),
        (errno.ENOENT, "/run/pipe", False),
    ],
)
def test_only_what_the_unit_forbids_is_told_so(number: int, path: str, told: bool) -> None:
    assert refusal(OSError(number, "no"), path, SERVICE).endswith(DROP_IN) is told


def test_an_error_without_a_number_speaks_for_itself() -> None:
    assert refusal(ValueError("not a valid baudrate: -1"), "/dev/ttyS0", SERVICE) == "not a valid baudrate: -1"

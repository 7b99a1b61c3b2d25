import re

import pytest

from gateway_modbus.ascii import ASCII
from gateway_modbus.endpoint import Endpoint, Serial
from gateway_modbus.frames import TCP
from gateway_modbus.opening import FIXED_SILENCE, manners
from gateway_modbus.rtu import RTU


@pytest.mark.parametrize(
    ("text", "host", "port", "unit", "line"),
    [
        ("tcp://plc", "plc", 502, 1, "plc:502"),
        ("tls://plc", "plc", 802, 1, "tls://plc:802"),
        ("udp://plc?unit=0", "plc", 502, 0, "udp://plc:502"),
        ("rtu+tcp://moxa:4001?unit=247", "moxa", 4001, 247, "rtu+tcp://moxa:4001"),
        ("ascii+tcp://[::1]:4001", "::1", 4001, 1, "ascii+tcp://::1:4001"),
        ("listen://0.0.0.0:1502?unit=3&peer=10.0.7.3", "0.0.0.0", 1502, 3, "listen://0.0.0.0:1502?peer=10.0.7.3"),  # noqa: S104 - text
        ("rtu:///dev/serial/by-id/usb-FTDI?unit=9", "/dev/serial/by-id/usb-FTDI", 0, 9, "/dev/serial/by-id/usb-FTDI"),
    ],
)
def test_every_transport_is_taken_apart(text: str, host: str, port: int, unit: int, line: str) -> None:
    endpoint = Endpoint.parse(text)
    assert (endpoint.host, endpoint.port, endpoint.unit, endpoint.line) == (host, port, unit, line)


def test_a_serial_line_is_set_as_told() -> None:
    assert Endpoint.parse("rtu:///dev/ttyS0").serial == Serial(9600, "N", 1, 8)
    assert Endpoint.parse("rtu:///dev/ttyS0?baud=115200&parity=E&stop=2").serial == Serial(115200, "E", 2, 8)
    assert Endpoint.parse("ascii:///dev/ttyS0?parity=O").serial == Serial(9600, "O", 1, 7)
    assert Endpoint.parse("ascii:///dev/ttyS0?bits=8").serial.bits == 8


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("rtu://ttyUSB0", "write rtu:///dev/"),
        ("rtu:///dev/", "write rtu:///dev/"),
        ("rtu:ttyUSB0", "write rtu:///dev/"),
        ("rtu:///dev/ttyS0?baud=fast", "baud is a number"),
        ("rtu:///dev/ttyS0?baud=0", "baud is a number"),
        ("rtu:///dev/ttyS0?parity=even", "parity is one of N, E, O"),
        ("rtu:///dev/ttyS0?stop=3", "stop is one of 1, 2"),
        ("rtu:///dev/ttyS0?bits=7", "bits is not known here; unit, baud, parity, stop may follow"),
        ("rtu:///dev/ttyS0?unit=0", "from 1 to 247"),
        ("rtu+tcp://moxa?unit=248", "from 1 to 247"),
        ("tcp://plc?baud=9600", "baud is not known here; only unit=N"),
        ("tls://plc?peer=x", "peer is not known here; unit, ca, cert, key, name may follow"),
        ("udp://plc/path", "write udp://host"),
    ],
)
def test_a_wrong_transport_is_refused_with_its_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=re.escape(remedy)):
        Endpoint.parse(text)


def test_the_silence_of_a_serial_line_follows_from_its_speed() -> None:
    slow, fast = manners(Endpoint.parse("rtu:///dev/x?baud=9600")), manners(Endpoint.parse("rtu:///dev/x?baud=38400"))
    assert slow.silence == pytest.approx(3.5 * 10 / 9600)
    assert fast.silence == FIXED_SILENCE
    assert slow.byte_time == pytest.approx(10 / 9600)
    assert Endpoint.parse("rtu:///dev/x?baud=9600&parity=E&stop=2").serial.byte_time == pytest.approx(12 / 9600)
    assert (slow.framing, manners(Endpoint.parse("rtu+tcp://x")).framing) == (RTU, RTU)
    assert manners(Endpoint.parse("ascii:///dev/x")).silence == 0
    assert (manners(Endpoint.parse("ascii:///dev/x")).framing, manners(Endpoint.parse("tls://x")).framing) == (
        ASCII,
        TCP,
    )

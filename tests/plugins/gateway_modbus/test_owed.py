from gateway_modbus.frames import ANY, Request, read_request, request, unnumbered
from gateway_modbus.owed import MOST, Owed


def _read(unit: int = 1, count: int = 2, function: int = 3) -> Request:
    size = 2 * count if function > 2 else -(-count // 8)
    return Request(read_request(unit, function, 100, count), size, lambda _: None, 1.0)


def _answer(request: Request) -> bytes:
    return unnumbered(bytes((request.tail[4], request.tail[5], request.size)) + bytes(request.size))


def test_who_owes_nothing_is_asked_at_once() -> None:
    owed = Owed()
    assert not owed
    assert owed.until(1) == 0.0
    assert owed.probe(_read()) is None
    assert not owed.paid(_answer(_read()))


def test_a_late_answer_pays_the_debt() -> None:
    owed = Owed()
    owed.note(_read(), 7.0)
    assert owed.until(1) == 7.0
    assert owed.until(2) == 0.0
    assert not owed.paid(_answer(_read(unit=2)))
    assert not owed.paid(_answer(_read(count=3)))
    assert owed.paid(_answer(_read()))
    assert not owed


def test_a_late_exception_pays_too() -> None:
    owed = Owed()
    owed.note(_read(), 7.0)
    assert owed.paid(unnumbered(b"\x01\x83\x02"))
    assert not owed


def test_the_probe_asks_for_an_amount_that_is_not_owed() -> None:
    owed, sizes = Owed(), set()
    ask = _read(count=1)
    for _ in range(2 * MOST):
        owed.note(ask, 0.0)
        probe = owed.probe(_read(count=1))
        assert probe is not None
        sizes.add(probe.size)
        assert not owed.paid(_answer(probe))
        ask = probe
    assert sizes == {2 * n for n in range(1, MOST + 2)}


def test_the_probe_of_coils_has_another_number_of_bytes_and_stays_within_the_table() -> None:
    owed = Owed()
    owed.note(_read(function=1, count=3), 0.0)
    probe = owed.probe(Request(read_request(1, 1, 65535, 1), 1, lambda _: None, 1.0))
    assert probe is not None
    assert probe.tail == read_request(1, 1, 65520, 16)
    assert probe.size == 2


def test_a_write_is_preceded_by_a_read() -> None:
    owed = Owed()
    write = Request(request(1, bytes.fromhex("06 0001 0003")), ANY, lambda _: None, 1.0)
    owed.note(write, 0.0)
    probe = owed.probe(write)
    assert probe is not None
    assert probe.tail == read_request(1, 3, 0, 1)
    assert owed.paid(unnumbered(bytes.fromhex("01 06 0001 0003")))
    assert not owed


def test_answers_come_in_order_so_an_answer_settles_what_was_owed_before() -> None:
    owed = Owed()
    for count in (2, 3, 4):
        owed.note(_read(count=count), 0.0)
    assert owed.paid(_answer(_read(count=3)))
    assert not owed.paid(_answer(_read(count=2)))
    assert owed.paid(_answer(_read(count=4)))
    assert not owed

"""Late, damaged and missing answers on every framing, on sockets and on serial lines: never a wrong value."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway.sdk import DisconnectedError, quality
from tests.plugins.gateway_modbus.lines import Station, damaged, speed_of
from tests.plugins.gateway_modbus.rig import FULL, PATIENT, line, unit

TIMEOUT = 0.08  # s
LINES = ["tcp", "rtu+tcp", "ascii+tcp", "rtu", "ascii"]


@contextlib.asynccontextmanager
async def station(scheme: str, **faults: object) -> AsyncIterator[tuple[Station, str]]:
    """A station, and how it is connected to."""
    kind = scheme.split("+", maxsplit=1)[0]
    made = Station(kind, **faults)  # type: ignore[arg-type] # the test names its faults
    if "tcp" in scheme:
        port, server = await made.on_socket()
        try:
            yield made, f"{scheme}://127.0.0.1:{port}"
        finally:
            server.close()
        return
    terminal = await made.on_terminal()
    try:
        yield made, f"{scheme}://{terminal.path}?baud=115200"
    finally:
        await terminal.close()


@pytest.mark.parametrize("scheme", LINES)
async def test_registers_and_coils_are_read_over_every_framing(scheme: str, tmp_path: Path) -> None:
    async with station(scheme) as (_, where):
        tags = {
            "r7": {"at": "holding:7"},
            "r9": {"at": "input:9"},
            "r0": {"at": "coil:1"},
            "r1": {"at": "discrete:3"},
            "r500": {"at": "holding:500", "type": "uint16"},
        }
        async with line(tmp_path, unit(where, 1, [], tags=tags), unit(where, 9, range(100, 225))) as one:
            await one.until(lambda: len(one.of(0)) >= 3 and len(one.of(1)) >= 3)
            assert not any(batch.status.any() for batch in one.sink.data)


def lateness(often: int) -> Iterator[float]:
    """One answer in about `often` is late; one in ten of these even when it is no longer waited for."""
    draw, late = random.Random(4), []
    for i in range(often * 30):
        hit = i % often == draw.randrange(often)
        late.append(TIMEOUT * (2.6 if draw.random() < 0.1 else 1.3) if hit else 0.0)
    return itertools.cycle(late)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scheme", ["tcp", "rtu+tcp", "rtu"])
async def test_late_answers_are_counted_and_no_value_is_ever_wrong(scheme: str, tmp_path: Path) -> None:
    """Requests of one kind to one unit: but for what the engine knows, their answers are taken for each other."""
    requests, delays = 10_000 if FULL else 500, lateness(24)
    async with station(scheme, delay=lambda: next(delays)) as (made, where):
        alone = unit(where, 1, [100, 300, 500], every="5ms", timeout=TIMEOUT)
        async with line(tmp_path, alone, keep=True) as one:
            await one.until(lambda: one.counters["requests_total"] >= requests, 600.0)
            # every request was answered, so what was not in time was late, and at some time all of it has come
            await one.until(lambda: one.counters["timeouts_total"] == one.counters["answers_late_total"])
            assert one.counters["answers_late_total"] >= requests / 100
            assert one.counters["answers_alien_total"] == 0
            assert len(made.asked) >= requests
            good = [batch for batch in one.sink.data if not batch.status.any()]
            assert len(good) >= len(one.sink.data) / 3


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scheme", ["tcp", "rtu+tcp", "ascii+tcp", "rtu"])
async def test_damaged_answers_never_become_values_and_the_line_recovers(scheme: str, tmp_path: Path) -> None:
    frames, draw, kind = 10_000 if FULL else 250, random.Random(7), scheme.split("+", maxsplit=1)[0]
    hurt = 0

    def mutate(answer: bytes) -> bytes:
        nonlocal hurt
        if draw.random() < 0.7:  # much more, and the units are set aside for half a minute
            return answer
        hurt += 1
        return damaged(kind, draw, answer)

    async with station(scheme, mutate=mutate) as (made, where):
        units = [unit(where, n, [100 + n, 500 + n], every="2ms", timeout="15ms") for n in (1, 2, 3)]
        async with line(tmp_path, *units, keep=True) as one:
            await one.until(lambda: hurt >= frames, 800.0)
            link = one.adapter._link
            assert link is None or (len(link._stream) <= 2048 and len(link._given_up) <= 64)
            made.mutate = lambda answer: answer
            seen = len(one.sink.data)
            # a register that happened to be silent three times in a row rests for a minute at most
            await one.until(
                lambda: all(
                    any((batch.status == 0).any() for batch in one.sink.data[seen:] if batch.device == device)
                    for device in range(3)
                ),
                4 * PATIENT,
            )


async def test_one_dead_unit_of_eight_leaves_the_others_their_rate(tmp_path: Path) -> None:
    """Against the same line without the dead one, at the same time."""
    options = {"every": "200ms", "timeout": "100ms"}
    async with station("rtu", silent={4}) as (_, where), station("rtu") as (_, control_where):
        units = [unit(where, n, [n], **options) for n in range(1, 9)]
        others = [unit(control_where, n, [n], **options) for n in range(1, 9) if n != 4]
        async with line(tmp_path, *units) as one, line(tmp_path, *others) as control:
            await one.until(lambda: one.counters["units_set_aside_total"])
            start, control_start = [len(one.of(n)) for n in range(8)], len(control.of(0))
            await control.until(lambda: len(control.of(0)) >= control_start + 40)
            polls = len(control.of(0)) - control_start
            for alive in (0, 1, 2, 4, 5, 6, 7):
                assert len(one.of(alive)) - start[alive] >= 0.95 * polls - 1
                assert not any(batch.status.any() for batch in one.of(alive)[start[alive] :])
            assert all((batch.status == quality.BAD_TIMEOUT).all() for batch in one.of(3)[1:])


async def test_the_line_is_silent_before_each_request_as_its_speed_demands(tmp_path: Path) -> None:
    """3.5 characters at 9600 baud are 3.6 ms: no request follows an answer sooner."""
    sent: list[float] = []

    async with station("rtu") as (made, where):

        def note(answer: bytes) -> bytes:
            sent.append(time.monotonic())
            return answer

        made.mutate = note
        slow = where.replace("115200", "9600")
        units = [unit(slow, n, [100, 300, 500], every="10ms", timeout="2s") for n in (1, 2)]
        async with line(tmp_path, *units) as one:
            assert speed_of(Path(where.partition("://")[2].partition("?")[0])) == 13  # termios.B9600
            await one.until(lambda: len(one.sink.data) >= 20)
        asked = [when for when, _ in made.asked]
    gaps = [later - earlier for earlier, later in zip(sent, asked[1:], strict=False)]
    assert len(gaps) >= 50
    assert min(gaps) >= 3.5 * 10 / 9600


async def test_a_serial_line_that_is_unplugged_and_plugged_in_again_goes_on(tmp_path: Path) -> None:
    made = Station("rtu")
    path = tmp_path / "ttyUSB-by-id"
    terminal = await made.on_terminal()
    path.symlink_to(terminal.path)
    where = f"rtu://{path}?baud=115200"
    async with line(tmp_path, unit(where, 1, [100]), keep=True) as one:
        await one.until(lambda: one.of(0))
        await terminal.close()
        path.unlink()
        await asyncio.sleep(0.1)
        terminal = await made.on_terminal()  # another device node under the same name
        path.symlink_to(terminal.path)
        seen = len(one.of(0))
        await one.until(lambda: any(not batch.status.any() for batch in one.of(0)[seen:]))
    await terminal.close()


async def test_an_unplugged_line_is_seen_at_once_and_an_absent_one_is_disconnected(tmp_path: Path) -> None:
    made = Station("rtu")
    terminal = await made.on_terminal()
    where = f"rtu://{terminal.path}"
    async with line(tmp_path, unit(where, 1, [100], every="1h")) as one:
        await one.until(lambda: one.of(0))
        await terminal.close()
        with pytest.raises(DisconnectedError):
            await asyncio.wait_for(asyncio.shield(one.task), PATIENT)
    with pytest.raises(DisconnectedError, match="no-such-port"):
        async with line(tmp_path, unit(f"rtu://{tmp_path}/no-such-port", 1, [1])):
            pass


async def test_a_line_is_for_one_gateway(tmp_path: Path) -> None:
    async with station("rtu") as (_, where), line(tmp_path, unit(where, 1, [100])):
        with pytest.raises(DisconnectedError):
            async with line(tmp_path, unit(where, 2, [100])):
                pass


async def test_a_unit_that_answers_again_on_a_serial_line_comes_back(tmp_path: Path) -> None:
    async with station("rtu", silent={2}) as (made, where):
        units = [unit(where, 1, [100]), unit(where, 2, [200], timeout="50ms")]
        async with line(tmp_path, *units) as one:
            await one.until(lambda: one.counters["units_set_aside_total"])
            made.silent = set()
            await one.until(lambda: not one.of(1)[-1].status.any())
            assert np.array_equal(one.of(1)[-1].value, [200.0])

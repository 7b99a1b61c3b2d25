"""`modbus PROFILE.yaml`: simulated Modbus TCP units as a profile says, with faults, for commissioning and for tests."""

import argparse
import asyncio
import time
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.sdk import Delay, WriteRefusedError
from gateway_sim.process import CommandError, Commands, Console, switch
from gateway_sim.profile import Profile, load
from gateway_sim.profile_unit import Unit
from gateway_sim.servers.modbus import HOST, FrameError, frame, take_frame


class ProfileServer:
    """Serves the units of a profile on one port."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.units = {number: Unit(config, number) for number, config in profile.units.items()}
        self.clients: set[asyncio.Transport] = set()
        self.asked = 0  # requests, those that were ignored too
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen. Returns the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self), HOST, self.profile.port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Close listener and connections. Safe twice."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for transport in tuple(self.clients):
                transport.abort()
            await server.wait_closed()
            await asyncio.sleep(0)  # the transports close in the next turn of the loop

    @property
    def full(self) -> bool:
        """Whether no more connections are served."""
        return 0 < self.profile.connections <= len(self.clients)


class _Session(asyncio.Protocol):
    """One client: frames in, frames out, in order."""

    def __init__(self, server: ProfileServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._last = 0.0  # when the last request came
        self._transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        if self._server.full:
            transport.abort()
        else:
            self._server.clients.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol names it
        self._server.clients.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while (taken := take_frame(self._buffer)) is not None:
                self._serve(*taken)
        except FrameError:
            self._transport.abort()

    def _serve(self, header: bytes, request: bytes) -> None:
        self._server.asked += 1
        unit = self._server.units.get(header[6])
        last, self._last = self._last, time.monotonic()
        if unit is None or unit.faults.silent or self._last - last < unit.faults.pause:
            return
        answer = frame(header, unit.answer(request, time.time_ns()))
        if unit.faults.delay:
            asyncio.get_running_loop().call_later(unit.faults.delay, self._send, answer)
        else:
            self._send(answer)

    def _send(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


class Orders:
    """What the simulator obeys on stdin. The first word behind the command is the number of the unit."""

    def __init__(self, server: ProfileServer) -> None:
        self._server = server

    @property
    def commands(self) -> Commands:
        """By their names on stdin."""
        return {
            "silent": self.silent, "exception": self.exception, "delay": self.delay, "set": self.set,
            "stats": self.stats,
        }  # fmt: skip

    def silent(self, unit: str, state: str) -> None:
        """`silent UNIT on|off`: requests are taken and never answered."""
        self._change(unit, silent=switch(state))

    def exception(self, unit: str, code: str) -> None:
        """`exception UNIT CODE|off`: every request gets this exception."""
        if code != "off" and not code.isdecimal():
            raise CommandError(f"a code or off, not {code!r}")
        self._change(unit, exception=None if code == "off" else int(code))

    def delay(self, unit: str, time_: str) -> None:
        """`delay UNIT TIME`: time to answer, as in 200ms."""
        try:
            self._change(unit, delay=TypeAdapter(Delay).validate_python(time_))
        except ValidationError as error:
            raise CommandError(f"a time as in 200ms, not {time_!r}") from error

    def set(self, unit: str, tag: str, value: str) -> None:
        """`set UNIT TAG VALUE`: let a constant tag hold a value, in engineering units."""
        try:
            number: float | str = float(value)
        except ValueError:
            number = value
        try:
            self._unit(unit).show(tag, number)
        except (KeyError, WriteRefusedError) as error:
            raise CommandError(f"{tag}: {error}") from error

    def stats(self) -> Mapping[str, Any]:
        """`stats`: requests and open connections."""
        return {"asked": self._server.asked, "clients": len(self._server.clients)}

    def _change(self, unit: str, **faults: Any) -> None:
        one = self._unit(unit)
        one.faults = one.faults.model_copy(update=faults)

    def _unit(self, word: str) -> Unit:
        units = self._server.units
        if not word.isdecimal() or int(word) not in units:
            raise CommandError(f"there is no unit {word}; there are {', '.join(map(str, units))}")
        return units[int(word)]


async def run(options: argparse.Namespace) -> None:
    """Serve until told to stop."""
    profile = load(options.profile)
    console = Console(keep=options.keep)
    server = ProfileServer(profile)
    port = await server.start()
    try:
        units = {str(number): sorted(unit.tags) for number, unit in profile.units.items()}
        console.open({"port": port, "units": units}, Orders(server).commands)
        await console.until_stopped()
    finally:
        await server.stop()

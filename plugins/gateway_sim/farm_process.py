"""`farm` as a process: its commands, its journal on disk and its ready line."""

import argparse
import asyncio
import contextlib
import os
import resource
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from gateway_sim.farm import Device, Farm, Journal
from gateway_sim.process import CommandError, Commands, Console, switch

_SPARE_FILES: Final = 100  # beside the sockets: two a device, its listener and its client


class JournalFile:
    """One line an answered read, `device,count,wall_us`; written once a turn of the loop, not once a read."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lines: list[str] = []
        self._loop = asyncio.get_running_loop()

    def __call__(self, device: int, count: int, wall_us: int) -> None:
        """Keep the line until the loop has gone round."""
        if not self._lines:
            self._loop.call_soon(self.flush)
        self._lines.append(f"{device},{count},{wall_us}\n")

    def flush(self) -> None:
        """Write what has been kept."""
        os.write(self._file, "".join(self._lines).encode())
        self._lines.clear()

    def close(self) -> None:
        """Write the rest."""
        self.flush()
        os.close(self._file)


class Orders:
    """What the farm obeys on stdin. The first word after the command is the number of the device."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def commands(self) -> Commands:
        """By their names on stdin."""
        return {
            "silent": self.silent,
            "refuse": self.refuse,
            "illegal": self.illegal,
            "exception": self.exception,
            "stats": self.stats,
        }

    def silent(self, device: str, state: str) -> None:
        """`silent I on|off`: connections are accepted, requests are never answered."""
        self._device(device).silent = switch(state)

    def refuse(self, device: str, state: str) -> None:
        """`refuse I on|off`: nothing listens, and who is connected is dropped."""
        task = asyncio.ensure_future(self._farm.refuse(self._device(device), on=switch(state)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def illegal(self, device: str, register: str) -> None:
        """`illegal I REG|off`: reads that cover REG get exception 2; several add up."""
        bad = self._device(device).illegal
        if register == "off":
            bad.clear()
        else:
            bad.add(_number(register))

    def exception(self, device: str, code: str) -> None:
        """`exception I CODE|off`: every read gets this exception."""
        self._device(device).exception = None if code == "off" else _number(code)

    def stats(self) -> Mapping[str, Any]:
        """`stats`: answered reads and open connections, a number a device."""
        devices = self._farm.devices
        return {
            "answered": [device.answered for device in devices],
            "clients": [len(device.clients) for device in devices],
            "total": sum(device.answered for device in devices),
        }

    def _device(self, word: str) -> Device:
        index = _number(word)
        if index >= len(self._farm.devices):
            raise CommandError(f"device {index}: there are 0 to {len(self._farm.devices) - 1}")
        return self._farm.devices[index]


def _number(word: str) -> int:
    if not word.isdecimal():
        raise CommandError(f"a number, not {word!r}")
    return int(word)


def allow_files(wanted: int) -> None:
    """Raise the soft limit of open files as far as the hard limit lets it, when `wanted` is more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, wanted)), hard))


@contextlib.contextmanager
def _journal(path: Path | None) -> Iterator[Journal | None]:
    if path is None:
        yield None
        return
    file = JournalFile(path)
    try:
        yield file
    finally:
        file.close()


async def run(options: argparse.Namespace) -> None:
    """Serve until told to stop."""
    console = Console(keep=options.keep)
    allow_files(2 * options.devices + _SPARE_FILES)
    with _journal(options.journal) as journal:
        farm = Farm(options.devices, options.registers, options.delay / 1000, journal)
        ports = await farm.start(options.base_port)
        try:
            about = {"ports": ports, "registers": options.registers, "period": options.period}
            console.open(about, Orders(farm).commands)
            await console.until_stopped()
        finally:
            await farm.stop()

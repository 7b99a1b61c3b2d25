"""What every simulator process has in common: one JSON line when it serves, commands on stdin, a prompt end.

It ends on SIGTERM, on SIGINT, at the end of stdin (unless `--keep`), and when its parent dies. Standard output carries
JSON lines only: whatever else in the process prints goes to standard error.
"""

import asyncio
import contextlib
import ctypes
import inspect
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

Commands = Mapping[str, Callable[..., Mapping[str, Any] | None]]

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_CHUNK: Final = 65536


class CommandError(Exception):
    """A command that cannot be obeyed; the message is the answer."""


def die_with_parent() -> None:
    """Ask Linux for SIGTERM when the thread that started this process ends. Elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def split_words(line: str) -> list[str]:
    """The words of a command: plain text, or a JSON array of words. Raises CommandError."""
    if not line.lstrip().startswith("["):
        return line.split()
    try:
        words = json.loads(line)
    except ValueError as error:
        raise CommandError(f"no JSON: {error}") from error
    return [str(word) for word in words]


def obey(line: str, commands: Commands) -> dict[str, Any]:
    """Carry out one command. What it answers, `{"ok": …}` or `{"error": …}`; never raises for a wrong command."""
    try:
        words = split_words(line)
        name, given = (words[0], words[1:]) if words else ("", [])
        if name not in commands:
            raise CommandError(f"no command {name!r}; there are {', '.join(commands) or 'none'}")  # noqa: TRY301 - one way out
        inspect.signature(commands[name]).bind(*given)
        return {"ok": " ".join(words), **(commands[name](*given) or {})}
    except CommandError as error:
        return {"error": str(error)}
    except TypeError as error:
        return {"error": f"{line.strip()}: {error}"}


def switch(word: str) -> bool:
    """`on` or `off`. Raises CommandError."""
    if word not in {"on", "off"}:
        raise CommandError(f"on or off, not {word!r}")
    return word == "on"


class Console:
    """Standard input, standard output and signals of one process. Make it inside the running loop."""

    def __init__(self, *, keep: bool = False) -> None:
        self.stopped = asyncio.Event()
        self._keep = keep
        self._loop = asyncio.get_running_loop()
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)

    def say(self, line: Mapping[str, Any]) -> None:
        """Write one JSON line. When nobody reads any more, the process ends."""
        try:
            self._out.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            self._out.flush()
        except BrokenPipeError:
            self.stopped.set()

    def open(self, ready: Mapping[str, Any], commands: Commands) -> None:
        """Say that the process serves, and obey `commands` from now on; each gets one JSON line as its answer."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stopped.set)
        self.say({"ready": True, **ready})
        threading.Thread(target=self._listen, args=(commands,), name="stdin", daemon=True).start()

    async def until_stopped(self, *work: Coroutine[Any, Any, None]) -> None:
        """Work until told to stop, or until any of `work` ends; what it raises is raised here."""
        tasks = [asyncio.create_task(one) for one in (self.stopped.wait(), *work)]
        done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        await asyncio.wait(tasks)
        for task in done:
            task.result()

    def _listen(self, commands: Commands) -> None:
        """A thread, since an event loop cannot wait for every kind of stdin (a file, /dev/null)."""
        buffer = b""
        with contextlib.suppress(RuntimeError, OSError):  # the loop, or stdin, is already closed: the process is ending
            while chunk := os.read(0, _CHUNK):
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in filter(None, lines):
                    self._loop.call_soon_threadsafe(self._obey, line.decode(errors="replace"), commands)
            if not self._keep:
                self._loop.call_soon_threadsafe(self.stopped.set)

    def _obey(self, line: str, commands: Commands) -> None:
        self.say(obey(line, commands))

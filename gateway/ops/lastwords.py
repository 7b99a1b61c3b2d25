"""What a process says as it dies, for the next one to read: a crash, a kill by the watchdog, a call of `os._exit`.

faulthandler writes the stacks of all threads at a fatal signal, and needs no working interpreter for it. SIGABRT is
one, which is how systemd's watchdog ends a service (systemd.service(5), WatchdogSignal). `os._exit` leaves no trace of
its own, so whoever calls it is noted first.
"""

import contextlib
import faulthandler
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import orjson

from gateway.ops.culprit import CONNECTION, Plugins, files, place, stack
from gateway.sdk.errors import FieldgateError

FILE: Final = "last-words"
ENDED: Final = "ended the process"
_LARGEST: Final = 65536  # bytes that are read of it
_EXIT: Final = "os._exit "


@dataclass(frozen=True, slots=True)
class Words:
    """How the process before this one ended.

    Attributes:
        how: ENDED, or the signal in faulthandler's words.
        connection: on whose behalf, where that is known; else "".
        adapter: whose code it was; "" where it was no plugin's.
        where: `file:line function`.
    """

    how: str
    connection: str
    adapter: str
    where: str


class LastWords:
    """The file in the state folder: read once, then kept open for the words of this process."""

    def __init__(self, state: Path, plugins: Plugins) -> None:
        self._path, self._plugins = state / FILE, plugins
        self._file: IO[bytes] | None = None
        self._pid, self._exit = os.getpid(), os._exit

    def open(self) -> Words | None:
        """What the last process said; None where it ended in order. From now on this one's go there."""
        with contextlib.suppress(OSError):  # a disk that is read-only keeps no gateway from starting
            said = self._path.read_bytes()[:_LARGEST] if self._path.is_file() else b""
            self._file = self._path.open("wb")
            faulthandler.enable(self._file)
            os._exit = self._told  # the same call, noted first
            return self._read(said.decode(errors="replace"))
        return None

    def close(self) -> None:
        """An end in order: nothing to say."""
        os._exit = self._exit
        if self._file is not None:
            faulthandler.enable(sys.__stderr__ or 2) if sys.flags.dev_mode else faulthandler.disable()
            self._file.close()
            self._path.unlink(missing_ok=True)

    def _told(self, status: int) -> Any:
        if os.getpid() == self._pid and self._file is not None:  # no child of a fork
            frame = sys._getframe(1)  # noqa: SLF001 - the caller
            self._file.write(_note(CONNECTION.get(), list(files(frame)), stack(frame)[0]))
            self._file.flush()
        self._exit(status)

    def _read(self, said: str) -> Words | None:
        if not said:
            return None
        if said.startswith(_EXIT):
            with contextlib.suppress(orjson.JSONDecodeError, TypeError, KeyError):
                note = orjson.loads(said.removeprefix(_EXIT))
                adapter = self._plugins.of(note["files"])
                return Words(ENDED, note["connection"] or self._plugins.alone(adapter), adapter, note["where"])
            return None
        adapter = self._plugins.told_by(said)
        how = said.partition("\n")[0].removeprefix("Fatal Python error: ")
        return Words(how, self._plugins.alone(adapter), adapter, place(said))


def asked_to_end(state: Path, error: SystemExit) -> FieldgateError:
    """A task of its own in which a plugin has called `sys.exit` ends the loop: what to raise for it, noted first.

    Its exit code must not be the gateway's: with some, systemd would not start it again.
    """
    places = traceback.extract_tb(error.__traceback__)[::-1]
    where = f"{places[0].filename}:{places[0].lineno} {places[0].name}" if places else "?"
    with contextlib.suppress(OSError):
        (state / FILE).write_bytes(_note("", [one.filename for one in places], where))
    return FieldgateError(f"SystemExit({error}) at {where}: a plugin has asked for the end of the gateway")


def _note(connection: str, files: list[str], where: str) -> bytes:
    """Who ends the process; `files` of the stack, innermost first."""
    return _EXIT.encode() + orjson.dumps({"connection": connection, "files": files, "where": where})

"""Reading a configuration beside a running gateway: in a process of its own, at low priority.

Reading five thousand tags takes a second of Python. On a thread of the gateway it would hold the interpreter again and
again, and on a busy machine polls would wait for it; a process of its own takes nothing but what nobody else wants.
`python -m gateway.reading` takes (path, content that runs) and gives (configuration, changes), pickled both ways.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from gateway.config.compare import Change, Side, compare
from gateway.config.load import Configuration, load_written
from gateway.config.problems import ConfigErrors
from gateway.ingest.registry import Registry
from gateway.ops.memory import share_equal_tags
from gateway.sdk.errors import FieldgateError

_WITHIN: Final = 120.0  # s
_NICE: Final = 10
_PLAIN, _WRONG = "read", "wrong"

Read = tuple[Configuration, list[Change]]


class UnreadableError(FieldgateError):
    """The configuration could not be read at all; the message says why."""


async def read_beside(path: Path, running: Mapping[str, bytes]) -> Read:
    """What the files at `path` say, and what is other than in the content that runs.

    Raises:
        ConfigErrors: they are wrong.
        UnreadableError: the process came to nothing.
    """
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "gateway.reading")
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(_WITHIN):
            out, err = await child.communicate(pickle.dumps((path, dict(running))))
    except TimeoutError:
        raise UnreadableError(f"reading the configuration took more than {_WITHIN:.0f} s") from None
    finally:
        if child.returncode is None:
            child.kill()
    if child.returncode:
        last = err.decode(errors="replace").strip().rpartition("\n")[2]
        raise UnreadableError(f"reading the configuration failed: {last or f'exit code {child.returncode}'}")
    kind, found = await asyncio.to_thread(pickle.loads, out)
    if kind == _WRONG:
        raise ConfigErrors(found)
    read: Read = found
    return read


def read(path: Path, running: Mapping[str, bytes]) -> Read:
    """The same here and now."""
    models = Registry().models()
    new, written = load_written(path, models)
    share_equal_tags(new.devices)
    home = new.files[0].parent
    try:
        before = load_written(path, models, kept=running)
    except ConfigErrors:  # such as a secret that is no more: what runs could not be started any more, and may go
        return new, []
    return new, compare(Side(*before, home), Side(new, written, home))


def main(given: BinaryIO, out: BinaryIO) -> None:
    """The process."""
    os.nice(_NICE)
    path, running = pickle.load(given)  # noqa: S301 - of our own parent
    answer: tuple[str, Any]
    try:
        answer = _PLAIN, read(path, running)
    except ConfigErrors as error:
        answer = _WRONG, error.problems
    out.write(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # whatever a plugin prints while it is imported is no answer
        main(sys.stdin.buffer, answers)

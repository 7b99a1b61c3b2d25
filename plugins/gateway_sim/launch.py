"""Start a simulator process, wait until it serves, talk to it, end it: for demos, benches and tests.

The process ends with the thread that started it: start it from a thread that lives on.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from types import TracebackType
from typing import IO, Any, Final, Self

START_WITHIN: Final = 30.0  # s; an OPC UA server builds its address space first
ANSWER_WITHIN: Final = 10.0
STOP_WITHIN: Final = 5.0


class SimulatorError(Exception):
    """The process ended, or kept silent, where a line was due."""


class Simulator:
    """One `python -m gateway_sim VERB`. `ready` is what it said when it began to serve."""

    def __init__(self, *arguments: str, start_within: float = START_WITHIN) -> None:
        """Start it and wait until it serves. Raises SimulatorError."""
        self.arguments = arguments
        self._lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
            [sys.executable, "-m", "gateway_sim", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert self.process.stdout is not None  # noqa: S101 - for the type checker: it is a PIPE
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()
        try:
            self.ready = self.next_line(start_within)
        except SimulatorError:
            self.stop()
            raise

    def next_line(self, within: float = ANSWER_WITHIN) -> dict[str, Any]:
        """The next JSON line of its standard output. Raises SimulatorError when none comes."""
        try:
            line = self._lines.get(timeout=within)
        except queue.Empty:
            line = None
        if line is None:
            raise SimulatorError(f"gateway_sim {' '.join(self.arguments)}: no line within {within} s, or it has ended")
        return line

    def tell(self, command: str) -> dict[str, Any]:
        """Give a command and wait for its answer. Raises SimulatorError when it is refused."""
        assert self.process.stdin is not None  # noqa: S101 - for the type checker: it is a PIPE
        try:
            self.process.stdin.write(command.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise SimulatorError(f"gateway_sim {' '.join(self.arguments)} has ended") from error
        answer = self.next_line()
        if "error" in answer:
            raise SimulatorError(answer["error"])
        return answer

    def stop(self) -> int:
        """End it: by SIGTERM, and by SIGKILL when that does not help. Safe twice. Returns the exit code."""
        self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
        code = self.process.wait()
        self._reader.join(STOP_WITHIN)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self, stdout: IO[bytes]) -> None:
        for line in stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

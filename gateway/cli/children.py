"""Processes that a verb starts beside itself: simulators that speak JSON lines, and the daemon. Ended by their pid."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.sdk.errors import FieldgateError


class ChildError(FieldgateError):
    """A process did not come up, or ended early. The message carries what it said last."""


class Child:
    """One process of ours: `python -m MODULE …`."""

    def __init__(self, arguments: Sequence[str], log: Path, *, stdout: bool = True) -> None:
        """Start it; what it says on stderr goes to the file `log`."""
        self.arguments, self.log = list(arguments), log
        with log.open("ab") as err:
            self.process = subprocess.Popen(  # noqa: S603 - our own modules by our own interpreter
                [sys.executable, "-m", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if stdout else err,
                stderr=err,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def line(self, within: float = 30.0) -> dict[str, Any]:
        """The next JSON line that it says. Raises ChildError when none comes within `within` seconds."""
        assert self.process.stdout is not None  # noqa: S101 - it was started with a pipe
        ready, _, _ = select.select([self.process.stdout], [], [], within)
        text = self.process.stdout.readline() if ready else b""
        if not text:
            raise ChildError(f"{' '.join(self.arguments)} said nothing within {within:.0f} s: {self.last_words()}")
        answer: dict[str, Any] = json.loads(text)
        return answer

    def tell(self, command: str) -> dict[str, Any]:
        """Give it a command and wait for the answer."""
        assert self.process.stdin is not None  # noqa: S101 - it was started with a pipe
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return self.line()

    def last_words(self) -> str:
        """The end of what it wrote to stderr."""
        return self.log.read_text(errors="replace")[-2000:].strip() or "(nothing on stderr)"

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self._reap(5.0)

    def stop(self, within: float = 10.0) -> int:
        """SIGTERM, then SIGKILL when it does not end within `within` seconds; its exit code."""
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self._reap(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self._reap(5.0)

    def _reap(self, within: float) -> int:
        code = self.process.wait(within)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        return code


def simulator(verb: str, *options: str, log: Path) -> tuple[Child, dict[str, Any]]:
    """A simulator, and its ready line."""
    child = Child(["gateway_sim", verb, *options], log)
    return child, child.line()


def daemon(config: Path, state: Path, log: Path, *options: str) -> Child:
    """The gateway itself, listening on a free port; its address comes to stand in `state/listen`."""
    (state / "listen").unlink(missing_ok=True)
    arguments = ["gateway", "run", "--config", str(config), "--state", str(state), "--listen", "127.0.0.1:0", *options]
    return Child(arguments, log, stdout=False)


def listening(child: Child, state: Path, within: float = 30.0) -> str:
    """host:port that the daemon listens on. Raises ChildError when it does not come up."""
    until = time.monotonic() + within
    while not (state / "listen").is_file() or not (text := (state / "listen").read_text()):
        if not child.alive or time.monotonic() > until:
            raise ChildError(f"the gateway did not start: {child.last_words()}")
        time.sleep(0.05)
    return text


def write_configuration(folder: Path, root: dict[str, Any], devices: Sequence[dict[str, Any]]) -> Path:
    """Write a configuration (JSON is YAML) for the daemon; the path of its main file."""
    (folder / "devices.d").mkdir(parents=True, exist_ok=True)
    path = folder / "fieldgate.yaml"
    path.write_text(json.dumps(root, ensure_ascii=False, indent=1))
    for device in devices:
        file = folder / "devices.d" / f"{device['device']}.yaml"
        file.write_text(json.dumps(device, ensure_ascii=False, indent=1))
    return path

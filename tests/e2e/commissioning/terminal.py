"""A terminal, into which tests type the commands of a page."""

import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PATIENCE = 30.0  # s that a command is repeated, as by a person who waits for a start
MARK = "@@"


def commands(page: Path) -> list[str]:
    """The commands of a page, each block one."""
    return [text.rstrip("\n") for text in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)]


class Terminal:
    """One shell, as a person has it open all the while."""

    def __init__(self, folder: Path, shell: Sequence[str] = ("bash",), env: dict[str, str] | None = None) -> None:
        """`shell` is started in `folder`."""
        self._shell = subprocess.Popen(
            shell,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=env,
        )

    def type(self, command: str) -> dict[str, Any]:
        """Type it; its exit code and what it printed."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f"{command}\nprintf '\\n{MARK} %s\\n' $?\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(MARK):
                return {"command": command, "code": int(line.split()[1]), "output": "".join(lines)}
            lines.append(line)
        raise RuntimeError(f"the shell ended at {command}")

    def repeat(
        self, command: str, enough: Callable[[dict[str, Any]], Any] = lambda typed: not typed["code"]
    ) -> dict[str, Any]:
        """Type it until it goes well, or says `enough`."""
        until = time.monotonic() + PATIENCE
        while not enough(typed := self.type(command)) and time.monotonic() < until:
            time.sleep(1.0)
        return typed

    def close(self) -> None:
        """End it, and all that it has started where it is the first of its processes."""
        self._shell.kill()
        self._shell.wait(10)
        for pipe in (self._shell.stdin, self._shell.stdout):
            assert pipe
            pipe.close()

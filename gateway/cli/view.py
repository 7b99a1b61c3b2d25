"""The live view of the demo: assets with their scores, tags, alarms, rates. Redrawn in place on a terminal."""

import sys
import time
from collections import deque
from typing import Any, Protocol

_BAR = 24
_LINES = 6


class Show(Protocol):
    """What the view tells of the show itself."""

    current: str
    phase: str


class View:
    """Draws what it was told; prints alarms line by line where no terminal watches."""

    def __init__(self, act: Show, *, show: bool, note: str = "") -> None:
        """`note`: a line that stands below all; without a terminal it is printed once, to stderr."""
        self._act, self._show, self._note = act, show, note
        self._values: dict[str, tuple[Any, int]] = {}
        self._alarms: deque[str] = deque(maxlen=_LINES)
        self._readings = 0
        self._rate = (time.monotonic(), 0, 0.0)
        if show:
            sys.stdout.write("\x1b[?25l\x1b[2J")
        elif note:
            sys.stderr.write(f"{note}\n")

    def hear(self, kind: str, message: dict[str, Any]) -> None:
        """Take a message from the broker."""
        if kind == "telemetry":
            self._readings += len(message["values"])
            codes = message.get("status") or [0] * len(message["values"])
            for tag, value, code in zip(message["tags"], message["values"], codes, strict=True):
                self._values[f"{message['device']}.{tag}"] = (value, code)
        elif kind in ("alarm", "event"):
            text = message.get("message") or message.get("text", "")
            self._alarms.append(f"{message['time'][11:19]}  {kind:5}  {message.get('state', ''):24} {text}")

    def draw(self, status: dict[str, Any]) -> None:
        """One frame."""
        if not self._show:
            return
        now, (before, readings, rate) = time.monotonic(), self._rate
        if now - before >= 1:
            rate = (self._readings - readings) / (now - before)
            self._rate = (now, self._readings, rate)
        fault = f"fault on: {self._act.current}" if self._act.phase in ("fault", "alarm") else self._act.phase
        lines = [f"\x1b[1mFieldgate demo\x1b[0m   {fault}   {rate:.0f} values/s   up {status['uptime']:.0f} s", ""]
        lines += [_asset(asset) for asset in status["assets"]]
        lines += ["", *self._tags(), "", *self._alarms, "", *filter(None, [self._note]), "Ctrl-C ends it."]
        sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        sys.stdout.flush()

    def _tags(self) -> list[str]:
        """All tags in two columns."""
        cells = [
            f"{name:38} {value if not isinstance(value, float) else f'{value:10.3f}'!s:>10}{'' if code == 0 else ' !'}"
            for name, (value, code) in sorted(self._values.items())
        ]
        half = (len(cells) + 1) // 2
        return [f"{left:54}{right}" for left, right in zip(cells[:half], [*cells[half:], ""], strict=False)]

    def end(self) -> None:
        """Give the terminal back."""
        if self._show:
            sys.stdout.write("\x1b[?25h\n")
            sys.stdout.flush()


def _asset(asset: dict[str, Any]) -> str:
    if asset["score"] is None or asset["threshold"] is None:
        return f"  {asset['asset']:12} {asset['phase']} {asset['rows']}/{asset['needed']} rows"
    share = min(asset["score"] / asset["threshold"], 2.0) / 2
    bar = "█" * round(share * _BAR)
    colour = "\x1b[31m" if asset["alarm"].startswith("active") else "\x1b[32m"
    figures = f"{asset['score']:7.3f} of {asset['threshold']:.3f}"
    return f"  {asset['asset']:12} {colour}{bar:{_BAR}}\x1b[0m {figures}  {asset['alarm']}"

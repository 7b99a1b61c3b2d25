"""A process that dies of a plugin says whose fault it was, and the next one hears it."""

import importlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.ops.culprit import Plugins
from gateway.ops.lastwords import FILE, LastWords, Words

PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
import murderer
from gateway.ops.culprit import CONNECTION, Plugins
from gateway.ops.lastwords import LastWords

plugins = Plugins()
plugins.know("murderer", "press", "murderer")
words = LastWords(Path({state!r}), plugins)
assert words.open() is None
CONNECTION.set("press")
print("ready", flush=True)
murderer.{deed}()
words.close()
"""
MURDERER = """
import ctypes, os, signal, sys

def exits(): os._exit(3)
def crashes(): ctypes.string_at(0)
def keeps_the_gil(): ctypes.PyDLL(None).sleep(30)
def forks():
    if not os.fork():
        os._exit(0)
    os.wait()
def behaves(): pass
"""


def die(folder: Path, deed: str, number: int = 0) -> Words | None:
    """Have a process do `deed`, and end it by a signal where it does not by itself; what the next one hears."""
    (folder / "murderer.py").write_text(MURDERER)
    program = PROGRAM.format(folder=str(folder), state=str(folder), deed=deed)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        process.stdout.readline()
        if number:
            time.sleep(0.3)
            process.send_signal(number)
        process.wait(20)
    sys.path.insert(0, str(folder))
    try:
        importlib.import_module("murderer")
        plugins = Plugins()
        plugins.know("murderer", "press", "murderer")
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("murderer", None)
    return heard(folder, plugins)


def heard(folder: Path, plugins: Plugins) -> Words | None:
    words = LastWords(folder, plugins)
    try:
        return words.open()
    finally:
        words.close()


def test_whoever_ends_the_process_is_noted_first(tmp_path: Path) -> None:
    words = die(tmp_path, "exits")
    assert words
    assert (words.how, words.connection, words.adapter) == ("ended the process", "press", "murderer")
    assert "murderer.py" in words.where


def test_a_crash_names_the_plugin_in_whose_code_it_was(tmp_path: Path) -> None:
    words = die(tmp_path, "crashes")
    assert words
    assert (words.how, words.connection, words.adapter) == ("Segmentation fault", "press", "murderer")


def test_a_kill_by_the_watchdog_names_who_kept_the_interpreter(tmp_path: Path) -> None:
    words = die(tmp_path, "keeps_the_gil", signal.SIGABRT)
    assert words
    assert (words.how, words.adapter) == ("Aborted", "murderer")
    assert words.where.endswith("keeps_the_gil")


@pytest.mark.parametrize("deed", ["behaves", "forks"])
def test_an_end_in_order_says_nothing(tmp_path: Path, deed: str) -> None:
    assert die(tmp_path, deed) is None
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("content", [b"os._exit {", b"os._exit []", b'os._exit {"x": 1}'])
def test_words_that_nobody_understands_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert heard(tmp_path, Plugins()) is None


def test_a_crash_of_nobodys_accuses_nobody(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        "Fatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n"
        '  File "/usr/lib/python3/selectors.py", line 468 in select\n'
    )
    words = heard(tmp_path, Plugins())
    assert words == Words("Aborted", "", "", "/usr/lib/python3/selectors.py:468 select")


def test_a_folder_that_cannot_be_written_keeps_nobody_from_starting() -> None:
    assert heard(Path("/nonexistent/folder"), Plugins()) is None

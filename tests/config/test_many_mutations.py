"""Damaged templates, sheets and includes: each is read, or gives one clear report, in bounded time and memory.

500 of them, or 10,000 with FIELDGATE_FULL=1.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from tests.config.many import MAIN, PUMP, PUMPS, SHEET, WATCHED, write
from tests.config.test_mutations import damaged, refusal_is_clear

COUNT: Final = 10_000 if os.environ.get("FIELDGATE_FULL") == "1" else 500
SEEDS: Final = 10
SECONDS: Final = 20.0  # of processor time for one configuration; a few milliseconds are usual
MOST: Final = 1 << 20  # KiB that a process may take that reads the worst of them
EXTRA: Final = "level:\n  at: ${base}\nmore: !include more.yaml\n"
FILES: Final = {
    "fieldgate.yaml": MAIN,
    "devices.d/pumps.yaml": PUMPS + "tags: {extra: !include ../extra.yaml}\n",
    "templates/pump@2.yaml": PUMP,
    "templates/pump.csv": SHEET,
    "templates/watched.yaml": WATCHED,
    "extra.yaml": "{at: 7, unit: m}\n",
}
WORDS: Final = [
    "${", "${}", "${n", "${n:03}", "${n:99}", "${n:1}", "$${n}", "${device}", "${base}", "${n}${n}", "${${n}}",
    "{n: 1..9}",
    "1..99999999", "-5..5", "9..1", "1..", "[]", "{}", "!csv pump.csv", "!csv ../templates/pump.csv",
    "!csv fieldgate.yaml",
    "!include fieldgate.yaml", "!include pumps.yaml", "!include pump@2.yaml", "!include ../devices.d/pumps.yaml",
    "!include .", "!include /dev/zero", "!include /etc/passwd", "!include ${n}", "!csv", "!include", "!secret pump",
    "!secret ${n}", "use: pump@2", "use: [pump@2, watched]", "use: watched", "for: {m: [1, 2]}", "with: {host: 1}",
    "with: ",
    "parameters:", "name", "name,name", ";", "\t", '"', '""', "\ufeff", "\x00", "ß中", "a" * 3000, "[" * 50, "~",
]  # fmt: skip


def bomb(kind: str) -> dict[str, bytes]:
    """Files that stand for more than any machine holds."""
    if kind == "includes":
        inner = {f"{n}.yaml": ("[" + ", ".join([f"!include {n + 1}.yaml"] * 20) + "]").encode() for n in range(9)}
        return {**inner, "9.yaml": b"[1]", "extra.yaml": b"!include 0.yaml"}
    if kind == "templates":
        using = "use: [" + ", ".join(["t{}"] * 20) + "]\n"
        inner = {f"templates/t{n}.yaml": using.replace("{}", str(n + 1)).encode() for n in range(8)}
        return {**inner, "templates/t8.yaml": b"a: 1\n", "templates/pump@2.yaml": b"use: t0\n"}
    if kind == "aliases":
        laughs = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
            f"{key}: &{key} [{', '.join(['*' + before] * 10)}]\n" for before, key in zip("abcde", "bcdef", strict=True)
        )
        return {"templates/pump@2.yaml": laughs.encode()}
    if kind == "parameters":
        return {
            "templates/pump@2.yaml": b"parameters: {host: "
            b"[" + b"1," * 1000 + b"]}\na: ['${host}'" + b",'${host}'" * 3000 + b"]\n"
        }
    return {"templates/pump.csv": b"name,at\n" + b"".join(b"t%d,1\n" % n for n in range(100_001))}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_damaged_templates_sheets_and_includes_are_read_or_give_one_report(tmp_path: Path, seed: int) -> None:
    write(tmp_path, FILES)
    dice, refused = random.Random(seed), 0
    for _ in range(COUNT // SEEDS):
        changed = dice.sample(sorted(FILES), dice.choice([1, 1, 2]))
        for name in changed:
            (tmp_path / name).write_bytes(harmed(dice, FILES[name]))
        start = time.process_time()
        refused += refusal_is_clear(tmp_path / "fieldgate.yaml")
        assert time.process_time() - start < SECONDS
        for name in changed:
            (tmp_path / name).write_text(FILES[name])
    assert refused > COUNT // SEEDS // 3
    assert not refusal_is_clear(tmp_path / "fieldgate.yaml"), "the undamaged one is read"


def harmed(dice: random.Random, text: str) -> bytes:
    """`text` with a word too many, as test_mutations damages it, or in another encoding."""
    chance = dice.random()
    if chance < 0.05:
        return text.encode(dice.choice(["utf-16", "cp1252", "utf-8-sig", "utf-32"]), "replace")
    if chance < 0.55:
        at = dice.randrange(len(text) + 1)
        end = at + dice.choice([0, 0, 1, 5, 20])
        return (text[:at] + dice.choice(WORDS) + text[end:]).encode()
    return damaged(dice, text)


@pytest.mark.parametrize("kind", ["includes", "templates", "aliases", "parameters", "rows"])
def test_a_bomb_is_refused_in_bounded_time(tmp_path: Path, kind: str) -> None:
    main = write(tmp_path, FILES)
    for name, content in bomb(kind).items():
        (tmp_path / name).write_bytes(content)
    start = time.process_time()
    assert refusal_is_clear(main)
    assert time.process_time() - start < SECONDS
    assert taken_to_check(main) < MOST


def taken_to_check(main: Path) -> int:
    """Memory that `fieldgate check` takes at most, KiB."""
    command = [sys.executable, "-m", "gateway", "check", "--config", str(main)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 78
    return used.ru_maxrss


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    main = write(tmp_path, FILES)
    (tmp_path / "extra.yaml").unlink()
    os.mkfifo(tmp_path / "extra.yaml")
    assert refusal_is_clear(main)

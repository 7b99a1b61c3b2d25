"""Damaged configurations: each is read, or gives one report that names a place. Nothing else is raised.

2,000 of them, or 10,000 with FIELDGATE_FULL=1.
"""

import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.problems import ConfigErrors
from tests.config.tables import Models

EACH = 500 if os.environ.get("FIELDGATE_FULL") == "1" else 100
MAIN = """\
gateway: {id: line-3, secrets_dir: secrets}
mqtt:
  url: mqtts://broker.plant:8883
  user: line-3
  password: !secret mqtt
  keepalive: 30s
  window: 100
  ca: ca.pem
telemetry: changes
assets:
  pump-7:
    tags: [pump-7.flow, pump-7.pressure, press.t]
    every: 1s
    alarm: {severity: high, on_delay: 3s, budget: 1/week, deadband: 0.1}
outbox: {budget: 64MiB, max_age: 1d}
log: {level: info}
"""
DEVICES = """\
device: pump-7
adapter: pump
connect: tcp://10.0.4.21:502
every: 1s
tags:
  flow:     &f {at: 100, type: float32, unit: m³/h, range: [0, 10.5], deadband: 0.05}
  pressure: {at: 102, scale: 0.01, unit: "bar"}
  level: *f
---
device: press
adapter: server
url: opc.tcp://10.0.4.22:4840
login: {user: me, phrase: !secret mqtt}
keys: {a: !secret mqtt}
trust: [a.pem]
tags:
  t: {node: ns=2;s=T, stale_after: 5s}
"""
WORDS = [
    "", "~", "NO", "true", "-1", "0", "1e999", "9" * 30, "9" * 300,
    ".nan", "-.inf", "0x" + "f" * 30, "1.5", "[]", "{}", "[[1]]",
    "{a: 1}", "!secret x", "!secret mqtt", "!!int 5", "!foo bar", "&a x",
    "*a", "*f", "'", '"', "|", ">", "@", "%", "`", "? a", "- a",
    "<<", "ß中🚀", "\u200b", "a" * 5000, "[" * 60, "{a: " * 60, "\t", "\r", "\0", "\x1b[0m", "\ufeff", "---", "...",
    "#", ": ", "1/0week", "0s",
    "99999999999999w", "0/week", "1e400s", "\u2028", "pump", "broken", "server", "device", "tags", "[key]", "tcp://bug",
]  # fmt: skip
Mutation = Callable[[random.Random, str], str]


def _line(dice: random.Random, text: str, change: Callable[[list[str], int], None]) -> str:
    lines = text.splitlines(keepends=True)
    change(lines, dice.randrange(len(lines)))
    return "".join(lines) or "gateway:\n"


def delete_line(dice: random.Random, text: str) -> str:
    return _line(dice, text, lambda lines, at: lines.__delitem__(at))


def double_line(dice: random.Random, text: str) -> str:
    return _line(dice, text, lambda lines, at: lines.insert(at, lines[at]))


def indent_line(dice: random.Random, text: str) -> str:
    space = dice.choice([" ", "  ", "\t", "    "])
    return _line(dice, text, lambda lines, at: lines.__setitem__(at, space + lines[at]))


def outdent_line(dice: random.Random, text: str) -> str:
    return _line(dice, text, lambda lines, at: lines.__setitem__(at, lines[at].lstrip()))


def _replace(dice: random.Random, text: str, pattern: str, change: Callable[[str], str]) -> str:
    places = list(re.finditer(pattern, text))
    if not places:
        return text
    found = dice.choice(places)
    return text[: found.start()] + change(found[0]) + text[found.end() :]


def swap_value(dice: random.Random, text: str) -> str:
    return _replace(dice, text, r"(?<=: )[^\n,{}\[\]]+", lambda _: dice.choice(WORDS))


def rename_key(dice: random.Random, text: str) -> str:
    return _replace(dice, text, r"[A-Za-z_\-0-9]+(?=:)", lambda key: dice.choice([*WORDS, key[:-1], key + "s"]))


def insert_word(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text))
    return text[:at] + dice.choice(WORDS) + text[at:]


def truncate(dice: random.Random, text: str) -> str:
    return text[: dice.randrange(1, max(2, len(text)))]


MUTATIONS: list[Mutation] = [
    delete_line, double_line, indent_line, outdent_line, swap_value, swap_value, rename_key, insert_word, truncate,
]  # fmt: skip


def damaged(dice: random.Random, text: str) -> bytes:
    for _ in range(dice.choice([1, 1, 2, 3])):
        text = dice.choice(MUTATIONS)(dice, text)
    raw = bytearray(text.encode())
    if dice.random() < 0.15:
        for _ in range(dice.randrange(1, 4)):
            raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    return bytes(raw)


def refusal_is_clear(main: Path) -> bool:
    """Whether the configuration is refused; if it is, the report must be short, have a place and hide the secret."""
    try:
        load(main, Models(), environ={})
    except ConfigErrors as caught:
        errors = caught
    else:
        return False
    report = errors.render()
    assert errors.problems
    assert "c4n4ry" not in report
    assert len(report) < 100_000
    assert all(problem.message and problem.render().count("\n") <= 2 for problem in errors.problems)
    return True


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_configuration_is_read_or_gives_one_report(tmp_path: Path, seed: int) -> None:
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/mqtt").write_text("c4n4ry")
    main, devices = tmp_path / "fieldgate.yaml", tmp_path / "devices.d/all.yaml"
    dice, refused = random.Random(seed), 0
    for _ in range(EACH):
        both = dice.random() < 0.2
        main.write_bytes(damaged(dice, MAIN) if both or dice.random() < 0.5 else MAIN.encode())
        devices.write_bytes(damaged(dice, DEVICES))
        refused += refusal_is_clear(main)
    assert refused > EACH // 2


def test_the_undamaged_configuration_is_read(tmp_path: Path) -> None:
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/mqtt").write_text("x")
    (tmp_path / "fieldgate.yaml").write_text(MAIN)
    (tmp_path / "devices.d/all.yaml").write_text(DEVICES)
    assert len(load(tmp_path / "fieldgate.yaml", Models(), environ={}).devices) == 2

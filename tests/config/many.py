"""A configuration of many machines from few lines, as a plant writes it; written into a folder, with changes."""

from pathlib import Path
from typing import Final

from gateway.config.load import Configuration, load
from gateway.config.problems import ConfigErrors, Problem
from tests.config.tables import Models

MAIN: Final = """\
gateway: {id: line-3, secrets_dir: secrets}
assets:
  pump-${n:03}:
    for: {n: 1..3}
    use: watched
    with: {device: "pump-${n:03}"}
"""
WATCHED: Final = """\
parameters: {device: }
tags: ["${device}.flow", "${device}.pressure"]
alarm: {severity: high}
"""
PUMPS: Final = """\
device: pump-${n:03}
for: {n: 1..3}
use: pump@2
with: {host: "10.0.4.${n}"}
"""
PUMP: Final = """\
parameters:
  host: {description: Address of the pump}
  every: {default: 1s}
  base: 100
adapter: pump
connect: tcp://${host}:502
every: ${every}
tags: !csv pump.csv
"""
SHEET: Final = """\
name,at,type,unit,scale,range,description
flow,${base},float32,m³/h,,"[0, 10]",Flow of ${device}
pressure,102,uint16,bar,0.01,,"Pressure, behind the ""main"" pump"
"""


def files(**changes: str) -> dict[str, str]:
    """The files by their names in the folder."""
    texts = {"main": MAIN, "pumps": PUMPS, "pump": PUMP, "sheet": SHEET, "watched": WATCHED, **changes}
    places = {
        "main": "fieldgate.yaml", "pumps": "devices.d/pumps.yaml", "pump": "templates/pump@2.yaml",
        "sheet": "templates/pump.csv", "watched": "templates/watched.yaml",
    }  # fmt: skip
    return {places.get(name, name): text for name, text in texts.items()}


def write(home: Path, content: dict[str, str]) -> Path:
    """Write the files; the path of the main one."""
    for name, text in {"secrets/pump": "c4n4ry", **content}.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    return home / "fieldgate.yaml"


def read(home: Path, content: dict[str, str]) -> Configuration:
    """What the files come to. Raises ConfigErrors."""
    return load(write(home, content), Models(), environ={})


def problems(home: Path, content: dict[str, str]) -> list[Problem]:
    """What is wrong with the files."""
    try:
        read(home, content)
    except ConfigErrors as errors:
        return list(errors.problems)
    return []


def said(home: Path, content: dict[str, str]) -> list[str]:
    """The same as people read it, each on one line."""
    return [str(problem) for problem in problems(home, content)]


def bare(**changes: str) -> dict[str, str]:
    """Only the files that are given, and a main file without assets."""
    return {"fieldgate.yaml": "gateway: {id: a, secrets_dir: secrets}\n", **changes}

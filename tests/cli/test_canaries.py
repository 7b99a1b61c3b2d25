"""Secrets that reach a device by a template, a parameter or a loop are in nothing that the verbs before a start print.

The server refuses the passwords. What a running gateway says of its secrets: tests/e2e/test_canaries.py.
"""

import contextlib
import io
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.config.jsonschema import leaves
from gateway.config.schema import Root
from gateway.ingest.registry import Registry
from tests.plugins.gateway_opcua.peers import free_port, start_asyncua

CANARIES = {
    "mqtt": "c4n4ry-broker",
    "otlp": "c4n4ry-collector",
    "plc": "c4n4ry-plc",
    "plc-2": "c4n4ry-template",
    "plc-3": "c4n4ry-parameter",
}
MAIN = """\
gateway: {id: bench, secrets_dir: secrets, state: state}
mqtt: {url: mqtt://127.0.0.1, user: u, password: !secret mqtt}
metrics: {otlp: {url: "http://127.0.0.1:1/v1/metrics", token: !secret otlp}}
"""
DEVICES = """\
device: plc
adapter: opcua
connect: opc.tcp://127.0.0.1:PORT
user: op
password: !secret plc
tags: {t: {node: ns=2;s=Double}}
---
device: plc-2
use: plc
with: {password: !secret plc-2, server: "localhost:PORT"}
---
device: plc-${n}
for: {n: 3..3}
use: plc
with: {password: !secret "plc-${n}", server: "127.0.0.3:PORT"}
"""
TEMPLATE = """\
parameters: {server: {description: Where}, password: {description: It}}
adapter: opcua
connect: opc.tcp://${server}
user: op
password: ${password}
tags: {t: {node: ns=2;s=Double}}
"""
VERBS = (
    ["check", "--verbose"], ["check", "--json", "--verbose"], ["check", "--expanded"],
    ["check", "--expanded", "--json"], ["plan", "{new}"], ["plan", "{new}", "--json"],
)  # fmt: skip
WRONG = {
    "a list": ("password: !secret plc\n", "password: [!secret plc]\n"),
    "an unknown key": ("password: !secret plc\n", "pasword: !secret plc\n"),
    "part of a text": ('!secret "plc-${n}"', '"x${secret}"'),
    "in the address": ("connect: opc.tcp://127.0.0.1:PORT", "connect: !secret plc"),
}


def written(folder: Path, devices: str) -> Path:
    for name in ("secrets", "devices.d", "templates"):
        (folder / name).mkdir(parents=True)
    for name, canary in CANARIES.items():
        (folder / "secrets" / name).write_text(canary)
    (folder / "devices.d/plc.yaml").write_text(devices)
    (folder / "templates/plc.yaml").write_text(TEMPLATE)
    (folder / "fieldgate.yaml").write_text(MAIN)
    return folder / "fieldgate.yaml"


def said(config: Path, *verb: str) -> str:
    """All that a verb prints."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        main([verb[0], "--config", str(config), *verb[1:]])
    return text.getvalue()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the verbs print, by verb, and the errors, by what is wrong."""
    folder, plc = tmp_path_factory.mktemp("canaries"), free_port()
    devices = DEVICES.replace("PORT", str(plc))
    config, new = written(folder / "old", devices), written(folder / "new", devices + "description: another\n")
    (folder / "new/secrets/plc-3").write_text("c4n4ry-changed")
    found = {" ".join(verb): said(config, *(word.format(new=new.parent) for word in verb)) for verb in VERBS}
    with start_asyncua(plc):
        found["read"] = said(config, "read", "--json", "--within", "3")
        found["browse"] = said(config, "browse", "plc-2", "--yaml")
    for name, (old, broken) in WRONG.items():
        path = written(folder / name.replace(" ", "-"), DEVICES.replace(old, broken).replace("PORT", str(plc)))
        found[f"error: {name}"] = said(path, "check")
    return found


def test_no_secret_is_printed(told: dict[str, str]) -> None:
    canaries = [*CANARIES.values(), "c4n4ry-changed"]
    assert not {(where, canary) for where, text in told.items() for canary in canaries if canary in text}


def test_there_was_something_to_see(told: dict[str, str]) -> None:
    assert all(text.strip() for text in told.values())
    assert "!secret plc-2" in told["check --expanded"]
    assert "!secret plc-3" in told["check --expanded"]
    assert "opc.tcp://127.0.0.1" in told["read"]
    assert all("plc.yaml" in text for where, text in told.items() if where.startswith("error: "))


def test_every_place_for_a_secret_has_its_canary() -> None:
    """A new option that holds one must be given its canary here."""
    models = Registry().models()
    places = {f"{one}.{'.'.join(map(str, path))}" for one in models for path in leaves(models[one], "password")}
    assert places == {"opcua.password"}
    assert {".".join(map(str, path)) for path in leaves(Root, "password")} == {"mqtt.password", "metrics.otlp.token"}

"""What a person does: import a file, check what came out, and read it from simulated devices."""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.config.problems import Source
from gateway.config.yaml import parse
from tests.plugins.gateway_modbus.device import FakeDevice

MAIN = "gateway: {id: line-3, secrets_dir: secrets}\nmqtt: {url: mqtt://127.0.0.1}\n"
CANARY = "c4n4ry-of-a-plant"


@dataclass
class Imported:
    """What an import came to."""

    code: int
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[dict[str, str]] = field(default_factory=list)
    out: str = ""
    err: str = ""

    def told(self, kind: str, *words: str) -> bool:
        """Whether there is a note of `kind` that has all of `words` in its place or text."""
        return any(
            note["kind"] == kind and all(word in f"{note['place']}: {note['text']}" for word in words)
            for note in self.notes
        )

    @property
    def tags(self) -> dict[str, Any]:
        """The tags of the only device."""
        (device,) = self.devices.values()
        tags: dict[str, Any] = device["tags"]
        return tags


@dataclass
class Site:
    """A folder with a configuration."""

    home: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, kind: str, files: Mapping[str, str | bytes], *options: str) -> Imported:
        """`fieldgate import` of files by name."""
        self.home.joinpath("fieldgate.yaml").write_text(MAIN)
        paths = [self.home / name for name in files]
        for path, content in zip(paths, files.values(), strict=True):
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        folder = self.home / "devices.d"
        self.capsys.readouterr()
        code = main(["import", kind, *map(str, paths), "-o", str(folder), "--json", *options])
        out, err = self.capsys.readouterr()
        report = json.loads(out) if out else {"notes": []}
        return Imported(code, tables(folder), report["notes"], out, err)

    def checks(self) -> bool:
        """Whether `fieldgate check` accepts it, secrets supplied."""
        secrets = self.home / "secrets"
        secrets.mkdir(exist_ok=True)
        for path in (self.home / "devices.d").glob("*.yaml"):
            for line in path.read_text().splitlines():
                if "!secret " in line:
                    (secrets / line.rpartition("!secret ")[2]).write_text("supplied")
        code = main(["check", "--config", str(self.home / "fieldgate.yaml")])
        out, err = self.capsys.readouterr()
        assert code == 0, out + err
        return True

    def reads(self) -> dict[str, Any]:
        """What `fieldgate read` says, by device.tag."""
        verb = ["read", "--config", str(self.home / "fieldgate.yaml"), "--json", "--within", "20"]
        done = subprocess.run([sys.executable, "-m", "gateway", *verb], capture_output=True, check=False, timeout=60)
        assert done.stdout, done.stderr.decode()
        rows = json.loads(done.stdout)
        bad = [row for row in rows if row["status"] not in ("Good", "BadOutOfRange")]
        assert not bad, bad
        return {row["tag"]: row["value"] for row in rows}


def tables(folder: Path) -> dict[str, dict[str, Any]]:
    """The device files of a folder, by device."""
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        source = Source(path.name)
        (document,) = parse(path.read_bytes(), source)
        assert not source.problems(), source.problems()
        found[document.data["device"]] = document.data
    return found


def registers(seed: int) -> list[int]:
    """65536 registers that are neither NaN nor infinity as floats, in whatever order."""
    random = Random(seed)
    return [
        random.choice((0x3F, 0x40, 0x41, 0xC0)) << 8 | random.choice((0x10, 0x3D, 0x42, 0xC1)) for _ in range(0x10000)
    ]


@contextlib.contextmanager
def serving(values: list[int]) -> Iterator[int]:
    """A Modbus TCP device with these registers in both tables, every third coil on; its port."""
    loop, device = asyncio.new_event_loop(), FakeDevice(registers=values)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(device.start(), loop).result(10)
        yield device.port
    finally:
        asyncio.run_coroutine_threadsafe(device.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def wire(values: list[int], address: int, count: int) -> bytes:
    """The bytes of registers as they come over the wire."""
    return b"".join(value.to_bytes(2, "big") for value in values[address : address + count])


def same(read: Any, meant: Any, within: float = 1e-9) -> bool:
    """Whether a reading is what the peer would have said."""
    if isinstance(meant, str):
        return bool(read == meant)
    return read is not None and abs(float(read) - float(meant)) <= within * max(1.0, abs(float(meant)))

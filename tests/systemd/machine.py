"""A fresh Debian in a folder, with the packages and all else that the driver uses; booted in a container of its own."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.models.made import KEY, TRUSTED, files, manifest, mean_square
from tests.packaging.house import ROOT, debian

HERE = Path(__file__).resolve().parent
CONTENT = "systemd,systemd-sysv,dbus,python3,procps"
WITHIN = 1200  # s from power on to power off

MAIN = """\
gateway: {id: trial}
metrics: {listen: "127.0.0.1:9184"}
telemetry: all
assets: {bench: {tags: [bench.level, bench.flow], calibrate: 50}}
"""
BENCH = """\
device: bench
adapter: freezer
every: 100ms
tags: {level: {wave: noise}, flow: {wave: noise}}
"""
# A second device, for a reload; and the same as nobody should write it.
SECOND = "device: second\nadapter: sim\nevery: 100ms\ntags: {level: {wave: noise}}\n"
WRONG = SECOND.replace("100ms", "often")
# The simulated device, but for one thing: when it is told to, it never gives the loop back, nor the interpreter.
FREEZER = """\
import ctypes
import pathlib

from gateway_sim.adapter import SimAdapter


class Freezer(SimAdapter):
    async def read(self, group):
        while pathlib.Path("/trial/freeze").exists():
            ctypes.PyDLL(None).sleep(60)
        return await super().read(group)
"""
# The healthy bearing of the simulated pump: 1.6 mm/s and 46.7 °C, give or take 0.06 and 0.8.
INPUTS = (
    {"role": "vibration", "unit": "mm/s", "mean": 1.6, "scale": 0.1},
    {"role": "temperature", "unit": "°C", "mean": 46.7, "scale": 1.6},
)
GOLDEN = {"rows": [[1.7, 46.7]] * 3, "score": 0.5}
UNIT = """\
[Unit]
After=multi-user.target
[Service]
ExecStart=/bin/sh /trial/driver.sh
StandardOutput=file:/trial/log
StandardError=file:/trial/log
[Install]
WantedBy=multi-user.target
"""


def sh(*words: str | Path, within: float = 300.0, **more: str) -> str:
    """What a command says; it must succeed."""
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True, timeout=within, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def furnish(machine: Path) -> Path:
    """Make it, with what the driver uses; the folder where that is, and where what it finds will be."""
    debian("fieldgate", CONTENT, machine)
    trial = machine / "trial"
    trial.mkdir()
    _packages(trial)
    _plugin(machine / "opt/fieldgate/lib/python3.11/site-packages")
    _model(trial / "model")
    for name, text in (("fieldgate", MAIN), ("bench", BENCH), ("second", SECOND), ("wrong", WRONG)):
        (trial / f"{name}.yaml").write_text(text)
    for name in ("driver.sh", "line.py"):
        shutil.copy(HERE / name, trial)
    units = machine / "etc/systemd/system"
    (units / "trial.service").write_text(UNIT)
    (units / "multi-user.target.wants").mkdir(exist_ok=True)
    (units / "multi-user.target.wants/trial.service").symlink_to("../trial.service")
    return trial


def boot(machine: Path) -> None:
    """Until the driver switches it off; without any network but its own loopback."""
    words = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe"]
    switch_on: list[str | Path] = ["timeout", str(WITHIN), *words, "-b", "-D", machine]
    subprocess.run(switch_on, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _packages(folder: Path) -> None:
    """The package, and one of the next version."""
    sh("packaging/wheels", folder / "wheels", "3.11", PY=str(ROOT / ".venv/bin/python"))
    old = Path(sh("packaging/deb", folder / "wheels", folder).strip())
    sh("dpkg-deb", "-R", old, folder / "tree")
    control = folder / "tree/DEBIAN/control"
    control.write_text(re.sub(r"^Version: (.*)$", r"Version: \1+next", control.read_text(), flags=re.MULTILINE))
    sh("dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "-b", folder / "tree", folder / "new.deb")
    old.rename(folder / "old.deb")
    shutil.rmtree(folder / "tree")
    shutil.rmtree(folder / "wheels")


def _plugin(site: Path) -> None:
    """An adapter as another distribution would bring it."""
    info = site / "freezer-1.dist-info"
    info.mkdir(parents=True)
    (site / "freezer.py").write_text(FREEZER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: freezer\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fieldgate.adapters]\nfreezer = freezer:Freezer\n")


def _model(folder: Path) -> None:
    """A user's model of a bearing, signed, and the key that it is trusted by: to be laid beside the configuration."""
    [(name, public)] = TRUSTED.items()
    made = manifest(name="bearing", inputs=list(INPUTS), window={"rows": 3}, threshold=20.0, golden=GOLDEN)
    bundle = folder / "bundles/bearing"
    bundle.mkdir(parents=True)
    for path, content in files(mean_square(), made, KEY).items():
        (bundle / path).write_bytes(content)
    (folder / "keys").mkdir()
    (folder / f"keys/{name}.pub").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def told(trial: Path) -> dict[str, str]:
    """What the driver told, by name; fails with its log where it did not come to its end."""
    lines = (trial / "result").read_text().splitlines()
    said = {name: value for name, _, value in (line.partition(" ") for line in lines)}
    line = trial / "line.json"
    said["line"] = line.read_text() if line.is_file() else json.dumps({})
    assert said.get("done") == "yes", (lines, (trial / "log").read_text()[-4000:])
    return said

"""A plugin that cannot be imported, or that fails while it reads, costs its own devices and nothing else."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.site import Site, until

ROTTEN = "import a_library_that_is_not_there\n"
FAULTY = """
from typing import ClassVar
from gateway.sdk import Batch, Connection, DeviceConfig, Group, PolledAdapter

class Adapter(PolledAdapter):
    Config: ClassVar[type[DeviceConfig]] = DeviceConfig

    async def connect(self) -> None: ...

    async def read(self, group: Group) -> Batch:
        raise ZeroDivisionError("a bug")

    async def close(self) -> None: ...
"""


def install(folder: Path, name: str, source: str) -> None:
    """A distribution with one adapter, as pip would lay it down."""
    (folder / f"{name}.py").write_text(source)
    info = folder / f"fieldgate_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fieldgate-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[fieldgate.adapters]\n{name} = {name}:Adapter\n")


@pytest.fixture(scope="module")
def site(place: Path) -> Iterator[Site]:
    """A gateway with a rotten plugin, a faulty one, and a sound one."""
    packages = place / "packages"
    packages.mkdir()
    install(packages, "rotten", ROTTEN)
    install(packages, "faulty", FAULTY)
    devices = [
        {"device": "press", "adapter": "rotten", "address": "10.0.0.1", "tags": {"force": {"channel": 3}}},
        {"device": "oven", "adapter": "faulty", "tags": {"heat": {}}},
        {"device": "bench", "adapter": "sim", "every": "100ms", "tags": {"level": {"wave": "sine"}}},
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(packages), os.environ.get("PYTHONPATH")])))
        with Site(place, devices, telemetry="all") as one:
            one.start()
            until(lambda: one.reads("bench"), "the sound one is read")
            until(lambda: one.lost("oven"), "the faulty one counts as lost")
            yield one


def test_a_plugin_that_cannot_be_imported_is_named_in_status_and_log(site: Site) -> None:
    part = site.part("device press")
    assert part["state"] == "failed"
    for word in ("rotten", "fieldgate-rotten", "a_library_that_is_not_there"):
        assert word in part["why"]
    assert "plugin" in part["remedy"]
    [line] = site.lines("device out of service", device="press")
    assert "a_library_that_is_not_there" in line["why"]


def test_a_plugin_with_a_bug_degrades_its_own_device_and_the_log_has_the_traceback(site: Site) -> None:
    part = site.part("device oven")
    assert part["state"] == "degraded"
    assert "fault in the adapter" in part["why"]
    assert "ZeroDivisionError" in site.lines("adapter fault")[0]["exception"]
    assert len(site.lines("device lost", device="oven")) == 1


def test_the_others_go_on(site: Site) -> None:
    before = site.status()["pipeline"]["readings_total"]
    until(lambda: site.status()["pipeline"]["readings_total"] > before + 5, "readings come")
    assert site.reads("bench")
    assert site.get("/readyz")[0] == 200


def test_every_configured_device_is_in_the_list_of_devices(site: Site) -> None:
    assert {device["device"] for device in site.status()["devices"]} == {"press", "oven", "bench"}

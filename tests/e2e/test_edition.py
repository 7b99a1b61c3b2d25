"""Which configuration runs, and whether the files say something else: told to people, programs and the plant."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.kill import Broker
from gateway.config.shelf import digest
from tests.e2e.site import Listener, Message, Site, until

DEVICE: dict[str, Any] = {"device": "bench", "adapter": "sim", "tags": {"level": {"wave": "sine"}}}


@pytest.fixture(scope="module")
def site(place: Path, post: Broker, ear: Listener) -> Iterator[Site]:
    assert ear.count, "it listens before anything is said"
    with Site(place, [DEVICE], post.port) as one:
        yield one.start()


def edition(site: Site) -> dict[str, Any]:
    return site.status()["configuration"] or {"number": 0}


def said(ear: Listener) -> Message:
    """What is retained of the gateway."""
    found: Message = [one for one in ear.told("status") if "epoch" in one][-1].get("configuration", {})
    return found


def write(site: Site, **more: Any) -> None:
    (site.folder / "devices.d/bench.yaml").write_text(json.dumps(DEVICE | more))


def test_it_is_told_and_a_change_of_the_files_is_seen_before_it_runs(site: Site, ear: Listener) -> None:
    until(lambda: edition(site)["number"] == 1, "the first is known")
    files = ("fieldgate.yaml", "devices.d/bench.yaml")
    first = edition(site)
    assert first["digest"] == digest({name: (site.folder / name).read_bytes() for name in files})
    until(lambda: said(ear).get("digest") == first["digest"], "the plant is told")
    assert said(ear)["differs"] is first["differs"] is False
    write(site, every="2s")
    until(lambda: edition(site)["differs"], "the files say something else")
    until(lambda: said(ear)["differs"], "and the plant knows it")
    told = site.verb("status", "--state", str(site.state)).stdout
    assert f"configuration 1, {first['digest'][:12]}, since " in told
    assert "the files on disk say something else → fieldgate plan" in told
    assert site.verb("apply", "--state", str(site.state)).returncode == 0
    until(lambda: edition(site)["number"] == 2, "the next one runs")
    assert edition(site)["differs"] is False
    assert edition(site)["since"] > first["since"]
    until(lambda: said(ear)["number"] == 2, "the plant is told")
    metrics = site.get("/metrics")[1]
    assert f'fieldgate_configuration_info{{digest="{edition(site)["digest"][:12]}",number="2"}} 1.0' in metrics
    assert "fieldgate_configuration_differs 0.0" in metrics

    write(site, every="3s")
    assert site.verb("apply", "--state", str(site.state), "--confirm", "60s").returncode == 0
    until(lambda: edition(site)["number"] == 3, "it is on trial")
    assert site.verb("revert", "--state", str(site.state)).returncode == 0
    until(lambda: edition(site)["number"] == 2, "what is taken back gives way to the former one")
    assert edition(site)["differs"], "the files still say it"

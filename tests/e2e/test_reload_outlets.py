"""Another configuration, where the broker is told what the tags are, or is another one; and models that stay."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.kill import Broker, Ear, broker
from gateway.changes import CHANGES
from gateway.cli.children import Child, listening
from gateway.cli.common import CONFIGURATION
from gateway.ops.inbox import Inbox
from tests.e2e.site import Farm, Listener, Site, farm, farm_devices, until

EXTRA = {"at": "holding:7", "type": "uint16"}


@pytest.fixture(scope="module")
def fields(place: Path) -> Iterator[Farm]:
    with farm(place, 3) as one:
        yield one


def applied(site: Site, device: dict[str, Any] | None = None, **root: Any) -> dict[str, Any]:
    """Have a device, or sections of the main file, take over."""
    if device:
        (site.folder / "devices.d" / f"{device['device']}.yaml").write_text(json.dumps(device))
    if root:
        site.config.write_text(json.dumps(json.loads(site.config.read_text()) | root))
    inbox = Inbox(site.state, CHANGES)
    answer = inbox.answered(inbox.leave({"verb": "apply", "by": "test"}), 60.0)
    assert answer is not None
    assert answer["result"] == "applied", answer
    return answer


def test_an_edge_node_is_born_again_with_the_new_tags(tmp_path: Path, fields: Farm, post: Broker) -> None:
    node = Ear(post.port, "spBv1.0/#")
    devices = farm_devices(fields[1])
    mqtt = {"url": f"mqtt://127.0.0.1:{post.port}", "payload": "sparkplug"}
    try:
        with Site(tmp_path, devices, post.port) as site:
            applied_root = json.loads(site.config.read_text()) | {"mqtt": mqtt}
            site.config.write_text(json.dumps(applied_root))
            site.start()
            until(lambda: births(node, "farm-2"), "it is born")
            assert b"extra" not in births(node, "farm-1")[0]
            since = len(node.heard)
            applied(site, devices[1] | {"tags": devices[1]["tags"] | {"extra": EXTRA}})
            until(
                lambda: any(b"extra" in body for body in births(node, "farm-1", since)), "it is born with its new tag"
            )
            until(lambda: births(node, "farm-2", since), "all are born again")
    finally:
        node.stop()


def births(node: Ear, device: str, since: int = 0) -> list[bytes]:
    return [body for topic, body in list(node.heard)[since:] if "/DBIRTH/" in topic and topic.endswith(f"/{device}")]


def test_another_broker_gets_what_follows(tmp_path: Path, fields: Farm, post: Broker) -> None:
    (tmp_path / "other").mkdir()
    here = Listener(post.port)  # one a broker at a time: it has a fixed name
    with broker(tmp_path / "other") as other:
        there = Listener(other.port)
        try:
            with Site(tmp_path, farm_devices(fields[1]), post.port, telemetry="all") as site:
                site.start()
                until(lambda: here.told("telemetry"), "the one hears")
                answer = applied(site, mqtt={"url": f"mqtt://127.0.0.1:{other.port}", "reconnect_max": "1s"})
                assert answer["anew"] == []
                until(lambda: there.told("telemetry"), "the other hears")
                first = there.told("telemetry")[0]["sequence"]
                assert first <= max(one["sequence"] for one in here.told("telemetry")) + 1  # nothing between them
        finally:
            there.stop()
            here.stop()


def test_a_certificate_that_is_not_there_changes_nothing(tmp_path: Path, fields: Farm, post: Broker) -> None:
    here = Listener(post.port)
    try:
        with Site(tmp_path, farm_devices(fields[1]), post.port, telemetry="all") as site:
            site.start()
            until(lambda: here.told("telemetry"), "it is told of")
            broker_ = json.loads(site.config.read_text())["mqtt"]
            tls = {"url": "mqtts://127.0.0.1:1", "ca": str(tmp_path / "nowhere.pem")}
            site.config.write_text(json.dumps(json.loads(site.config.read_text()) | {"mqtt": broker_ | tls}))
            inbox = Inbox(site.state, CHANGES)
            answer = inbox.answered(inbox.leave({"verb": "apply", "by": "test"}), 60.0)
            assert answer is not None
            assert answer["result"] == "refused"
            assert "ca, cert or key cannot be used" in answer["text"]
            since = here.count
            until(lambda: here.told("telemetry", since), "all goes on")
            assert site.status()["broker"]["connected"]
    finally:
        here.stop()


def test_what_waits_for_a_restart_is_named(tmp_path: Path, fields: Farm) -> None:
    with Site(tmp_path, farm_devices(fields[1])) as site:
        site.start()
        answer = applied(site, outbox={"budget": "100MiB"}, telemetry="off")
        assert answer["restart"] == ["outbox.budget"]
        shown = site.verb("history", "2", "--state", str(site.state))
        assert shown.stdout.splitlines()[-1] == "2 options changed"


def test_files_are_watched_where_it_is_asked_for(tmp_path: Path, fields: Farm, post: Broker) -> None:
    """Half-written files wait until they are left alone; a link that is swapped counts; wrong ones are told once."""
    heard, devices = Listener(post.port), farm_devices(fields[1])

    def kinds() -> list[str]:
        return [one["kind"] for one in heard.told("event", gateway="watched")]

    try:
        with Site(tmp_path, devices, post.port, gateway={"id": "watched", "watch": "300ms"}) as site:
            site.start()
            (tmp_path / "v1").mkdir()
            until(lambda: site.reads("farm-1"), "it is read")
            path = tmp_path / "devices.d" / "farm-1.yaml"
            text = json.dumps(devices[1] | {"tags": devices[1]["tags"] | {"extra": EXTRA}})
            with path.open("w") as file:
                for at in range(0, len(text), len(text) // 8):  # always changing, until it is whole
                    file.write(text[at : at + len(text) // 8])
                    file.flush()
                    time.sleep(0.1)
            until(lambda: "configuration applied" in kinds(), "it is applied")
            assert "configuration refused" not in kinds()
            (tmp_path / "v1" / "farm-1.yaml").write_text(json.dumps(devices[1]))
            link = tmp_path / "devices.d" / ".new"
            link.symlink_to(tmp_path / "v1" / "farm-1.yaml")
            link.rename(path)
            until(lambda: kinds().count("configuration applied") == 2, "the link is followed")
            (tmp_path / "v1" / "farm-1.yaml").write_text("device: [")
            until(lambda: "configuration refused" in kinds(), "it is refused")
            time.sleep(1.5)
            assert kinds().count("configuration refused") == 1
            assert site.reads("farm-1")
    finally:
        heard.stop()


def test_a_service_whose_files_are_wrong_runs_what_ran_last(
    tmp_path: Path, fields: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))  # as systemd does
    site = Site(tmp_path, farm_devices(fields[1]))
    command = ["gateway", "run", "--config", str(site.config), "--listen", "127.0.0.1:0"]
    path = tmp_path / "devices.d" / "farm-1.yaml"
    before = path.read_text()
    path.write_text("device: [")
    child = Child(command, site.log, stdout=False)
    assert child.process.wait(30) == CONFIGURATION  # it has never run
    child.stop()
    path.write_text(before)
    with site:
        serve(site, command)
        until(lambda: site.reads("farm-1"), "it is read")
        site.stop()
        path.write_text("device: [")
        serve(site, command)
        until(lambda: site.reads("farm-1"), "it is read as before")
        part = site.part("configuration")
        assert part["state"] == "degraded"
        assert "the files are wrong (1 in all, the first: devices.d/farm-1.yaml:2:1" in part["why"]
        path.write_text(before)
        inbox = Inbox(site.state, CHANGES)
        answer = inbox.answered(inbox.leave({"verb": "apply", "by": "test"}), 60.0)
        assert answer is not None
        assert answer["result"] == "unchanged"
        assert site.part("configuration")["state"] == "ok"


def serve(site: Site, command: list[str]) -> None:
    (site.state / "listen").unlink(missing_ok=True)
    site.gateway = Child(command, site.log, stdout=False)
    site.address = listening(site.gateway, site.state)

"""24 secrets, planted wherever the configuration takes one: in nothing that the gateway says, shows or sends.

A new place to look at is a line in PLACES; the console's paths are looked at as it lists them (tests/console/paths.py).
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from bench.rig import free_port
from gateway.console.rights import Role
from tests.cli.test_bundle import CANARIES, content, forms
from tests.console.paths import STREAM, Place, admin_of, places, user_of, visit, watched
from tests.console.plant import Page
from tests.e2e.site import Site, until

TAG: Final = "silo-1.level"


def device(number: int, port: int) -> dict[str, Any]:
    """A server that wants a password; nothing listens there, so that errors are told."""
    login = {"user": "operator", "password": f"!secret s{number}"}
    tags = {"level": {"node": "ns=2;s=Level"}}
    return {
        "device": f"silo-{number}",
        "adapter": "opcua",
        "connect": f"opc.tcp://127.0.0.1:{port}",
        **login,
        "tags": tags,
    }


def quoted(value: dict[str, Any]) -> str:
    """As JSON, but for references to secrets, which are YAML."""
    text = json.dumps(value, ensure_ascii=False)
    for number in range(len(CANARIES)):
        text = text.replace(f'"!secret s{number}"', f"!secret s{number}")
    return text


@pytest.fixture(scope="module")
def site(place: Path) -> Iterator[Site]:
    """A gateway that talks of everything, at debug, with a password at every server and one at the broker."""
    secrets = place / "secrets"
    secrets.mkdir()
    for number, canary in enumerate(CANARIES):
        (secrets / f"s{number}").write_text(f"{canary}\n")
    devices = [device(number, free_port()) for number in range(1, len(CANARIES))]
    mqtt = {"user": "line-9", "password": "!secret s0"}
    assets = {"silos": {"tags": [TAG, "silo-2.level"]}}
    console = {"listen": "127.0.0.1:0"}
    with Site(place, devices, log={"level": "debug"}, assets=assets, console=console) as one:
        root = json.loads(one.config.read_text())
        root["gateway"]["secrets_dir"] = str(secrets)
        root["mqtt"] |= mqtt
        one.config.write_text(quoted(root))
        for each in devices:
            (place / "devices.d" / f"{each['device']}.yaml").write_text(quoted(each))
        one.start("--log-level", "debug")
        until(lambda: all(one.lost(each["device"]) for each in devices), "nobody answers")
        yield one


def said_by(*words: str) -> Callable[[Site], bytes]:
    """What a verb prints."""

    def verb(site: Site) -> bytes:
        done = site.verb(*words)
        return (done.stdout + done.stderr).encode()

    return verb


def bundle(site: Site) -> bytes:
    archive = site.folder / "bundle.tgz"
    archive.unlink(missing_ok=True)
    done = site.verb("bundle", "--state", str(site.state), "--log", str(site.log), "-o", str(archive))
    assert done.returncode == 0, done.stderr
    return b"\n".join(content(archive).values())


def state_files(site: Site) -> bytes:
    return b"\n".join(path.read_bytes() for path in site.state.rglob("*") if path.is_file())


def environment(site: Site) -> bytes:
    """What every user of the machine can see of the process."""
    assert site.gateway
    folder = Path("/proc") / str(site.gateway.process.pid)
    return (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()


def page(path: str) -> Callable[[Site], bytes]:
    return lambda site: site.get(path)[1].encode()


PLACES: Final[dict[str, Callable[[Site], bytes]]] = {
    "log": lambda site: site.log.read_bytes(),
    "status": page("/status"),
    "why": page(f"/why?name={TAG}"),
    "why of nothing": page("/why?name=nothing"),
    "metrics": page("/metrics"),
    "readyz": page("/readyz"),
    "healthz": page("/healthz"),
    "bundle": bundle,
    "state": state_files,
    "process": environment,
    "check": said_by("check"),
    "check --expanded": said_by("check", "--expanded"),
    "why in words": said_by("why", TAG),
    "read": said_by("read", "silo-1"),
}


@pytest.mark.parametrize("where", PLACES)
def test_no_secret_is_told(site: Site, where: str) -> None:
    said = PLACES[where](site)
    assert said
    assert [canary for canary in CANARIES for form in forms(canary) if form in said] == []


def test_the_places_say_what_they_are_there_to_say(site: Site) -> None:
    """A place that is empty hides no secret, but shows none either."""
    assert b"silo-1" in PLACES["log"](site)
    assert b"silo-1" in PLACES["status"](site)
    assert b"fieldgate_device_up" in PLACES["metrics"](site)
    assert b"!secret s1" in PLACES["check --expanded"](site)
    assert os.fsencode(str(site.config)) in PLACES["process"](site)


# -- the console -------------------------------------------------------------------------------------------------------

ASSET: Final = "silos"


@pytest.fixture(scope="module")
def admin(site: Site) -> Page:
    return admin_of(site.state)


def told(said: bytes) -> list[str]:
    return [canary for canary in CANARIES for form in forms(canary) if form in said]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ["", *Role])
def test_no_secret_is_told_by_any_path_of_the_console(admin: Page, role: str) -> None:
    page, statuses = user_of(admin, role), dict[Place, set[int]]()
    for place in places():
        if place.template == STREAM and role:
            continue
        for where, status, said in visit(page, place, TAG, ASSET):
            assert not told(said), where
            statuses.setdefault(place, set()).add(status)
    assert all(status < 500 for found in statuses.values() for status in found)
    answered = [place for place, found in statuses.items() if found & {200, 204} and "/api/v1/" in place.template]
    assert len(answered) > 15 if role else not answered, "what is refused tells nothing, but shows nothing either"


@pytest.mark.parametrize("role", Role)
def test_no_secret_is_told_by_the_stream(admin: Page, role: str) -> None:
    said = watched(user_of(admin, role), ASSET)
    assert all(f"'{topic}'".encode() in said for topic in ("overview", "alarms", "delivery", "tags", "asset"))
    assert not told(said)

"""`fieldgate certs` on a state folder, and beside a gateway that runs and takes up what was decided."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from gateway.__main__ import main
from gateway.cli.asking import fetch
from gateway.cli.children import daemon, listening, write_configuration
from tests.plugins.gateway_opcua.issuing import DAY, make
from tests.plugins.gateway_opcua.peers import Process
from tests.plugins.gateway_opcua.securing import serving

Certs = Callable[..., Any]


@pytest.fixture
def certs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Certs:
    """The verb on the state folder: its JSON, or what it complains of."""
    (tmp_path / "state").mkdir(exist_ok=True)

    def call(verb: str, *more: str, rc: int = 0) -> Any:
        assert main(["certs", verb, *more, "--state", str(tmp_path / "state"), "--json"]) == rc
        told = capsys.readouterr()
        return json.loads(told.out) if rc == 0 else told.err

    return call


def test_a_certificate_can_be_made_before_the_first_run(certs: Certs, tmp_path: Path) -> None:
    """So that the servers' people can be given it beforehand."""
    assert certs("list") == []
    own = certs("renew")
    assert (own["role"], own["place"]) == ("own", str(tmp_path / "state/adapters/opcua/own/certificate.der"))
    following = certs("renew")
    assert [one["role"] for one in certs("list")] == ["own", "next"]
    at_once = certs("renew", "--now")
    [left] = certs("list")
    assert left["fingerprint"] == at_once["fingerprint"] != following["fingerprint"]
    assert left["days"] > 3600


def test_a_file_is_trusted_and_rejected(certs: Certs, tmp_path: Path) -> None:
    path, _ = make(name="press").save(tmp_path / "given")
    trusted = certs("trust", str(path))
    assert (trusted["role"], trusted["subject"]) == ("trusted", "press")
    fingerprint = ":".join(trusted["fingerprint"][i : i + 2] for i in range(0, 64, 2)).lower()
    assert certs("reject", fingerprint)["role"] == "barred"
    assert [one["role"] for one in certs("list")] == ["barred"]


def test_people_read_lines(certs: Certs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(name="press", expires=-DAY)
    path, _ = made.save(tmp_path / "given")
    certs("trust", str(path))
    assert main(["certs", "list", "--state", str(tmp_path / "state")]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0].split() == ["trusted", "press"]
    assert lines[1].endswith("EXPIRED")
    assert lines[2] == f"SHA-256 {made.certificate.fingerprint(hashes.SHA256()).hex().upper()}"


def test_what_is_not_there_is_told(certs: Certs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no trusted or rejected certificate begins so" in certs("reject", "0123456789", rc=1)
    assert main(["certs", "list", "--state", str(tmp_path / "nowhere")]) == 1
    assert "name the state folder with --state" in capsys.readouterr().err
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "adapters").touch()
    assert main(["certs", "list", "--state", str(tmp_path / "file")]) == 1
    assert "Not a directory" in capsys.readouterr().err
    assert "there is no adapter profinet; installed: " in certs("list", "--adapter", "profinet", rc=78)
    assert "the adapter modbus has no certificates" in certs("list", "--adapter", "modbus", rc=78)


@pytest.fixture
def press(tmp_path: Path) -> Iterator[Process]:
    """A server whose certificate lasts three more weeks."""
    with serving(tmp_path / "server", make(name="press", expires=21 * DAY)) as server:
        yield server


@pytest.mark.slow
def test_a_gateway_that_runs_takes_up_what_was_decided(
    certs: Certs, tmp_path: Path, press: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    device = {
        "device": "press", "adapter": "opcua", "connect": f"opc.tcp://127.0.0.1:{press.port}", "every": "200ms",
        "security": "sign_and_encrypt", "first_use": "refuse", "tags": {"time": {"node": "i=2258"}},
    }  # fmt: skip
    config = write_configuration(tmp_path / "etc", {"gateway": {"id": "line-3"}}, [device])
    child = daemon(config, tmp_path / "state", tmp_path / "log")
    try:
        where = listening(child, tmp_path / "state")
        rejected = until(lambda: [one for one in certs("list") if one["role"] == "rejected"])
        [part] = [one for one in fetch(where)["parts"] if one["name"] == "device press"]
        assert f"fieldgate certs trust {rejected[0]['fingerprint'][:16]}" in part["why"]

        assert certs("trust", rejected[0]["fingerprint"][:16])["role"] == "trusted"
        until(lambda: not fetch(where)["devices"][0]["lost"])
        shown = {one["role"]: one for one in fetch(where)["certificates"]}
        assert set(shown) == {"own", "server"}
        assert 20.9 < shown["server"]["days"] <= 21.0
        with urllib.request.urlopen(f"http://{where}/metrics") as answer:
            text = answer.read().decode()
        assert 'fieldgate_certificate_days{connection="' in text

        until(lambda: "expires in 21 days" in (tmp_path / "log").read_text())  # and as an event, for the plant
        assert main(["outbox", "export", "--state", str(tmp_path / "state"), "--class", "event"]) == 0
        assert '"kind":"certificate expires","name":"press"' in capsys.readouterr().out

        present = shown["own"]["fingerprint"]
        certs("renew", "--now")
        until(lambda: _own(where) != present)

        certs("reject", rejected[0]["fingerprint"])
        until(lambda: fetch(where)["devices"][0]["lost"])
        log = (tmp_path / "log").read_text()
        assert "it was rejected here" in log
    finally:
        child.stop()


def _own(where: str) -> str:
    return next(str(one["fingerprint"]) for one in fetch(where)["certificates"] if one["role"] == "own")


def until(look: Callable[[], Any], within: float = 45.0) -> Any:
    end = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)
    return found

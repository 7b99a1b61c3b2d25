"""`fieldgate bundle`: all that tells how the gateway is, bounded, and none of its secrets in whatever form."""

import base64
import json
import stat
import tarfile
import urllib.parse
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.cli.bundle import PIECE
from gateway.cli.scrub import Scrub
from tests.e2e.site import Site, until

# 24 secrets, as people choose them and machines make them: with signs that JSON, addresses and patterns escape.
CANARIES = [
    "correct horse", 'qu"ote', "back\\slash", "per%cent", "plus+sign", "per.iod*", "am&persand", "sla/sh", "at@sign",
    "col:on", "dol$lar", "(paren", "[brack", "{brace", "ümlaut", "密码一二三四", "eq=ual", "que?ry", "ha#sh", "ti~lde",
    "ca^ret", "pi|pe", "canary-token-0123456789abcdef", "tab\tbed",
]  # fmt: skip
DEVICES = [{"device": "bench", "adapter": "sim", "every": "100ms", "tags": {"level": {}, "flow": {"wave": "noise"}}}]
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIcanary\n-----END PRIVATE KEY-----"


def forms(secret: str) -> set[bytes]:
    """How a log or a page may write it."""
    return {
        secret.encode(), json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        urllib.parse.quote(secret, safe="").encode(), urllib.parse.quote_plus(secret).encode(),
        base64.b64encode(secret.encode()).rstrip(b"="),
    }  # fmt: skip


def content(archive: Path) -> dict[str, bytes]:
    """Every file of the bundle by its name, without the folder that they lie in."""
    with tarfile.open(archive) as found:
        files = {one.name.partition("/")[2]: found.extractfile(one) for one in found.getmembers()}
        return {name: file.read() for name, file in files.items() if file}


def plant(folder: Path) -> list[str]:
    """A configuration whose secrets are the canaries; the words that make a bundle of it."""
    secrets = folder / "secrets"
    secrets.mkdir()
    for number, canary in enumerate(CANARIES):
        (secrets / f"s{number}").write_text(f"{canary}\n")
    (folder / "devices.d").mkdir()
    (folder / "devices.d/bench.yaml").write_text("device: bench\nadapter: sim\ntags: {level: {}}\n")
    (folder / "fieldgate.yaml").write_text(
        f"gateway: {{id: line-9, secrets_dir: {secrets}}}\nmqtt: {{url: mqtt://h, user: u, password: !secret s0}}\n"
    )
    log = folder / "gateway.log"
    log.write_bytes(b"\n".join(b"it said: " + form for canary in CANARIES for form in sorted(forms(canary))))
    with log.open("ab") as file:
        file.write(f"\n{PEM}\nmqtt://someone:inanaddress@broker/\npassword=unknown-one token: 'unknown-two'\n".encode())
    return ["bundle", "--config", str(folder / "fieldgate.yaml"), "--log", str(log), "--state", str(folder / "state")]


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    assert main([*plant(tmp_path), "-o", str(tmp_path / "b.tgz")]) == 0
    found = content(tmp_path / "b.tgz")
    everything = b"\n".join(found.values())
    assert [canary for canary in CANARIES for form in forms(canary) if form in everything] == []
    for word in (b"MC4CAQAwBQYDK2VwBCIE", b"inanaddress", b"unknown-one", b"unknown-two"):
        assert word not in everything
    assert b"!secret s0" in found["configuration.yaml"]
    assert found["log.txt"].count(b"it said: ***") >= 3 * len(CANARIES)
    assert stat.S_IMODE((tmp_path / "b.tgz").stat().st_mode) == 0o600


def test_the_canaries_would_be_seen() -> None:
    """Without the folder of secrets nothing is known of them, and the test above would fail."""
    lines = b"\n".join(form for canary in CANARIES for form in forms(canary))
    assert all(form in Scrub([])(lines) for canary in CANARIES for form in forms(canary))


def test_a_wrong_configuration_is_told_and_the_rest_is_gathered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = plant(tmp_path)
    (tmp_path / "fieldgate.yaml").write_text(
        "gateway: {id: line-9, nonsense: 1}\nmqtt: {url: mqtt://h, password: plain-canary}\n"
    )
    assert main([*words, "-o", str(tmp_path / "b.tgz")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'b.tgz'}\n"
    found = content(tmp_path / "b.tgz")
    assert b"nonsense" in found["configuration-problems.txt"]
    assert {"versions.json", "machine.json", "log.txt", "status.json.missing"} <= set(found)
    everything = b"\n".join(found.values())
    assert b"plain-canary" not in everything
    assert [canary for canary in CANARIES if canary.encode() in everything] == []


def test_a_long_log_is_cut_at_its_beginning(tmp_path: Path) -> None:
    words = plant(tmp_path)
    (tmp_path / "gateway.log").write_bytes(b"".join(b"%0500d\n" % number for number in range(15_000)))
    assert main([*words, "-o", str(tmp_path / "b.tgz")]) == 0
    log = content(tmp_path / "b.tgz")["log.txt"]
    assert len(log) < PIECE + 100
    assert log.startswith(b"(the first ")
    assert log.endswith(b"014999\n")


def test_no_file_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = plant(tmp_path)
    (tmp_path / "b.tgz").write_text("mine")
    assert main([*words, "-o", str(tmp_path / "b.tgz")]) == 1
    assert "name another file" in capsys.readouterr().err
    assert (tmp_path / "b.tgz").read_text() == "mine"


def test_a_running_gateway_tells_how_it_is(tmp_path: Path) -> None:
    assets = {"bench": {"tags": ["bench.level", "bench.flow"], "calibrate": 50}}
    with Site(tmp_path, DEVICES, assets=assets, recording={"keep": "1MiB"}) as site:
        site.start()
        until(lambda: site.reads("bench"), "the device is read")
        done = site.verb("bundle", "--state", str(site.state), "--log", str(site.log), "-o", str(tmp_path / "b.tgz"))
        assert done.returncode == 0, done.stderr
        found = content(tmp_path / "b.tgz")
    assert json.loads(found["status.json"])["devices"][0]["device"] == "bench"
    assert b'fieldgate_device_up{device="bench"}' in found["metrics.txt"]
    assert json.loads(found["healthz.json"]) == {"alive": True}
    assert json.loads(found["outbox.json"])["damages"] == []
    assert not [name for name in found if name.startswith("recording/") or name.endswith(".missing")]
    done = site.verb("bundle", "--state", str(site.state), "--recording", "-o", str(tmp_path / "with.tgz"))
    assert done.returncode == 0, done.stderr
    with_recording = content(tmp_path / "with.tgz")
    assert json.loads(with_recording["recording/bench/tags.json"])
    assert [name for name in with_recording if name.endswith(".rec")]

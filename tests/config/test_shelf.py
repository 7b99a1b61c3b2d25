"""What was read can be read again, from what was kept of it."""

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.problems import ConfigErrors
from gateway.config.shelf import digest
from gateway_sim.config import SimDevice

MAIN = "gateway: {id: g}\n"
DEVICE = "{device: d1, adapter: sim, tags: !csv ../tags.csv}\n"
TABLE = "name,wave\nlevel,sine\n"
MODELS = {"sim": SimDevice}


@pytest.fixture
def main(tmp_path: Path) -> Path:
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "fieldgate.yaml").write_text(MAIN)
    (tmp_path / "devices.d" / "d1.yaml").write_text(DEVICE)
    (tmp_path / "tags.csv").write_text(TABLE)
    return tmp_path / "fieldgate.yaml"


def test_what_is_kept_reads_as_the_files_did(main: Path) -> None:
    found = load(main, MODELS, {})
    assert sorted(found.content) == ["devices.d/d1.yaml", "fieldgate.yaml", "tags.csv"]
    (main.parent / "tags.csv").write_text("name,wave\nother,sine\n")
    (main.parent / "devices.d" / "d2.yaml").write_text("device: [")
    again = load(main, MODELS, {}, found.content)
    assert (again.root, again.devices, again.files) == (found.root, found.devices, found.files)


def test_what_is_not_among_it_is_told_of(main: Path) -> None:
    found = load(main, MODELS, {})
    less = {name: raw for name, raw in found.content.items() if name != "tags.csv"}
    with pytest.raises(ConfigErrors, match=r"there is no file '\.\./tags\.csv'"):
        load(main, MODELS, {}, less)


def test_secrets_are_not_among_it(main: Path) -> None:
    (main.parent / "secrets").mkdir()
    (main.parent / "secrets" / "mqtt").write_text("canary-7f3a")
    main.write_text(
        "gateway: {id: g, secrets_dir: secrets}\nmqtt: {url: mqtt://broker, user: u, password: !secret mqtt}\n"
    )
    found = load(main, MODELS, {})
    assert found.root.mqtt is not None
    assert found.root.mqtt.password is not None
    assert found.root.mqtt.password.get_secret_value() == "canary-7f3a"
    assert b"canary" not in b"".join(found.content.values())


def test_the_digest_is_of_names_and_contents() -> None:
    one = {"a": b"bc", "d": b""}
    assert digest(one) == digest(dict(reversed(one.items())))
    assert len({digest(one), digest({"ab": b"c", "d": b""}), digest({"a": b"bc"}), digest({"a": b"bd", "d": b""})}) == 4

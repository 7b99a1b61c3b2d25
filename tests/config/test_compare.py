"""`fieldgate plan`: what a new configuration changes, in words and for machines, without a secret and without noise."""

import json
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.config.compare import Change, Side, compare, counted, words
from gateway.config.load import load_written
from tests.config.many import PUMP, PUMPS, SHEET, files, write
from tests.config.tables import Models


def side(home: Path, content: dict[str, str]) -> Side:
    found, written = load_written(write(home, content), Models(), {})
    return Side(found, written, home)


def changes(home: Path, new: dict[str, str], old: dict[str, str] | None = None) -> list[Change]:
    return compare(side(home / "old", old or files()), side(home / "new", new))


def said(home: Path, new: dict[str, str], old: dict[str, str] | None = None) -> list[str]:
    return [words(change) for change in changes(home, new, old)]


def test_nothing_changes_between_a_configuration_and_its_copy(tmp_path: Path) -> None:
    mqtt = "mqtt: {url: mqtt://b, ca: ca.pem, password: !secret pump}\n"
    content = files(main=files()["fieldgate.yaml"].replace("id: line-3", "id: line-3, state: state") + mqtt)
    assert said(tmp_path, content, content) == []


def test_what_is_written_out_at_its_default_is_no_change(tmp_path: Path) -> None:
    assert said(tmp_path, files(pump=PUMP + "timeout: 1000ms\n")) == []


def test_devices_and_their_assets_are_added_and_removed(tmp_path: Path) -> None:
    main_file = files()["fieldgate.yaml"].replace("1..3", "2..4")
    found = said(tmp_path, {**files(pumps=PUMPS.replace("1..3", "2..4")), "fieldgate.yaml": main_file})
    assert found == ["- device pump-001", "+ device pump-004", "- asset pump-001", "+ asset pump-004"]


def test_tags_and_options_are_told_as_they_are_written(tmp_path: Path) -> None:
    sheet = SHEET.replace("0.01", "0.02").replace("flow,", "flux,")
    new = files(sheet=sheet, pumps=PUMPS.replace("1..3", "1..1") + "every: 5s\ntags: {level: {at: 9}}\n")
    new["fieldgate.yaml"] = "gateway: {id: line-3}\noutbox: {budget: 64MiB}\nlog: {level: info}\n"
    old = files(pumps=PUMPS.replace("1..3", "1..1"))
    old["fieldgate.yaml"] = "gateway: {id: line-3}\n"
    assert said(tmp_path, new, old) == [
        "~ option: outbox.budget its default -> 64MiB",
        "~ device pump-001: every 1s -> 5s",
        "- tag pump-001.flow",
        "~ tag pump-001.pressure: scale 0.01 -> 0.02",
        "+ tag pump-001.flux",
        "+ tag pump-001.level",
    ]
    assert counted(changes(tmp_path, new, old)) == {
        "options changed": 1, "devices changed": 1, "tags removed": 1, "tags changed": 1, "tags added": 2,
    }  # fmt: skip


def test_another_secret_is_told_without_it(tmp_path: Path) -> None:
    content = files(main="mqtt: {url: mqtt://b, password: !secret mqtt}\n" + files()["fieldgate.yaml"])
    for name, secret in (("old", "c4n4ry-1"), ("new", "c4n4ry-2")):
        write(tmp_path / name, {**content, "secrets/mqtt": secret})
    old, new = (side(tmp_path / name, content) for name in ("old", "new"))
    assert [words(change) for change in compare(old, new)] == ["~ option: mqtt.password a secret -> another secret"]


def sim(home: Path, period: str) -> Path:
    content = {
        "fieldgate.yaml": "gateway: {id: a}\n",
        "devices.d/a.yaml": f"device: a\nadapter: sim\nevery: {period}\ntags: {{t: {{wave: noise}}}}\n",
    }
    return write(home, content)


def test_the_verb_prints_words_or_json_and_takes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = ["--config", str(sim(tmp_path / "old", "1s"))]
    new = str(sim(tmp_path / "new", "2s").parent)
    assert main(["plan", new, *old]) == 0
    assert capsys.readouterr().out == "~ device a: every 1s -> 2s\n1 device changed\n"
    assert main(["plan", new, *old, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "changes": [
            {"kind": "changed", "what": "device", "name": "a", "options": {"every": {"old": "1s", "new": "2s"}}}
        ],
        "counts": {"devices changed": 1},
    }
    assert main(["plan", old[1], *old]) == 0
    assert capsys.readouterr().out == "nothing changes\n"


def test_a_wrong_configuration_is_refused_with_its_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = sim(tmp_path / "old", "1s"), sim(tmp_path / "new", "1")
    assert main(["plan", str(new), "--config", str(old)]) == 78
    assert "devices.d/a.yaml:3:8: every: a duration is a number with a unit" in capsys.readouterr().err

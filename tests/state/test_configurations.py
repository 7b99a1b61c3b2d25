"""The configurations that have run: kept whole, numbered, bounded, and in doubt while one is on trial."""

from pathlib import Path

import pytest

from gateway.config.shelf import digest
from gateway.state import configurations
from gateway.state.configurations import ConfigurationMissingError, Configurations, Doubt, Record

ONE = {"fieldgate.yaml": b"gateway: {id: a}\n", "devices.d/a.yaml": b"device: a\n"}
TWO = ONE | {"devices.d/b.yaml": b"device: b\n"}


def test_what_was_kept_comes_back_under_its_number(tmp_path: Path) -> None:
    kept = Configurations(tmp_path)
    assert kept.latest() is None
    first = kept.keep(ONE, Record(0, "", 1.0, "ada", "first"))
    second = kept.keep(TWO, Record(0, "", 2.0))
    assert (first.number, first.digest, first.by) == (1, digest(ONE), "ada")
    again = Configurations(tmp_path)
    assert again.records() == [first, second]
    assert again.content(1) == ONE
    assert again.content(2) == TWO
    with pytest.raises(ConfigurationMissingError, match="there is no configuration 3"):
        again.content(3)


def test_one_that_was_taken_back_does_not_count(tmp_path: Path) -> None:
    kept = Configurations(tmp_path)
    first, second = (kept.keep(content, Record(0, "", 1.0)) for content in (ONE, TWO))
    kept.take_back(second.number, "data stopped")
    assert kept.latest() == first
    assert kept.records()[-1].end == "data stopped"


def test_the_eldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configurations, "MOST", 3)
    kept = Configurations(tmp_path)
    for _ in range(5):
        kept.keep(ONE, Record(0, "", 1.0))
    assert [record.number for record in kept.records()] == [3, 4, 5]
    assert sorted(path.name for path in kept.folder.iterdir()) == ["000003", "000004", "000005"]


def test_what_a_crash_left_half_is_no_configuration(tmp_path: Path) -> None:
    kept = Configurations(tmp_path)
    kept.keep(ONE, Record(0, "", 1.0))
    (kept.folder / "000002" / "files").mkdir(parents=True)
    (kept.folder / ".draft" / "files").mkdir(parents=True)
    (kept.folder / "000007").mkdir()
    (kept.folder / "000007" / "record.json").write_bytes(b"{")
    (kept.folder / "doubt.json").write_bytes(b"[]")
    assert [record.number for record in kept.records()] == [1]
    assert kept.doubt() is None
    assert kept.keep(TWO, Record(0, "", 2.0)).number == 2
    assert kept.content(2) == TWO


def test_doubt_lasts_until_it_is_believed(tmp_path: Path) -> None:
    kept, doubt = Configurations(tmp_path), Doubt("d", 1, "not confirmed")
    kept.believe()
    kept.put_in_doubt(doubt)
    assert Configurations(tmp_path).doubt() == doubt
    kept.believe()
    assert kept.doubt() is None

"""What a configuration takes, by figures: the arithmetic, what is near a bound, and how figures are found and kept."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gateway.cli.bench import SHAPES, Seen, Shape, kept, solved
from gateway.cli.estimate import Estimate, Figures, Load, estimated, sentence, size, span, warnings
from gateway.config.load import Configuration, load
from gateway.ingest.registry import Registry

FIGURES = Figures(
    idle=0.01, scan=1e-3, value=1e-5, row=1e-4, base=70e6, judging=30e6, device=1e5, tag=1e3, asset=1e4,
    message=200.0, reading=20.0, measured="2026-11-30",
)  # fmt: skip
BENCH = """\
device: bench
adapter: sim
every: 500ms
tags: {a: {}, b: {}, slow: {every: 10s}}
"""


def found(folder: Path, main: str = "", device: str = BENCH) -> Configuration:
    (folder / "devices.d").mkdir()
    (folder / "devices.d/bench.yaml").write_text(device)
    (folder / "fieldgate.yaml").write_text("gateway: {id: a}\n" + main)
    return load(folder / "fieldgate.yaml", Registry().models())


def test_scans_values_and_rows_are_counted_by_their_periods(tmp_path: Path) -> None:
    rules = "rules: {hot: {tag: bench.a, above: 1}}"
    got = Load.of(found(tmp_path, f"assets: {{x: {{tags: [bench.a, bench.slow], {rules}}}}}\n"))
    assert got == Load(scans=2.1, values=4.1, rows=0.2, devices=1, tags=3, assets=2)


def test_the_estimate_is_the_sum_of_its_parts(tmp_path: Path) -> None:
    configuration = found(tmp_path, "outbox: {budget: 100MB}\n")
    got = estimated(configuration, Load(100.0, 2000.0, 50.0, 10, 1000, 5), FIGURES)
    assert got.cpu == pytest.approx(0.01 + 0.1 + 0.02 + 0.005)
    assert got.memory == pytest.approx(70e6 + 1e6 + 1e6 + 5e4 + 30e6)
    assert got.disk == pytest.approx(60_000 * 86400)
    assert got.lasts == pytest.approx(100e6 / 60_000)


def test_without_telemetry_nothing_is_written(tmp_path: Path) -> None:
    configuration = found(tmp_path, "telemetry: off\n")
    got = estimated(configuration, Load.of(configuration), FIGURES)
    assert (got.disk, got.lasts) == (0.0, None)
    assert "without a broker" not in sentence(Load.of(configuration), got)


@pytest.mark.parametrize(
    ("changes", "cores", "free", "said"),
    [
        ({}, 2, 10**12, None),
        ({"cpu": 0.9}, 2, 10**12, "about 0.9 cores"),
        ({"cpu": 0.4}, 1, 10**12, "of the only core"),
        ({"memory": 500e6}, 2, 10**12, "limits.memory"),
        ({"lasts": 600.0}, 2, 10**12, "the outbox lasts 10 min"),
        ({}, 2, 10**9, "1 GB free"),
        ({}, 2, None, None),
    ],
)
def test_what_is_near_its_bound_is_told(
    tmp_path: Path, changes: dict[str, float], cores: int, free: int | None, said: str | None
) -> None:
    quiet = Estimate(cpu=0.1, memory=80e6, disk=1e9, lasts=86400.0, measured="")
    told = list(warnings(found(tmp_path), replace(quiet, **changes), cores, free))  # type: ignore[arg-type]
    assert len(told) == (said is not None)
    assert said is None or said in told[0]


def test_the_figures_of_a_machine_are_found_from_its_runs() -> None:
    def run(shape: Shape) -> Seen:
        cpu = FIGURES.idle + shape.devices * FIGURES.scan + shape.values * FIGURES.value
        memory = FIGURES.base + shape.devices * FIGURES.device + shape.values * FIGURES.tag
        return Seen(cpu, memory, shape.devices * FIGURES.message + shape.values * FIGURES.reading)

    got = asdict(solved([run(shape) for shape in SHAPES]))
    for name in ("idle", "scan", "value", "base", "device", "tag", "message", "reading"):
        assert got[name] == pytest.approx(asdict(FIGURES)[name]), name


def test_noise_gives_no_cost_below_nothing() -> None:
    got = solved([Seen(0.05, 90e6, 10.0), Seen(0.04, 80e6, 5.0), Seen(0.03, 70e6, 1.0)])
    assert min(value for value in asdict(got).values() if isinstance(value, float)) >= 0.0


def test_figures_are_kept_and_what_is_none_gives_the_defaults(tmp_path: Path) -> None:
    assert kept(tmp_path) == Figures()
    (tmp_path / "self.json").write_text(json.dumps(asdict(FIGURES)))
    assert kept(tmp_path) == FIGURES
    for broken in ("", "[]", '{"scan": "much"}', "{"):
        (tmp_path / "self.json").write_text(broken)
        assert kept(tmp_path) == Figures()


def test_defaults_are_named_as_such(tmp_path: Path) -> None:
    configuration = found(tmp_path)
    load_ = Load.of(configuration)
    assert "by defaults; fieldgate bench self" in sentence(load_, estimated(configuration, load_, Figures()))
    assert "measured here on 2026-11-30" in sentence(load_, estimated(configuration, load_, FIGURES))


def test_sizes_and_times_are_short() -> None:
    assert [size(n) for n in (0.0, 950.0, 1500.0, 77e6, 2.1e9, 3e12)] == (
        ["0 B", "950 B", "1.5 kB", "77 MB", "2.1 GB", "3.0 TB"]
    )
    assert [span(n) for n in (30.0, 600.0, 7200.0, 86400.0 * 30)] == ["30 s", "10 min", "2 h", "30 d"]

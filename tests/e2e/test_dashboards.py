"""The dashboard and the alert rules that we ship: a real Prometheus asks a real gateway all that they ask."""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.kill import Broker
from bench.rig import free_port
from tests.e2e.site import Site, until
from tests.packaging.house import ROOT
from tests.test_docs import OPERATIONS, rows

DASHBOARD = ROOT / "config/grafana/fieldgate.json"
RULES = ROOT / "config/prometheus/fieldgate.rules.yml"
SCRAPE = """\
global: {{scrape_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: fieldgate
    static_configs: [{{targets: ["{target}"]}}]
"""
NAME = re.compile(r"\bfieldgate_\w+")
# What only trouble, or a device with certificates, makes appear. Its name and labels are compared with the reference.
RARE = {
    "fieldgate_part_restarts_total", "fieldgate_outbox_dropped_readings_total", "fieldgate_certificate_days",
    "fieldgate_safe_mode", "fieldgate_faults_total", "fieldgate_losses_total", "fieldgate_scans_failed_total",
    "fieldgate_readings_dropped_total", "fieldgate_turns_failed_total", "fieldgate_mqtt_losses_total",
    "fieldgate_mqtt_refused_total", "fieldgate_rows_abstained_too_few_good_total",
    "fieldgate_rows_abstained_model_failed_total", "fieldgate_readings_bad_total",
    "fieldgate_readings_suppressed_total",
}  # fmt: skip
DEVICES = [
    {"device": name, "adapter": "sim", "every": "100ms", "tags": {"level": {"wave": "noise"}, "flow": {"wave": "ramp"}}}
    for name in ("pump-1", "pump-2")
]


class Prometheus:
    """A Prometheus that scrapes one gateway every second."""

    def __init__(self, folder: Path, target: str) -> None:
        program = shutil.which("prometheus")
        if program is None:
            pytest.skip("prometheus is not installed (Debian: apt install prometheus)")
        (folder / "prometheus.yml").write_text(SCRAPE.format(rules=RULES, target=target))
        self.address = f"127.0.0.1:{free_port()}"
        words = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
        with (folder / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen([program, *words, f"--web.listen-address={self.address}"], stderr=log)

    def get(self, path: str, **query: str) -> Any:
        with urllib.request.urlopen(
            f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10.0
        ) as answer:
            return json.load(answer)["data"]

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now. Raises HTTPError when it is none."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found

    def up(self) -> bool:
        try:
            return bool(self.ask("count_over_time(fieldgate_info[1m]) >= 5"))
        except OSError:
            return False


@pytest.fixture(scope="module")
def prometheus(place: Path, post: Broker) -> Iterator[Prometheus]:
    """One that has seen a gateway for some seconds, with devices, an asset and a broker."""
    asset = {"tags": ["pump-1.level", "pump-1.flow"], "calibrate": 50}
    with Site(place, DEVICES, post.port, telemetry="all", assets={"pump-1": asset}) as site:
        site.start()
        until(lambda: site.asset("pump-1")["phase"] == "scoring", "the asset judges")
        one = Prometheus(place, site.address)
        try:
            until(one.up, "it has scraped a few times")
            yield one
        finally:
            one.process.terminate()
            one.process.wait(20.0)


def panels() -> list[tuple[str, str]]:
    """(title, expression) of every query of the dashboard, its variables filled in as Grafana does."""
    dashboard = json.loads(DASHBOARD.read_text())
    return [
        (panel["title"], target["expr"].replace("$instance", ".*").replace("$__rate_interval", "30s"))
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def asked() -> set[str]:
    """Every metric that dashboard or rules name."""
    return {name for text in (DASHBOARD.read_text(), RULES.read_text()) for name in NAME.findall(text)}


def labels(name: str, prometheus: Prometheus) -> set[str]:
    """The labels of a metric: as the gateway shows them now, else as the reference says."""
    shown = prometheus.ask(name)
    if shown:
        return set(shown[0]["metric"])
    [said] = [row[1] for row in rows(OPERATIONS, "metric") if row[0].strip("`") == name]
    return {"instance", "job", *filter(None, said.split(", "))}


def test_there_is_something_to_test() -> None:
    assert len(panels()) > 25
    assert len(rules()) > 10


def test_every_metric_that_is_asked_for_is_there_or_comes_with_trouble(prometheus: Prometheus) -> None:
    said = {row[0].strip("`") for row in rows(OPERATIONS, "metric")}
    there = {name for name in prometheus.get("label/__name__/values") if name.startswith("fieldgate_")}
    assert asked() - there - RARE == set()
    assert asked() - said == set()


def test_every_query_of_the_dashboard_is_answered(prometheus: Prometheus) -> None:
    silent = {
        title: text for title, text in panels() if not prometheus.ask(text) and not RARE & set(NAME.findall(text))
    }
    assert silent == {}


def test_every_alert_is_understood_and_none_is_raised_while_all_is_well(prometheus: Prometheus) -> None:
    known = prometheus.get("rules")["groups"][0]["rules"]
    assert [rule["name"] for rule in known] == [rule["alert"] for rule in rules()]
    assert {rule["alert"]: prometheus.ask(rule["expr"]) for rule in rules() if prometheus.ask(rule["expr"])} == {}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_what_an_alert_tells_has_the_labels_that_it_names(rule: dict[str, Any], prometheus: Prometheus) -> None:
    [grouped] = re.findall(r"by \(([\w, ]+)\)", rule["expr"]) or [""]
    names = NAME.findall(rule["expr"]) or ["up"]
    have = set(grouped.split(", ")) if grouped else set.intersection(*(labels(name, prometheus) for name in names))
    text = json.dumps(rule["annotations"])
    assert set(re.findall(r"\$labels\.(\w+)", text)) <= have
    assert set(rule["annotations"]) == {"summary", "remedy"}


@pytest.mark.parametrize(("title", "text"), [pytest.param(*one, id=f"{n}") for n, one in enumerate(panels())])
def test_what_a_panel_groups_and_shows_by_is_a_label(title: str, text: str, prometheus: Prometheus) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    [panel] = [panel for panel in dashboard["panels"] if panel["title"] == title and panel["type"] != "row"]
    legends = {word for one in panel["targets"] for word in re.findall(r"{{(\w+)}}", one["legendFormat"])}
    by = {word for words in re.findall(r"by \(([\w, ]+)\)", text) for word in words.split(", ")}
    have = set.union(*(labels(name, prometheus) for name in NAME.findall(text)))
    assert legends | by <= have, title


def test_a_device_that_goes_away_raises_its_alert(place: Path) -> None:
    """The rule, over a day that never was: promtool reckons it."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    labels = {"severity": "warning", "device": "pump-1", "instance": "a"}
    alert = {"exp_labels": labels, "exp_annotations": rules()[2]["annotations"]}
    alert["exp_annotations"]["summary"] = "device pump-1 does not answer"
    series = {"series": 'fieldgate_device_up{device="pump-1", instance="a"}', "values": "1x10 0x10"}
    rule = {"alertname": "FieldgateDeviceAway"}
    test = {
        "interval": "1m",
        "input_series": [series],
        "alert_rule_test": [
            {**rule, "eval_time": "14m", "exp_alerts": []},
            {**rule, "eval_time": "18m", "exp_alerts": [alert]},
        ],
    }
    (place / "test.yml").write_text(json.dumps({"rule_files": [str(RULES)], "tests": [test]}))
    done = subprocess.run([tool, "test", "rules", place / "test.yml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

"""An operator and a whole gateway: an alarm is raised, acknowledged, shelved and looked back at, over a restart too."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.kill import Broker
from tests.e2e.site import Listener, Site, until

DEVICE = {"device": "press", "adapter": "sim", "every": "100ms", "tags": {"t": {"wave": "constant", "mean": 95.0}}}
RULE = {"tag": "press.t", "above": 90.0, "alarm": {"severity": "high", "on_delay": "0s", "off_delay": "0s"}}
ASSETS = {"press": {"tags": ["press.t"], "rules": {"hot": RULE}}}
ALARM = "press-hot"


@pytest.fixture(scope="module")
def site(place: Path, post: Broker, ear: Listener) -> Iterator[Site]:
    """A gateway whose press is too hot."""
    mqtt = {"url": f"mqtt://127.0.0.1:{post.port}", "reconnect_max": "1s", "commands": True}
    with Site(place, [DEVICE], post.port, assets=ASSETS, mqtt=mqtt) as one:
        one.start()
        until(lambda: ear.told("alarm", asset=ALARM, state="active-unacknowledged"), "the alarm")
        yield one


def alarms(site: Site, *arguments: str) -> Any:
    ran = site.verb("alarms", *arguments, "--state", str(site.state), "--json")
    assert ran.stdout, ran.stderr
    return json.loads(ran.stdout)


def test_an_alarm_lives_through_its_operator_and_a_restart(site: Site, ear: Listener) -> None:
    until(lambda: site.asset(ALARM)["alarm"] == "active-unacknowledged", "it stands")
    raised = len(ear.told("alarm", asset=ALARM, state="active-unacknowledged"))
    [row] = until(lambda: alarms(site, "list"), "the alarm is listed")
    assert (row["asset"], row["state"], row["severity"]) == (ALARM, "active-unacknowledged", "high")
    [answer] = alarms(site, "ack", ALARM, "--by", "ann", "--comment", "seen")
    assert (answer["result"], answer["state"]) == ("done", "active-acknowledged")
    [refused] = alarms(site, "ack", "--all", "--by", "ann") or [{"result": "none"}]
    assert refused["result"] == "none"
    until(lambda: ear.told("alarm", asset=ALARM, state="active-acknowledged", by="ann", comment="seen"), "told")
    until(lambda: ear.told("event", kind="command", name=ALARM), "the audit")
    assert alarms(site, "shelve", ALARM, "--for", "1h")[0]["state"] == "shelved"
    assert site.asset(ALARM)["alarm"] == "shelved"
    figures = site.status()["alarms"]
    assert (figures["shelved"]["high"], figures["standing"]["high"]) == (1, 0)
    assert figures["hour"]["high"] >= 1
    assert site.stop() == 0
    site.start()
    assert site.asset(ALARM)["alarm"] == "shelved"
    assert alarms(site, "unshelve", ALARM)[0]["result"] == "done"
    until(lambda: len(ear.told("alarm", asset=ALARM, state="active-unacknowledged")) > raised, "it rises anew")
    lived = ["active-unacknowledged", "active-acknowledged", "shelved", "normal", "active-unacknowledged"]
    until(lambda: [row["state"] for row in alarms(site, "history", ALARM)][-5:] == lived, "the history is kept")
    assert alarms(site, "history", ALARM)[-4]["comment"] == "seen"


def test_a_command_over_mqtt_is_taken_by_the_whole_gateway(site: Site, ear: Listener) -> None:
    body = json.dumps({"id": "m1", "asset": ALARM, "action": "disable", "by": "hmi"})
    until(lambda: site.status()["broker"]["connected"], "connected")
    topic = "fieldgate/bench/command/alarm"

    def answered() -> bool:
        ear._client.publish(topic, body, qos=1)
        return any(name == "fieldgate/bench/command/result" for name, _ in list(ear.heard))

    until(answered, "the answer")
    until(lambda: ear.told("alarm", asset=ALARM, state="out-of-service", by="hmi"), "told")
    assert alarms(site, "enable", ALARM)[0]["result"] == "done"


def test_the_figures_are_metrics_and_in_the_status(site: Site) -> None:
    metrics = site.get("/metrics")[1]
    assert 'fieldgate_alarms_hour{severity="high"}' in metrics
    assert "fieldgate_alarms_ten_minutes_peak" in metrics
    assert "fieldgate_commands_done_total" in metrics
    ran = site.verb("status", "--listen", site.address)
    assert "alarms: " in ran.stdout

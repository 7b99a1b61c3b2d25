"""What the pages read and do, through a whole gateway: each document is true, and each act has its effect."""

import io
import json
import tarfile
import time
from typing import Any

import numpy as np
import pytest

from tests.console.plant import CANARY, DEVICE, Page, Plant, until

ALARM = "bench-hot"  # stands from the first row on


@pytest.fixture(scope="module")
def admin(plant: Plant) -> Page:
    page = plant.admin()
    until(lambda: page.get("/assets/bench").json["phase"] == "scoring", "bench has learnt")
    return page


def alarm(page: Page, name: str = ALARM) -> dict[str, Any]:
    """One alarm that is not normal; empty where it is."""
    return next((one for one in page.get("/alarms").json["alarms"] if one["asset"] == name), {})


def test_the_overview_has_every_device_and_asset_and_what_stands(admin: Page) -> None:
    found = admin.get("/overview").json
    [device] = found["devices"]
    assert (device["device"], device["signal"], device["tags"], device["bad"]) == ("bench", "good", 3, 0)
    signals = {one["asset"]: (one["signal"], one["alarm"].startswith("active")) for one in found["assets"]}
    assert signals[ALARM] == ("out-of-specification", True)
    assert signals["bench"] in (("good", False), ("out-of-specification", True)), "noise raises an alarm now and then"
    assert found["figures"]["standing"]["high"] == 1
    assert found["broker"]["connected"] is False
    machine = found["machine"]
    assert 0 < machine["disk_free"] <= machine["disk_total"]
    assert 0 < machine["memory"] < machine["memory_total"]
    assert until(lambda: (admin.get("/overview").json["readings"]["rate"] or 0) > 3, "a rate")


def test_an_alarm_is_acknowledged_shelved_and_brought_back_by_its_name_and_reason(admin: Page, plant: Plant) -> None:
    until(lambda: alarm(admin)["since"], "the raise is on disk")
    first = alarm(admin)
    assert (first["state"], first["severity"]) == ("active-unacknowledged", "high")
    assert set(first["acts"]) == {"ack", "shelve", "disable"}
    operator = plant.user("operator", admin)
    done = operator.post(f"/alarms/{ALARM}/ack", {"comment": "seen it"})
    assert (done.status, done.json["state"]) == (200, "active-acknowledged")
    row = until(lambda: (one := alarm(admin))["by"] and one, "who did it is on disk")
    assert (row["by"], row["comment"]) == ("operator-1", "seen it")
    again = operator.post(f"/alarms/{ALARM}/ack")
    assert (again.status, again.reason) == (409, "illegal")
    assert operator.post(f"/alarms/{ALARM}/shelve", {"for": "2h", "comment": "work"}).status == 200
    shelved = alarm(admin)
    assert (shelved["state"], shelved["acts"]) == ("shelved", ["unshelve", "disable"])
    assert 0 < shelved["until"] / 1000 - admin.get("/overview").json["time"] / 1000 <= 7200
    assert operator.post(f"/alarms/{ALARM}/unshelve").status == 200
    until(lambda: alarm(admin).get("state") == "active-unacknowledged", "it is raised anew")
    past = until(lambda: [one for one in admin.get("/alarms/history").json["changes"] if one["by"]], "history")
    assert {one["by"] for one in past} == {"operator-1"}
    figures = admin.get("/alarms/figures").json
    assert figures["active"]["high"] == 1


def test_shelving_for_longer_than_is_allowed_is_refused(admin: Page) -> None:
    answer = admin.post(f"/alarms/{ALARM}/shelve", {"for": "7d"})
    assert answer.status == 400
    assert "alarms.shelve" in answer.json["error"]


def test_the_page_of_an_asset_has_its_tags_its_model_and_its_past(admin: Page) -> None:
    found = admin.get("/assets/bench").json
    assert [one["tag"] for one in found["tags"]] == ["bench.a", "bench.b", "bench.c"]
    assert sum(one["contribution"] for one in found["tags"]) == pytest.approx(1.0)
    assert found["model"] == "default"
    assert found["score"] > 0
    assert found["answers"] == ["accept", "recalibrate", "fault"]
    until(lambda: any(admin.get("/assets/bench/trend").json["score"]), "a score is remembered")
    trend = admin.get("/assets/bench/trend?span=60&points=100").json
    assert (trend["source"], len(trend["time"])) == ("memory", len(trend["score"]))
    assert set(trend["contributions"]) == set(trend["tags"]) == {"bench.a", "bench.b", "bench.c"}
    assert trend["from"] <= trend["time"][0] <= trend["to"]
    missing = admin.get("/assets/bensh")
    assert missing.status == 404
    assert "'bench'" in missing.json["error"], "it says what was meant"


def test_the_trend_of_a_tag_is_what_the_tag_was(admin: Page) -> None:
    found = until(lambda: len((one := admin.get("/tags/bench.c/trend").json)["time"]) > 3 and one, "some seconds")
    assert (found["unit"], found["every"]) == ("bar", 1.0)
    assert all(-1.5 < value < 1.5 for value in found["value"] if value is not None)
    steps = {round((b - a) / 1000) for a, b in zip(found["time"], found["time"][1:], strict=False)}
    assert steps <= {0, 1, 2}
    assert admin.get("/tags/bench.none/trend").status == 404


def test_a_tag_and_an_asset_say_why(admin: Page) -> None:
    assert admin.get("/why/bench.a").json["culprit"] == "broker"
    assert admin.get("/why/bench").json["kind"] == "asset"
    assert admin.get("/why/bench.x").status == 404


def test_the_configuration_is_shown_with_its_places_and_without_its_secrets(own: Plant) -> None:
    own.root["mqtt"] = {"url": "mqtt://127.0.0.1:1", "user": "u", "password": "canary"}
    path = own.write()
    path.write_text(path.read_text().replace('"canary"', "!secret mqtt"))
    own.write = lambda: path  # type: ignore[method-assign]
    own.start()
    page = own.admin()
    answer = page.get("/config")
    values = {one["path"]: one for document in answer.json["documents"] for one in document["values"]}
    assert values["gateway.id"]["value"] == "line-3"
    assert values["gateway.id"]["line"] > 0
    assert values["mqtt.password"]["value"] == "!secret mqtt"
    assert answer.json["problems"] == ""
    assert CANARY.encode() not in answer.body
    bundle = page.get("/bundle")
    assert bundle.headers["content-type"] == "application/gzip"
    assert ".tar.gz" in bundle.headers["content-disposition"]
    with tarfile.open(fileobj=io.BytesIO(bundle.body)) as archive:
        content = b"".join(archive.extractfile(one).read() for one in archive if one.isfile())  # type: ignore[union-attr]
    assert b"line-3" in content
    assert CANARY.encode() not in content
    path.write_text(path.read_text().replace("line-3", "line/3"))
    broken = page.get("/config").json
    assert "gateway.id" in broken["problems"]
    assert broken["documents"] == []


def test_another_configuration_is_planned_applied_on_trial_confirmed_and_reverted(own: Plant) -> None:
    own.start()
    page = own.admin()
    until(lambda: page.get("/config/history").json["changes"], "what runs is kept")
    assert page.post("/config/plan").json["changes"] == []
    own.devices = [{**DEVICE, "tags": {**DEVICE["tags"], "d": {"wave": "noise"}}}]
    own.write()
    plan = page.post("/config/plan").json
    assert [(one["kind"], one["what"], one["name"]) for one in plan["changes"]] == [("added", "tag", "bench.d")]
    operator = own.user("operator", page)
    assert operator.post("/config/apply", {"confirm": 60}).status == 403
    done = page.post("/config/apply", {"confirm": 60})
    assert (done.status, done.json["result"]) == (200, "applied")
    pending = page.get("/config").json["pending"]
    assert pending["by"] == "admin"
    assert 30_000 < pending["until"] - page.get("/overview").json["time"] <= 60_000
    assert page.get("/tags").json["total"] == 4
    assert page.post("/config/apply", {}).status == 409
    assert page.post("/config/revert").json["result"] == "reverted"
    assert page.get("/tags").json["total"] == 3
    assert page.post("/config/apply", {"confirm": 60}).status == 200
    assert page.post("/config/confirm").json["result"] == "confirmed"
    assert page.get("/tags").json["total"] == 4
    history = page.get("/config/history").json["changes"]
    assert history[0]["runs"]
    assert history[0]["by"] == "admin"


def test_the_log_is_shown_by_level_and_by_words(own: Plant) -> None:
    own.root["assets"] = {}
    own.devices = [DEVICE, {"device": "away", "adapter": "modbus", "connect": "tcp://127.0.0.1:1", "every": "200ms",
                            "tags": {"x": {"at": "holding:0", "type": "uint16"}}}]  # fmt: skip
    own.start()
    page = own.admin()
    found = until(lambda: page.get("/logs?level=warning&search=away").json["lines"], "the device is lost")
    assert all(one["level"] in ("warning", "error") for one in found)
    assert "away" in f"{found[-1]['event']} {found[-1]['text']}"
    assert page.get("/logs?search=nothing-says-this").json["lines"] == []
    last = page.get("/logs").json["last"]
    assert page.get(f"/logs?after={last}").json["lines"] == []
    device = next(one for one in page.get("/overview").json["devices"] if one["device"] == "away")
    assert device["signal"] == "failure"
    assert device["text"]
    assert page.get("/certificates").json == {"certificates": []}
    assert page.post("/certificates/0000000000/trust").status == 404
    assert page.post("/certificates/..%2f..%2fetc/trust").status in (400, 404)


def test_the_recording_of_an_asset_can_be_looked_at_and_zoomed(own: Plant) -> None:
    folder = own.state / "recording/bench"
    folder.mkdir(parents=True)
    tags = [f"bench.{name}" for name in "abc"]
    (folder / "tags.json").write_text(json.dumps(tags))
    end = time.time_ns() // 10**9 - 3600
    rows = np.array([[i, i % 10, -i] for i in range(86_400)], float)
    stamps = (np.arange(end - 86_400, end) * 10**9).astype("<i8").view("<f8")
    (folder / "00000000.rec").write_bytes(np.column_stack([stamps, rows]).astype("<f8").tobytes())
    own.start()
    page = own.admin()
    whole = page.get(f"/assets/bench/trend?from={(end - 90_000) * 1000}&to={end * 1000}&points=500").json
    assert (whole["source"], whole["from"]) == ("recording", (end - 86_400) * 1000)
    assert 400 < len(whole["time"]) <= 500
    assert (whole["tags"]["bench.a"]["low"][0], whole["tags"]["bench.a"]["high"][-1]) == (0.0, 86_399.0)
    assert set(whole["tags"]["bench.b"]["high"]) == {9.0}
    assert whole["score"] == [None] * len(whole["time"])
    near = page.get(f"/assets/bench/trend?from={(end - 60) * 1000}&to={end * 1000}").json
    assert near["tags"]["bench.c"]["value"] == [float(-i) for i in range(86_340, 86_400)]
    now = until(lambda: page.get("/assets/bench/trend?span=60").json["time"] and page.get("/assets/bench/trend"), "now")
    assert now.json["source"] == "memory"

"""A gateway whose model has no version that could judge: the built-in detector does, and everybody can see why."""

import json
from pathlib import Path

from gateway.cli.common import OK
from tests.e2e.site import Site, until

DEVICE = {
    "device": "pump-7", "adapter": "sim", "every": "50ms",
    "tags": {"flow": {"wave": "noise"}, "pressure": {"wave": "noise"}},
}  # fmt: skip


def test_the_built_in_detector_judges_where_no_version_can(tmp_path: Path) -> None:
    asset = {"tags": ["pump-7.flow", "pump-7.pressure"], "model": "bundles/absent", "fallback": "default"}
    site = Site(tmp_path, [DEVICE], assets={"pump": {**asset, "calibrate": 80}, "dumb": {**asset, "fallback": "none"}})
    with site:
        site.start()
        until(lambda: site.asset("pump").get("rows"), "it learns")
        assert site.asset("pump")["phase"] == "fallback"
        until(lambda: site.asset("pump")["score"] is not None, "it judges")
        shown = site.asset("pump")
        assert (shown["phase"], shown["rows"], shown["needed"]) == ("fallback", 80, 80)
        assert shown["score"] < shown["threshold"]
        assert (site.asset("dumb")["phase"], site.asset("dumb")["score"]) == ("model_failed", None)
        why = site.verb("why", "pump", "--state", str(site.state), "--json")
        assert why.returncode == OK, why.stderr
        told = next(step for step in json.loads(why.stdout)["steps"] if step["step"] == "detector")
        assert told["stand"] == "explains"
        assert "the built-in detector judges meanwhile" in told["text"]
        assert [line["text"] for line in site.lines("model", what="fallback")] == [
            "no version of absent can judge; meanwhile the built-in detector does, for pump"
        ]
        assert site.stop() == OK

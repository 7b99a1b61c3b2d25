"""How much a part writes is changed while the gateway runs, and said by the configuration."""

from pathlib import Path

from tests.e2e.site import Site, until

DEVICES = [{"device": "bench", "adapter": "sim", "every": "100ms", "tags": {"level": {"wave": "noise"}}}]


def test_a_part_is_heard_when_it_is_asked_for_and_not_any_more(tmp_path: Path) -> None:
    with Site(tmp_path, DEVICES, telemetry="all") as site:
        site.start()
        until(lambda: site.reads("bench"), "it is read")
        assert not site.lines("accepted")
        done = site.verb("log", "--state", str(site.state), "gateway.deliver", "debug")
        assert (done.returncode, done.stdout) == (
            0, "gateway.deliver is heard from debug on, until the next start\n",
        ), done.stderr  # fmt: skip
        until(lambda: len(site.lines("accepted")) > 3, "what is accepted is told")
        assert site.verb("log", "--state", str(site.state), "gateway.deliver", "error").returncode == 0
        count = len(site.lines("accepted"))
        assert site.stop() == 0
        assert len(site.lines("accepted")) <= count + 20


def test_the_configuration_says_it_too(tmp_path: Path) -> None:
    with Site(tmp_path, DEVICES, telemetry="all", log={"levels": {"gateway.deliver.outbox": "debug"}}) as site:
        site.start()
        until(lambda: site.lines("accepted"), "what is accepted is told")


def test_without_a_gateway_nobody_answers(tmp_path: Path) -> None:
    with Site(tmp_path, DEVICES) as site:
        done = site.verb("quarantine", "release", "bench", "--state", str(site.state))
        assert done.returncode == 75
        assert "no gateway has answered" in done.stderr
        site.start()
        assert site.verb("quarantine", "--state", str(site.state)).stdout == "no connection is set aside\n"

"""What the daemon has accepted survives its sudden death, whatever the broker does; the judge of that sees faults."""

from pathlib import Path

import orjson
import pytest

from bench.kill import torture
from bench.kill_judge import UNTOLD, Told, Torture, judge


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_a_killed_gateway_had_accepted_arrives_whole_and_under_one_id(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = request.config.getoption("--kills")
    verdict = judge(torture(tmp_path, kills, seed=20240501))
    assert not verdict.kinds, verdict.examples
    assert verdict.figures["accepted"] > 20 * kills
    assert verdict.figures["reads"] > 10 * kills
    assert verdict.figures["alarms"] > 0
    assert verdict.figures["outages"] > 0


def message(sequence: int, level: float = 60.0) -> bytes:
    identity = f"bench/abc/telemetry/{sequence}"
    return orjson.dumps(
        {"id": identity, "epoch": "abc", "sequence": sequence, "device": "swing-1", "tags": [], "values": [level]}
    )


def run(*heard: bytes) -> Torture:
    """Two lives that told of 1 to 3 and of 5 to 6."""
    told = Told([[("telemetry", "abc", 1, 3)], [("telemetry", "abc", 5, 6)]])
    return Torture(told, list(heard), {}, 0, 0.0)


ALL = [message(n) for n in (1, 2, 3, 5, 6)]


def test_the_judge_sees_an_id_that_was_lost_and_given_again() -> None:
    told = Told([[("telemetry", "abc", 1, 3)], [("telemetry", "abc", 3, 6)]])
    kinds = judge(Torture(told, [message(n) for n in range(1, 7)], {}, 0, 0.0)).kinds
    assert kinds == {"accepted twice": 1}


@pytest.mark.parametrize(
    ("heard", "kinds"),
    [
        (ALL, {}),
        ([*ALL, ALL[2]], {}),
        ([*ALL, message(4)], {}),
        (ALL[1:], {"lost": 1}),
        ([*ALL, message(6 + UNTOLD + 1)], {"unknown": 1}),
        ([*ALL, message(2, 61.0)], {"two contents under one id": 1}),
        ([*ALL[:-1], message(6, 200.0)], {"corrupt": 1}),
        ([*ALL, b'{"id": "bench/ab'], {"corrupt": 1}),
    ],
    ids=["all", "repeated", "killed before its word", "lost", "unknown", "another content", "wrong value", "cut off"],
)
def test_the_judge_sees_what_is_wrong(heard: list[bytes], kinds: dict[str, int]) -> None:
    assert judge(run(*heard)).kinds == kinds

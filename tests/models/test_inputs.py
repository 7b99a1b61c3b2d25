"""The slow mean of the inputs of a user's model, against its training: told of as drift."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.config.assets import AssetConfig
from gateway.models.cohorts import Judged, Watched, assemble
from gateway.models.drift import DriftMonitor, drifted
from gateway.models.inputs import Inputs
from gateway.models.manifest import Input
from gateway.sdk.config import DeviceConfig, TagConfig
from gateway.sdk.tags import TagTable
from gateway.stages.score import Abstain, Scores

ONE = np.zeros(1, np.int64)
TRAINED = [Input(role="flow", mean=10.0, scale=2.0), Input(role="pressure", mean=4.0, scale=0.5), Input(role="free")]


def feed(inputs: Inputs, row: list[float], count: int = 4000) -> NDArray[np.float64]:
    for _ in range(count):
        inputs.follow(ONE, np.array([row]))
    drift: NDArray[np.float64] = inputs.drift[0]
    return drift


def test_the_slow_mean_is_told_in_scales_of_the_training_in_the_order_of_the_tags() -> None:
    inputs = Inputs(3, [200.0])
    inputs.begin(TRAINED, np.array([[2, 0, 1]]))  # the asset's tags: pressure, free, flow
    assert feed(inputs, [4.0, 7.0, 10.0]).tolist() == [0.0, 0.0, 0.0]
    assert feed(inputs, [4.0, 700.0, 18.0]) == pytest.approx([0.0, 0.0, 4.0], abs=0.01)
    assert feed(inputs, [np.nan, np.nan, 18.0]) == pytest.approx([0.0, 0.0, 4.0], abs=0.01)


def test_another_version_is_compared_with_its_own_training() -> None:
    inputs = Inputs(3, [200.0])
    inputs.begin(TRAINED, np.array([[0, 1, 2]]))
    feed(inputs, [18.0, 4.0, 7.0])
    wider = [Input(role="flow", mean=14.0, scale=4.0), TRAINED[1], Input(role="free", mean=7.0, scale=2.0)]
    inputs.begin(wider, np.array([[0, 1, 2]]))
    assert inputs.drift[0] == pytest.approx([1.0, 0.0, 0.0], abs=0.01), "where it stood, seen from the new training"


class Users:
    """A user's model whose inputs have gone as far as they are said to."""

    out = False

    def __init__(self) -> None:
        self.drift = np.zeros((1, 2))

    def score(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> Scores:
        return Scores.silent(len(members), x.shape[1], Abstain.FILLING)


def made(users: Users, fallback: str) -> Judged:
    table = TagTable.build(
        [DeviceConfig(device="p", adapter="x", every=60.0, tags={"a": TagConfig(), "b": TagConfig()})]
    )
    config = AssetConfig.model_validate({"tags": ["p.a", "p.b"], "model": "bundles/own", "fallback": fallback})
    watched: list[Watched] = []

    def own(_model: str, assets: Sequence[Watched]) -> Users:
        watched.extend(assets)
        return users

    judged = assemble({"one": config}, table, own=own)
    assert bool(watched[0].baseline) == (fallback == "none"), "with a detector beside it, that follows the drift"
    return judged


def test_it_is_an_event_each_way_and_a_figure() -> None:
    users = Users()
    judged = made(users, "none")
    monitor = DriftMonitor(judged)
    assert (monitor.look(), drifted(judged)) == ([], 0)
    users.drift[0, 1] = -3.5
    (gone,) = monitor.look()
    assert gone.text("p.b").startswith(
        "one: p.b has drifted by -3.5 standard deviations from what its model was trained"
    )
    assert (monitor.look(), drifted(judged)) == ([], 1)
    users.drift[0, 1] = -1.0
    (back,) = monitor.look()
    assert back.text("p.b") == "one: p.b is back where it was in training"
    assert drifted(judged) == 0


def test_with_a_fallback_both_are_watched() -> None:
    judged = made(Users(), "default")
    assert len(DriftMonitor(judged).look()) == 0
    judged.detectors[0].drift[0, 0] = 4.0
    assert drifted(judged) == 1

"""A worker computes what its model says, within its limits, and its end costs no window."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.models.engine import Call, Engine
from gateway.models.manifest import BundleError, Manifest
from gateway.models.process import Answer, Limits, Process, WorkerError
from gateway.models.remote import MOST_CALLS, Remote
from gateway.models.windows import Windows
from gateway.stages.score import Abstain, Scores
from tests.models import made
from tests.models.made import (
    WIDTH,
    WINDOW,
    bundle,
    constant,
    graph,
    info,
    manifest,
    mean_square,
    node,
    sluggish,
    when_high,
    whole,
)  # fmt: skip

WITHIN = 60.0
LIMITS = Limits(memory=256 * 2**20, deadline=0.4)


async def until(condition: Any, what: str) -> None:
    for _ in range(int(WITHIN / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(what)


def proc(pid: int, file: str) -> str:
    return Path(f"/proc/{pid}/{file}").read_text()


def cpu(pid: int) -> int:
    """Ticks of processor time that it has used."""
    return int(proc(pid, "stat").rpartition(")")[2].split()[11])


def exists(pid: int) -> bool:
    """Whether it still runs; what only waits to be collected does not."""
    try:
        return proc(pid, "stat").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    one = await Process.start(mean_square(), manifest(), LIMITS, 8)
    yield one
    await one.close()


def windows(rows: int = 1, value: float = 1.0) -> Any:
    return np.full((rows, WINDOW, WIDTH), value)


# -- the process -------------------------------------------------------------------------------------------------------


async def test_a_worker_says_what_the_model_says(process: Process) -> None:
    x = np.random.default_rng(0).normal(size=(8, WINDOW, WIDTH))
    answer = await process.ask(x)
    np.testing.assert_allclose(answer.score, (x**2).mean(axis=(1, 2)), rtol=1e-5)
    assert np.isnan(answer.contrib).all()
    assert 0 < answer.seconds < WITHIN


async def test_a_worker_gives_way(process: Process) -> None:
    status = dict(line.split(":\t") for line in proc(process.pid, "status").splitlines())
    assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
    assert proc(process.pid, "oom_score_adj").strip() == "1000"
    room, _ = resource.prlimit(process.pid, resource.RLIMIT_AS)
    assert room < 2**32 + int(status["VmSize"].split()[0]) * 1024
    assert process.told["provider"] == "cpu"


async def test_normalisation_and_the_three_outputs_are_those_of_the_manifest() -> None:
    again = [node("Mul", "x half", "again")]
    model = whole(again, [info("x", None, 2, 2)], [info("again", None, 2, 2)], constant(np.float32(0.5), "half"))
    shown = manifest(
        inputs=[{"role": "a", "mean": 10.0, "scale": 2.0}, {"role": "b", "mean": 0.0, "scale": 1.0}],
        window={"rows": 2},
        outputs={"reconstruction": "again"},
        golden={"rows": [[10.0, 0.0], [10.0, 0.0]], "score": 0.0},
    )
    process = await Process.start(model, shown, LIMITS, 2)
    answer = await process.ask(np.array([[[14.0, 0.0], [18.0, 3.0]]]))  # standardised: 2 0 / 4 3, reconstructed by half
    np.testing.assert_allclose(answer.score, [np.sqrt((1 + 0 + 4 + 2.25) / 4)], rtol=1e-6)
    np.testing.assert_allclose(answer.contrib, [[2.5 / 3.625, 1.125 / 3.625]], rtol=1e-6)
    np.testing.assert_allclose(answer.expected, [[14.0, 1.5]], rtol=1e-6)
    await process.close()


@pytest.mark.parametrize(
    ("model", "more", "code"),
    [
        (mean_square(), {"golden": {"rows": [[1, 1]] * 3, "score": 1.1}}, "golden"),
        (graph([*made.MEAN, node("Div", "plain nil", "score")], nil=np.float32(0)), {}, "not-finite"),
        (mean_square()[:-20], {}, "refused"),
        (graph([node("ReduceMean", "x", "score", axes=[0, 1, 2], keepdims=0)]), {}, "shape"),
        (graph([*made.MEAN, node("Nonsense", "plain", "score")]), {}, "refused"),
    ],
    ids=["golden", "not finite", "truncated", "shape", "operator"],
)
async def test_a_model_that_fails_its_golden_run_is_refused(model: bytes, more: dict[str, Any], code: str) -> None:
    with pytest.raises(BundleError) as caught:
        await Process.start(model, manifest(**more), LIMITS)
    assert caught.value.code == code


async def test_a_provider_that_is_not_there_is_passed_over_and_reported() -> None:
    process = await Process.start(mean_square(), manifest(), Limits(providers=("cuda", "cpu")))
    assert process.told["provider"] == "cpu"
    assert list(process.told["passed"]) == [["cuda", "not there"]]
    await process.close()
    with pytest.raises(BundleError, match="none of the providers"):
        await Process.start(mean_square(), manifest(), Limits(providers=("migraphx",)))


async def test_a_call_that_takes_too_long_ends_the_process() -> None:
    process = await Process.start(sluggish(), manifest(), LIMITS)
    assert (await process.ask(windows())).score.tolist() == [1.0]
    pid = process.pid
    with pytest.raises(WorkerError, match="deadline"):
        await process.ask(windows(value=200.0))
    assert not exists(pid)


async def test_a_killed_worker_is_noticed_and_named(process: Process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="ended by signal 9"):
        await process.ask(windows())


async def test_a_call_that_takes_too_much_memory_fails_and_the_process_lives_on() -> None:
    size = [node("Mul", "above_n much", "wanted"), node("Add", "wanted least", "side")]
    made_of = [node("Cast", "above", "above_n", to=7), *size, node("Expand", "nought side", "all")]
    model = when_high(
        [*made_of, node("ReduceMax", "all", "more", keepdims=0)],
        much=np.array([2**31]), least=np.array([1]), nought=np.float32(0),
    )  # fmt: skip
    process = await Process.start(model, manifest(), LIMITS)
    with pytest.raises(WorkerError, match="failed"):
        await process.ask(windows(value=200.0))
    assert (await process.ask(windows())).score.tolist() == [1.0]
    await process.close()


async def test_a_worker_is_gone_when_its_gateway_is_killed_in_the_middle_of_a_call_too(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio\n"
        "import numpy as np\n"
        "from tests.models.made import *\n"
        "from gateway.models.process import *\n"
        "async def main():\n"
        "    process = await Process.start(sluggish(), manifest(), Limits(deadline=600.0))\n"
        "    print(process.pid, flush=True)\n"
        "    await process.ask(np.full((1, WINDOW, WIDTH), 200.0))\n"
        "asyncio.run(main())\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = await asyncio.create_subprocess_exec(sys.executable, script, stdout=subprocess.PIPE, env=environ)
    assert parent.stdout is not None
    worker = int(await parent.stdout.readline())
    began = cpu(worker)
    await until(lambda: cpu(worker) > began + 10, "it is at its call")
    parent.kill()
    await parent.communicate()
    await until(lambda: not exists(worker), "the worker is gone")


# -- windows -----------------------------------------------------------------------------------------------------------


def test_windows_hold_the_latest_rows_of_each_asset() -> None:
    ring = Windows(2, 1, 3, 0)
    for value in range(5):
        ring.push(np.array([0]), np.array([[float(value)]]))
    ring.push(np.array([1]), np.array([[9.0]]))
    assert ring.take(np.array([0]), 3)[0, :, 0].tolist() == [2, 3, 4]
    assert ring.count.tolist() == [5, 1]
    ring.grow(4)
    ring.push(np.array([0]), np.array([[5.0]]))
    assert ring.take(np.array([0]), 4)[0, :, 0].tolist() == [2, 3, 4, 5]


def test_a_bad_tag_keeps_its_value_for_so_many_rows_and_then_the_window_begins_anew() -> None:
    ring, one, bad = Windows(1, 2, 2, 2), np.array([0]), np.array([[np.nan, 5.0]])
    assert not ring.push(one, bad).any(), "it never had a value"
    ring.push(one, np.array([[1.0, 4.0]]))
    assert [bool(ring.push(one, bad)[0]) for _ in range(3)] == [True, True, False]
    assert ring.count.tolist() == [0]
    assert ring.push(one, np.array([[2.0, 6.0]])).all()
    assert ring.take(one, 1)[0].tolist() == [[2.0, 6.0]]


# -- the scorer --------------------------------------------------------------------------------------------------------


class Desk:
    """A remote scorer with its engines, and a keeper that only notes."""

    def __init__(self, members: int = 2, limits: Limits = LIMITS) -> None:
        self.limits, self.answers, self.faults = limits, dict[int, Scores](), list[str]()
        self.members = members
        self.remote = Remote("pump-7", members, WIDTH, self)
        self.remote.late = self.late
        self.tasks: list[asyncio.Task[None]] = []

    def late(self, ticket: int, scores: Scores) -> None:
        assert ticket not in self.answers, "an answer comes once"
        self.answers[ticket] = scores

    def failed(self, _remote: Remote, _engine: Engine, error: WorkerError | BundleError) -> None:
        self.faults.append(error.code)

    def ready(self, _remote: Remote, _engine: Engine) -> None:
        """Nothing to note."""

    def engine(self, model: bytes | None = None, version: str = "1.0", **more: Any) -> Engine:
        places = np.broadcast_to(np.arange(WIDTH), (self.members, WIDTH))
        one = Engine(bundle(model, version, **more), places, self.limits, self.remote)
        self.tasks.append(asyncio.get_running_loop().create_task(one.run()))
        return one

    def row(self, value: float, *members: int) -> Scores:
        who = np.array(members or (0, 1))
        return self.remote.score(who, np.full((len(who), WIDTH), value))

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    one = Desk()
    yield one
    await one.end()


async def test_rows_fill_the_window_then_are_pending_then_answered(desk: Desk) -> None:
    assert desk.row(1.0).reason.tolist() == [Abstain.MODEL_FAILED] * 2, "there is no version yet"
    desk.remote.swap(desk.engine(), None)
    assert [desk.row(v).reason.tolist()[0] for v in (1.0, 2.0)] == [Abstain.FILLING, Abstain.PENDING]
    pending = desk.row(3.0)
    assert pending.reason.tolist() == [Abstain.PENDING] * 2
    assert np.isnan(pending.score).all()
    await until(lambda: pending.ticket in desk.answers, "it is answered")
    answer = desk.answers[pending.ticket]
    np.testing.assert_allclose(answer.score, [14 / 3] * 2, rtol=1e-5)
    assert (answer.threshold.tolist(), answer.version) == ([10.0, 10.0], "1.0")


async def test_answers_come_in_the_order_of_the_rows(desk: Desk) -> None:
    desk.remote.swap(desk.engine(), None)
    tickets = [desk.row(float(value)).ticket for value in range(30)][2:]
    await until(lambda: len(desk.answers) == 28, "all are answered")
    assert list(desk.answers) == tickets


async def test_a_killed_worker_comes_back_and_no_window_is_lost(desk: Desk) -> None:
    engine = desk.engine()
    desk.remote.swap(engine, None)
    tickets = []
    for number in range(60):
        tickets.append(desk.row(float(number)).ticket)
        if number in (20, 40):
            await until(lambda: engine.pid and not desk.remote.waiting, "it runs")
            os.kill(engine.pid, signal.SIGKILL)
        await asyncio.sleep(0.005)
    await until(lambda: len(desk.answers) == 58, "all are answered")
    assert sorted(desk.answers) == tickets[2:]
    assert all(not answer.reason.any() for answer in desk.answers.values())
    assert desk.faults == ["died", "died"]
    assert engine.counters["starts"] >= 3


async def test_a_row_that_the_model_cannot_bear_is_told_and_the_next_is_scored(desk: Desk) -> None:
    desk.remote.swap(desk.engine(sluggish()), None)
    for value in (1.0, 1.0):
        desk.row(value)
    bad = desk.row(200.0, 0)
    good = [desk.row(1.0, 1) for _ in range(3)][-1]
    await until(lambda: good.ticket in desk.answers, "the next is scored")
    assert desk.answers[bad.ticket].reason.tolist() == [Abstain.MODEL_FAILED]
    assert desk.answers[good.ticket].reason.tolist() == [Abstain.NONE]
    assert desk.faults == ["deadline", "deadline"]


async def test_a_swap_leaves_no_window_without_a_score(desk: Desk) -> None:
    first, second = desk.engine(), desk.engine(mean_square(2.0), "2.0", golden={"rows": [[1, 1]] * 3, "score": 2.0})
    desk.remote.swap(first, second)
    await until(lambda: first.pid and second.pid, "both run")
    for number in range(80):
        desk.row(1.0)
        if number == 30:
            desk.remote.swap(second, first)
        if number == 60:
            await until(lambda: any(one.version == "2.0" for one in desk.answers.values()), "the second one answers")
            desk.remote.swap(first, None)
        await asyncio.sleep(0.003)
    await until(lambda: len(desk.answers) == 78, "all are answered")
    assert {answer.version for answer in desk.answers.values()} == {"1.0", "2.0"}
    assert all(answer.score.tolist() == [float(answer.version)] * 2
               for answer in desk.answers.values())  # fmt: skip
    assert all(not answer.reason.any() for answer in desk.answers.values())


async def test_an_answer_under_way_at_a_swap_does_not_overtake_earlier_rows() -> None:
    desk = Desk()
    places = np.broadcast_to(np.arange(WIDTH), (2, WIDTH))
    first, second = (Engine(bundle(version=version), places, LIMITS, desk.remote) for version in ("1.0", "2.0"))
    desk.remote.swap(first, second)
    tickets = [desk.row(1.0).ticket for _ in range(WINDOW + 2)][2:]

    def answer(engine: Engine) -> tuple[Call, Answer]:
        call = desk.remote.head(engine)
        assert call is not None
        return call, Answer(np.ones(2), np.ones((2, WIDTH)), np.ones((2, WIDTH)), 0.0)

    desk.remote.answered(second, *answer(second))
    under_way = answer(second)  # the second of three rows; none has been answered by the active version
    desk.remote.swap(second, None)
    desk.remote.answered(second, *under_way)
    assert not desk.answers
    for _ in tickets:
        desk.remote.answered(second, *answer(second))
    assert list(desk.answers) == tickets


async def test_too_many_calls_that_wait_are_given_up_the_eldest_first(desk: Desk) -> None:
    desk.remote.swap(desk.engine(), None)
    tickets = [desk.row(1.0).ticket for _ in range(MOST_CALLS + 12)][2:]
    await until(lambda: len(desk.answers) == len(tickets), "all are answered")
    lost = [ticket for ticket, answer in desk.answers.items() if answer.reason.any()]
    assert sorted(lost) == tickets[:10]
    assert desk.remote.counters["calls_dropped"] == 10


async def test_tags_in_another_order_reach_their_inputs_and_come_back() -> None:
    desk = Desk(1)
    nodes = [
        node("ReduceMean", "x", "shares", axes=[1], keepdims=0),
        node("ReduceMean", "x", "score", axes=[1, 2], keepdims=0),
    ]
    shares = whole(nodes, [info("x", None, WINDOW, WIDTH)], [info("score", None), info("shares", None, WIDTH)])
    outputs = {"score": "score", "contributions": "shares"}
    one = Engine(bundle(shares, outputs=outputs), np.array([[1, 0]]), LIMITS, desk.remote)
    desk.tasks.append(asyncio.get_running_loop().create_task(one.run()))
    desk.remote.swap(one, None)
    rows = [desk.remote.score(np.array([0]), np.array([[3.0, 7.0]])) for _ in range(WINDOW)]
    pending = rows[-1]
    await until(lambda: pending.ticket in desk.answers, "it is answered")
    assert desk.answers[pending.ticket].contrib.tolist() == [[3.0, 7.0]]
    await desk.end()


def test_a_manifest_of_reconstruction_needs_no_score() -> None:
    assert isinstance(manifest(outputs={"reconstruction": "again"}), Manifest)

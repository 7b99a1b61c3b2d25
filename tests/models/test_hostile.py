"""Twelve hostile models are brought to a gateway that scores: none becomes active, each is named, polling goes on."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from gateway.models.bundle import ENVELOPE, MANIFEST, MODEL, pack, to_archive
from gateway.models.signing import sign
from tests.models.made import (
    KEY,
    MEAN,
    body,
    bundle,
    constant,
    graph,
    helper_graph,
    manifest,
    mean_square,
    node,
    serialised,
    sluggish,
    when_high,
)
from tests.models.rig import Rig

Files = dict[str, bytes]


def signed(model: bytes, **more: Any) -> Files:
    return pack(model, manifest("2.0", **more), KEY)


def truncated() -> Files:
    return signed(mean_square()[:-25])


def wrong_shape() -> Files:
    return signed(mean_square(width=5))


def not_a_number() -> Files:
    return signed(graph([*MEAN, node("Div", "plain nil", "score")], nil=np.float32(0)))


def endless_loop() -> Files:
    nodes = [
        node("ReduceMean", "x", "start", axes=[1, 2], keepdims=0),
        node("Loop", "rounds yes start", "score", body=body()),
    ]
    return signed(graph(nodes, rounds=np.int64(2**40), yes=np.True_))


def huge_allocation() -> Files:
    nodes = [*MEAN, node("Expand", "nil side", "all"), node("ReduceMax", "all", "most", keepdims=0)]
    return signed(graph([*nodes, node("Add", "plain most", "score")], nil=np.float32(0), side=np.array([2**33])))


def external_data() -> Files:
    made = helper_graph([*MEAN, node("Mul", "plain factor", "score")], constant(np.float32(1), "factor"))
    tensor = made.initializer[0]
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = 1
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    return signed(serialised(made))


def custom_operator() -> Files:
    nodes = [*MEAN, node("RunShell", "plain", "score", domain="com.evil")]
    return signed(serialised(helper_graph(nodes), "com.evil"))


def wrong_golden() -> Files:
    return signed(mean_square(1.2))


def unsigned() -> Files:
    content = signed(mean_square())
    del content[ENVELOPE]
    return content


def tampered_manifest() -> Files:
    content = signed(mean_square())
    return {**content, MANIFEST: content[MANIFEST].replace(b'"threshold": 10.0', b'"threshold": 99.0')}


def older_version() -> Files:
    return pack(mean_square(), manifest("0.9"), KEY)


def crash_on_run() -> Files:
    nodes = [node("Cast", "above", "index", to=7), node("Gather", "table index", "more")]
    return signed(when_high(nodes, table=np.array([0.0], np.float32)))


def not_a_number_on_run() -> Files:
    nodes = [node("Cast", "above", "flag", to=1), node("Sub", "one flag", "rest"), node("Div", "flag rest", "more")]
    return signed(when_high(nodes, one=np.float32(1)))


def native_code() -> Files:
    nodes = [*MEAN, node("EPContext", "plain", "score", domain="com.microsoft", embed_mode=1, ep_cache_context="ELF")]
    return signed(serialised(helper_graph(nodes), "com.microsoft"))


def slow_on_run() -> Files:
    return signed(sluggish())


def statement_of_another() -> Files:
    """Everything signed by the right key, but the statement is of another version than the manifest."""
    content = signed(mean_square())
    sums = {
        name: {"sha256": hashlib.sha256(content[name]).hexdigest(), "size": len(content[name])}
        for name in (MODEL, MANIFEST)
    }
    payload = orjson.dumps(
        {"kind": "model", "name": "pump-7", "version": "3.0", "files": sums}, option=orjson.OPT_SORT_KEYS
    )
    return {**content, ENVELOPE: sign(payload, KEY)}


REFUSED: list[tuple[Callable[[], Files], str]] = [
    (truncated, "graph:"),
    (wrong_shape, "shape:"),
    (endless_loop, "a Loop with 1099511627776 rounds"),
    (external_data, "lies outside the file"),
    (custom_operator, "com.evil"),
    (unsigned, "unsigned:"),
    (tampered_manifest, "tampered: manifest.json"),
    (older_version, "is older than 1.0"),
    (native_code, "EPContext carries native code"),
    (statement_of_another, "tampered:"),
]
QUARANTINED: list[tuple[Callable[[], Files], str]] = [
    (not_a_number, "not-finite:"),
    (huge_allocation, "bad_alloc"),
    (wrong_golden, "golden: "),
    (crash_on_run, "failed: "),
    (not_a_number_on_run, "not-finite: pump-7 2.0: 2 answers that are no numbers"),
    (slow_on_run, "deadline: "),
]


def name(value: Any) -> str:
    return str(value.__name__) if callable(value) else ""


async def bring(rig: Rig, files: Files) -> dict[str, Any]:
    """Lay an archive on the shelf behind the back of the command line, and ask for it to be tried."""
    version = json.loads(files[MANIFEST])["version"]
    await asyncio.to_thread((rig.state / f"models/pump-7/{version}.tar").write_bytes, to_archive(files))
    return await rig.command("shadow", version)


@pytest.mark.parametrize(("hostile", "word"), [*REFUSED, *QUARANTINED], ids=name)
async def test_none_of_the_hostile_models_becomes_active(
    tmp_path: Path, hostile: Callable[[], Files], word: str
) -> None:
    rig = Rig(tmp_path)
    rig.lay(bundle())
    async with rig:
        await rig.rows_until(lambda: rig.answers, "the good one scores")
        answer = await bring(rig, hostile())
        if answer["ok"]:
            await rig.rows_until(lambda: rig.states().get("2.0") == "quarantined", f"quarantined: {word}", 200.0)
        await rig.rows(5)
        await rig.answered()
        assert rig.states()["1.0"] == "active"
        assert rig.states().get("2.0") in (None, "quarantined")
    assert rig.failed() == 0, "the last good model scored every window"
    told = [text for kind, text, _ in rig.events if kind in ("model refused", "model quarantined")]
    assert len(told) == 1
    assert word in told[0]
    assert rig.life.record.active == "1.0"


async def test_a_model_that_takes_all_it_can_get_leaves_the_loop_alone(tmp_path: Path) -> None:
    """Coarse on purpose: `bench/worker.py` has the figures. Here a machine may be busy with other things."""
    rig = Rig(tmp_path, deadline=5.0)
    rig.lay(bundle())
    async with rig:
        await rig.rows_until(lambda: rig.answers, "the good one scores")
        rig.lag.clear()
        await rig.rows(250)
        calm = float(np.percentile(rig.lag, 99))
        await bring(rig, slow_on_run())
        await rig.rows_until(lambda: rig.life.remote.second and rig.life.remote.second.pid, "the slow one runs")
        rig.row(200.0)
        rig.lag.clear()
        await rig.rows(250)
        busy = float(np.percentile(rig.lag, 99))
        assert rig.states()["2.0"] == "shadow", "it is still at its call"
    assert busy - calm < 0.05

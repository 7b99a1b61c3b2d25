"""Bundles for tests: small ONNX graphs of our own making, honest and hostile ones, and the key that signs them."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper, numpy_helper

from gateway.models.bundle import Bundle, check, pack
from gateway.models.manifest import Manifest
from gateway.models.signing import key_id

KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
TRUSTED: Final = {key_id(KEY.public_key()): KEY.public_key()}
WINDOW, WIDTH = 3, 2
F = TensorProto.FLOAT


def info(name: str, *shape: Any, kind: int = F) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape))


def constant(value: Any, name: str) -> Any:
    return numpy_helper.from_array(np.asarray(value), name)


def whole(nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], *constants: Any) -> bytes:
    """A model of any inputs and outputs."""
    return serialised(helper.make_graph(nodes, "test", inputs, outputs, list(constants)))


def node(op: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), output.split(), **attributes)


def graph(
    nodes: Sequence[Any], window: int = WINDOW, width: int = WIDTH, shape: Sequence[Any] = (None,), **constants: Any
) -> bytes:
    """A model with input x and output score."""
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", F, [None, window, width])],
        [helper.make_tensor_value_info("score", F, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return serialised(made)


def serialised(made: Any, *domains: str) -> bytes:
    sets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(made, opset_imports=sets)
    model.ir_version = 8
    return bytes(model.SerializeToString())


MEAN: Final = [node("Mul", "x x", "squared"), node("ReduceMean", "squared", "plain", axes=[1, 2], keepdims=0)]


def mean_square(factor: float = 1.0, window: int = WINDOW, width: int = WIDTH) -> bytes:
    """score = factor * mean of the squares of the window."""
    return graph([*MEAN, node("Mul", "plain factor", "score")], window, width, factor=np.float32(factor))


def when_high(nodes: Sequence[Any], **constants: Any) -> bytes:
    """As mean_square, and `nodes` make `more` out of `high`, 1 where the newest first tag is above 100 and 0 else."""
    newest = [
        node("Gather", "x last", "row", axis=1), node("Gather", "row first", "tag", axis=1),
        node("ReduceMax", "tag", "most", keepdims=0), node("Greater", "most limit", "above"),
    ]  # fmt: skip
    every = [*MEAN, *newest, *nodes, node("Add", "plain more", "score")]
    return graph(every, last=np.int64(-1), first=np.int64(0), limit=np.float32(100), **constants)


def body(rounds_out: str = "") -> Any:
    """A loop's body that adds 1 to what it carries."""
    info = helper.make_tensor_value_info
    return helper.make_graph(
        [node("Identity", "go", "on"), node("Add", "carried one", "added")],
        "body" + rounds_out,
        [info("i", TensorProto.INT64, []), info("go", TensorProto.BOOL, []), info("carried", F, None)],
        [info("on", TensorProto.BOOL, []), info("added", F, None)],
        [numpy_helper.from_array(np.array(0, np.float32), "one")],
    )


def sluggish(seconds_or_for_ever: float = float("inf")) -> bytes:
    """Works on small values; takes for ever (or about so many seconds) once the newest first tag is above 100.

    A matrix is multiplied over and over, in a loop of 10,000 rounds: no loop without a bound is needed to be too slow.
    """
    rounds = 10_000 if seconds_or_for_ever == float("inf") else max(1, int(seconds_or_for_ever * 100))
    info = helper.make_tensor_value_info
    inner = helper.make_graph(
        [
            node("Identity", "go", "on"),
            node("MatMul", "carried carried", "product"),
            node("Mul", "product nil", "next"),
        ],
        "inner",
        [info("i", TensorProto.INT64, []), info("go", TensorProto.BOOL, []), info("carried", F, None)],
        [info("on", TensorProto.BOOL, []), info("next", F, None)],
        [numpy_helper.from_array(np.array(0, np.float32), "nil")],
    )
    branch = helper.make_graph(
        [
            node("ConstantOfShape", "side", "square"),
            node("Loop", "rounds yes square", "worked", body=inner),
            node("ReduceMax", "worked", "slow", keepdims=0),
        ],
        "slow",
        [],
        [info("slow", F, [])],
        [
            numpy_helper.from_array(np.array([700, 700]), "side"),
            numpy_helper.from_array(np.array(rounds), "rounds"),
            numpy_helper.from_array(np.array([1], bool).reshape(()), "yes"),
        ],
    )
    quick = helper.make_graph([node("Identity", "nought", "fast")], "fast", [], [info("fast", F, [])])
    return when_high([node("If", "above", "more", then_branch=branch, else_branch=quick)], nought=np.float32(0))


def manifest(version: str = "1.0", **more: Any) -> Manifest:
    return Manifest.model_validate(
        {
            "name": "pump-7",
            "version": version,
            "inputs": [{"role": "flow", "unit": "m³/h"}, {"role": "pressure"}],
            "window": {"rows": WINDOW},
            "outputs": {"score": "score"},
            "threshold": 10.0,
            "golden": {"rows": [[1.0, 1.0]] * WINDOW, "score": 1.0},
            **more,
        }
    )


def files(model: bytes | None = None, made: Manifest | None = None, key: Ed25519PrivateKey = KEY) -> dict[str, bytes]:
    return pack(mean_square() if model is None else model, made or manifest(), key)


def bundle(model: bytes | None = None, version: str = "1.0", **more: Any) -> Bundle:
    return check(files(model, manifest(version, **more)), TRUSTED)


def helper_graph(nodes: Sequence[Any], *constants: Any) -> Any:
    """The graph of `graph`, not serialised yet."""
    return helper.make_graph(nodes, "test", [info("x", None, WINDOW, WIDTH)], [info("score", None)], list(constants))

"""Builds `default.onnx`, the graph of the default detector: `python -m gateway.models.graph` writes it anew.

Needed by developers only: at run time the shipped file is read and `onnx` is not imported. Nothing in the graph depends
on the number of tags, scales or assets, so that one file serves them all, and a new calibration is new data, not a new
graph. `docs/detector.md` has the formulas.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from gateway.models.calibration import CLIP

PATH: Final = Path(__file__).with_name("default.onnx")
OPSET: Final = 17
IR: Final = 8
F4, F8, I8 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64

Lines = tuple[tuple[str, dict[str, Any]], ...]

INPUTS: Final[dict[str, tuple[Any, list[Any]]]] = {
    "x": (F8, ["B", "D"]),  # the tags; NaN where one is bad
    "e": (F4, ["B", "K", "D"]),  # the smoothed tags so far
    "a": (I8, ["B"]),  # row of each asset in the columns below
    "m": (F8, ["N", "D"]),
    "s": (F8, ["N", "D"]),
    "mu": (F4, ["N", "K", "D"]),
    "P": (F4, ["N", "K", "D", "D"]),
    "v": (F4, ["N", "K", "D"]),  # 1 / diagonal of P: variance of a tag given the others
    "w": (F4, ["N", "K"]),  # largest eigenvalue of P scaled to a diagonal of ones
    "c": (F4, ["N", "K"]),
    "alpha": (F4, ["K", 1]),
}
OUTPUTS: Final[dict[str, tuple[Any, list[Any]]]] = {
    "score": (F4, ["B"]),
    "contrib": (F4, ["B", "D"]),
    "expected": (F8, ["B", "D"]),
    "e_out": (F4, ["B", "K", "D"]),
}
CONSTANTS: Final[dict[str, Any]] = {
    "low": np.float64(-CLIP),
    "high": np.float64(CLIP),
    "tiny": np.float32(1e-12),
    "unit": np.float32(1),
    "first": np.int64(0),
    "one": np.array([1], np.int64),
    "last": np.array([-1], np.int64),
}

# Each line: output = op(inputs), and the attributes of the op. A name with a trailing _ belongs to the row's asset.
STANDARDISE: Final[Lines] = (
    ("m_ = Gather(m, a)", {"axis": 0}),
    ("s_ = Gather(s, a)", {"axis": 0}),
    ("above = Sub(x, m_)", {}),
    ("wide = Div(above, s_)", {}),
    ("clipped = Clip(wide, low, high)", {}),
    ("short = Cast(clipped)", {"to": F4}),
    ("z = Unsqueeze(short, one)", {}),
    ("nan = IsNaN(z)", {}),
)
# E = e + alpha (z - e); a bad tag keeps its e
SMOOTH: Final[Lines] = (
    ("sample = Where(nan, e, z)", {}),
    ("change = Sub(sample, e)", {}),
    ("step = Mul(change, alpha)", {}),
    ("E = Add(e, step)", {}),
)
# d = E - mu, R = P d, score = mean over k of sqrt(d'R / D) / c
SCORE: Final[Lines] = (
    ("mu_ = Gather(mu, a)", {"axis": 0}),
    ("P_ = Gather(P, a)", {"axis": 0}),
    ("c_ = Gather(c, a)", {"axis": 0}),
    ("d = Sub(E, mu_)", {}),
    ("column = Unsqueeze(d, last)", {}),
    ("product = MatMul(P_, column)", {}),
    ("R = Squeeze(product, last)", {}),
    ("parts = Mul(d, R)", {}),
    ("raw = ReduceMean(parts)", {"axes": [-1], "keepdims": 1}),
    ("mean = Max(raw, tiny)", {}),
    ("root = Sqrt(mean)", {}),
    ("c3 = Unsqueeze(c_, last)", {}),
    ("scale = Div(root, c3)", {}),
    ("score2 = ReduceMean(scale)", {"axes": [1], "keepdims": 0}),
    ("score = Squeeze(score2, last)", {}),
)
# share of a tag: mean over k, weighted by the scale's part of the score, of d_j R_j / d'R
SHARE: Final[Lines] = (
    ("per = Div(scale, mean)", {}),
    ("weighted = Mul(parts, per)", {}),
    ("shares = ReduceMean(weighted)", {"axes": [1], "keepdims": 0}),
    ("size = Shape(x)", {"start": 1, "end": 2}),
    ("D = Cast(size)", {"to": F4}),
    ("total = Mul(score2, D)", {}),
    ("contrib = Div(shares, total)", {}),
)
# of a tag given the others, at the fastest scale: m + s (E_j - R_j / P_jj)
EXPECT: Final[Lines] = (
    ("v_ = Gather(v, a)", {"axis": 0}),
    ("residual = Mul(R, v_)", {}),
    ("others = Sub(E, residual)", {}),
    ("fastest = Gather(others, first)", {"axis": 1}),
    ("long = Cast(fastest)", {"to": F8}),
    ("unscaled = Mul(long, s_)", {}),
    ("expected = Add(unscaled, m_)", {}),
)
# A bad tag goes over to what the others let expect. Several at once pull at each other: a step of 1/n for n bad tags,
# or of 1/w where that is larger, keeps them from swinging up (w bounds every part of P, by interlacing).
FADE: Final[Lines] = (
    ("bad = Cast(nan)", {"to": F4}),
    ("count = ReduceSum(bad, last)", {"keepdims": 1}),
    ("w_ = Gather(w, a)", {"axis": 0}),
    ("w3 = Unsqueeze(w_, last)", {}),
    ("least = Min(count, w3)", {}),
    ("weight = Max(least, unit)", {}),
    ("part = Div(bad, weight)", {}),
    ("pull = Mul(part, residual)", {}),
    ("fade = Mul(pull, alpha)", {}),
    ("e_out = Sub(E, fade)", {}),
)


def build() -> Any:
    """The graph, as a checked onnx.ModelProto."""
    graph = helper.make_graph(
        [_node(*line) for line in (*STANDARDISE, *SMOOTH, *SCORE, *SHARE, *EXPECT, *FADE)],
        "ewma_shrinkage_mahalanobis",
        [helper.make_tensor_value_info(name, *spec) for name, spec in INPUTS.items()],
        [helper.make_tensor_value_info(name, *spec) for name, spec in OUTPUTS.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in CONSTANTS.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="fieldgate")
    model.ir_version = IR
    checker.check_model(model, full_check=True)
    return model


def _node(line: str, attributes: dict[str, Any]) -> Any:
    output, _, call = line.partition(" = ")
    op, _, inputs = call.rstrip(")").partition("(")
    return helper.make_node(op, inputs.split(", "), [output], **attributes)


def main() -> None:
    """Write the graph into the package."""
    PATH.write_bytes(build().SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()

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

# Every column has the shape [rows, scales, 1, tags], so that one product serves all scales and nothing is reshaped.
INPUTS: Final[dict[str, tuple[Any, list[Any]]]] = {
    "x": (F8, ["B", 1, 1, "D"]),  # the tags; NaN where one is bad
    "e": (F4, ["B", "K", 1, "D"]),  # the smoothed tags so far
    "a": (I8, ["B"]),  # row of each asset in the columns below
    "m": (F8, ["N", 1, 1, "D"]),
    "s": (F8, ["N", 1, 1, "D"]),
    "mu": (F4, ["N", "K", 1, "D"]),
    "P": (F4, ["N", "K", "D", "D"]),  # precision / (D c^2): d P d is 1 at the upper end of normal
    "v": (F4, ["N", "K", 1, "D"]),  # 1 / diagonal of P
    "alpha": (F4, ["K", 1, 1]),
}
OUTPUTS: Final[dict[str, tuple[Any, list[Any]]]] = {
    "score": (F4, ["B", 1, 1]),
    "contrib": (F4, ["B", 1, "D"]),
    "expected": (F8, ["B", 1, 1, "D"]),
    "e_out": (F4, ["B", "K", 1, "D"]),
    "residual": (F4, ["B", "K", 1, "D"]),
}
CONSTANTS: Final[dict[str, Any]] = {
    "low": np.float64(-CLIP),
    "high": np.float64(CLIP),
    "tiny": np.float32(1e-12),
    "first": np.array([0], np.int64),
    "last": np.array([-1], np.int64),
}

# Each line: output = op(inputs), and the attributes of the op. A name with a trailing _ belongs to the row's asset.
# Few nodes on purpose: a call that comes 50 times a second finds cold caches and pays for each of them.
STANDARDISE: Final[Lines] = (
    ("m_ = Gather(m, a)", {"axis": 0}),
    ("s_ = Gather(s, a)", {"axis": 0}),
    ("above = Sub(x, m_)", {}),
    ("wide = Div(above, s_)", {}),
    ("clipped = Clip(wide, low, high)", {}),
    ("z = Cast(clipped)", {"to": F4}),
)
# E = e + alpha (z - e); a bad tag keeps its e
SMOOTH: Final[Lines] = (
    ("bad = IsNaN(z)", {}),
    ("sample = Where(bad, e, z)", {}),
    ("change = Sub(sample, e)", {}),
    ("step = Mul(change, alpha)", {}),
    ("e_out = Add(e, step)", {}),
)
# d = E - mu, R = P d, score = mean over the scales of sqrt(d R)
SCORE: Final[Lines] = (
    ("mu_ = Gather(mu, a)", {"axis": 0}),
    ("P_ = Gather(P, a)", {"axis": 0}),
    ("d = Sub(e_out, mu_)", {}),
    ("R = MatMul(d, P_)", {}),
    ("parts = Mul(d, R)", {}),
    ("squared = ReduceSum(parts, last)", {"keepdims": 1}),
    ("positive = Max(squared, tiny)", {}),
    ("root = Sqrt(positive)", {}),
    ("score = ReduceMean(root)", {"axes": [1], "keepdims": 0}),
)
# share of tag j: mean over the scales, weighted by their part of the score, of d_j R_j / d R
SHARE: Final[Lines] = (
    ("weighted = Div(parts, root)", {}),
    ("shares = ReduceMean(weighted)", {"axes": [1], "keepdims": 0}),
    ("contrib = Div(shares, score)", {}),
)
# of tag j given the others, at the fastest scale: m + s (E_j - R_j / P_jj)
EXPECT: Final[Lines] = (
    ("v_ = Gather(v, a)", {"axis": 0}),
    ("residual = Mul(R, v_)", {}),
    ("others = Sub(e_out, residual)", {}),
    ("fastest = Gather(others, first)", {"axis": 1}),
    ("long = Cast(fastest)", {"to": F8}),
    ("unscaled = Mul(long, s_)", {}),
    ("expected = Add(unscaled, m_)", {}),
)


def build() -> Any:
    """The graph, as a checked onnx.ModelProto."""
    graph = helper.make_graph(
        [_node(*line) for line in (*STANDARDISE, *SMOOTH, *SCORE, *SHARE, *EXPECT)],
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

"""Builds `default.onnx` and `window.onnx`, the default detector: `python -m gateway.models.graph` writes them anew.

Needed by developers only: at run time the shipped files are read and `onnx` is not imported. Nothing in the graphs
depends on the number of tags, scales or assets, so that one file serves them all, and a new calibration is new data,
not a new graph. `docs/detector.md` has the formulas.

The first remembers from row to row. The second sees a window of rows and remembers nothing, as a user's model does:
`gateway.models.portable` puts the parameters of one calibration into it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from gateway.models.calibration import CLIP

PATH: Final = Path(__file__).with_name("default.onnx")
WINDOW: Final = Path(__file__).with_name("window.onnx")
OPSET: Final = 17
IR: Final = 8
F4, F8, I8 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64

Lines = tuple[tuple[str, dict[str, Any]], ...]
Ports = dict[str, tuple[Any, list[Any]]]

# Every column has the shape [rows, scales, 1, tags], so that one product serves all scales and nothing is reshaped.
INPUTS: Final[Ports] = {
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
OUTPUTS: Final[Ports] = {
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
# d = E - mu, R = P d, score^2 = mean over the scales of d R: what the scales say adds up as likelihoods do
SCORE: Final[Lines] = (
    ("mu_ = Gather(mu, a)", {"axis": 0}),
    ("P_ = Gather(P, a)", {"axis": 0}),
    ("d = Sub(e_out, mu_)", {}),
    ("R = MatMul(d, P_)", {}),
    ("parts = Mul(d, R)", {}),
    ("squared = ReduceSum(parts, last)", {"keepdims": 1}),
    ("together = ReduceMean(squared)", {"axes": [1], "keepdims": 0}),
    ("positive = Max(together, tiny)", {}),
    ("score = Sqrt(positive)", {}),
)
# share of tag j: its part of score^2, the mean over the scales of d_j R_j
SHARE: Final[Lines] = (
    ("shares = ReduceMean(parts)", {"axes": [1], "keepdims": 0}),
    ("contrib = Div(shares, positive)", {}),
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


# Of a window: the scales are weighted sums of its rows.
WINDOW_INPUTS: Final[Ports] = {
    "x": (F4, ["B", "W", "D"]),  # standardised rows, the newest last
    "kernel": (F4, [1, "K", 1, "W"]),  # weights of the rows at each scale
    "mu_": (F4, [1, "K", 1, "D"]),
    "P_": (F4, [1, "K", "D", "D"]),
}
WINDOW_OUTPUTS: Final[Ports] = {"scores": (F4, ["B"]), "shared": (F4, ["B", "D"])}
WINDOW_CONSTANTS: Final[dict[str, Any]] = {
    "low": np.float32(-CLIP),
    "high": np.float32(CLIP),
    "tiny": CONSTANTS["tiny"],
    "last": CONSTANTS["last"],
    "second": np.array([1], np.int64),
}
SEE: Final[Lines] = (
    ("z = Clip(x, low, high)", {}),
    ("seen = Unsqueeze(z, second)", {}),
    ("e_out = MatMul(kernel, seen)", {}),
)
GIVE: Final[Lines] = (
    ("scores = Reshape(score, last)", {}),
    ("shared = Squeeze(contrib, second)", {}),
)


def build() -> Any:
    """The graph that remembers, as a checked onnx.ModelProto."""
    lines = (*STANDARDISE, *SMOOTH, *SCORE, *SHARE, *EXPECT)
    return _checked("ewma_shrinkage_mahalanobis", lines, INPUTS, OUTPUTS, CONSTANTS)


def build_window() -> Any:
    """The graph of a window, as a checked onnx.ModelProto; kernel, mu_ and P_ are put into it for each calibration."""
    lines = (*SEE, *(line for line in SCORE if "Gather" not in line[0]), *SHARE, *GIVE)
    name = "ewma_shrinkage_mahalanobis_window"
    return _checked(name, lines, WINDOW_INPUTS, WINDOW_OUTPUTS, WINDOW_CONSTANTS)


def _checked(
    name: str, lines: Iterable[tuple[str, dict[str, Any]]], inputs: Ports, outputs: Ports, constants: dict[str, Any]
) -> Any:
    graph = helper.make_graph(
        [_node(*line) for line in lines],
        name,
        [helper.make_tensor_value_info(port, *spec) for port, spec in inputs.items()],
        [helper.make_tensor_value_info(port, *spec) for port, spec in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), constant) for constant, value in constants.items()],
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
    """Write the graphs into the package."""
    PATH.write_bytes(build().SerializeToString(deterministic=True))
    WINDOW.write_bytes(build_window().SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()

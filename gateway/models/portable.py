"""A calibration as a bundle: the built-in detector as a model of a window, to be signed and brought to other gateways.

The shipped `window.onnx` lacks its parameters; they are put into the file as initializers (onnx.proto: GraphProto 5,
TensorProto 1 dims, 2 data_type, 8 name, 9 raw_data) in place of the inputs that they were.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.models.calibration import SPANS, Calibration, alphas
from gateway.models.manifest import Golden, Input, Manifest, Outputs, Window
from gateway.models.onnxlook import FLOAT
from gateway.models.wire import fields, message, number, packed_numbers

GRAPH: Final = Path(__file__).with_name("window.onnx")
ROWS: Final = 3 * max(SPANS)  # of a window: what is older weighs less than 0.3 % at the slowest scale
IN_MODEL, INITIALIZER, INPUT = 7, 5, 11  # the graph in ModelProto; in GraphProto


def model(calibration: Calibration) -> bytes:
    """The ONNX file: x f4[B, ROWS, D], standardised, to `scores` f4[B] and `shared` f4[B, D]."""
    scale = calibration.width * calibration.c[:, None, None] ** 2
    parameters = {
        "kernel": _kernel(ROWS)[None, :, None],
        "mu_": calibration.mu[None, :, None],
        "P_": (calibration.P / scale)[None],
    }
    return _with(GRAPH.read_bytes(), parameters)


def manifest(
    name: str, tags: Sequence[tuple[str, str]], rows: NDArray[np.float64], calibration: Calibration, threshold: float,
    every: float,
) -> Manifest:  # fmt: skip
    """What the bundle says of itself, as version 1.0.

    Args:
        name: of the model.
        tags: role and unit of each tag.
        rows: f8[n, D], what it was calibrated on; n is at least ROWS, and the last of them are the golden window.
        calibration: of these rows.
        threshold: the score above which an alarm is due.
        every: seconds between two rows.
    """
    low, high = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    inputs = tuple(
        Input(role=role, unit=unit, mean=float(m), scale=float(s), low=float(a), high=float(b))
        for (role, unit), m, s, a, b in zip(tags, calibration.m, calibration.s, low, high, strict=True)
    )
    golden = np.where(np.isnan(rows), calibration.m, rows)[-ROWS:]
    return Manifest(
        name=name,
        version="1.0",
        description=f"the built-in detector, calibrated on {len(rows)} rows",
        inputs=inputs,
        window=Window(rows=ROWS, every=every, hold=max(SPANS)),
        outputs=Outputs(score="scores", contributions="shared"),
        threshold=threshold,
        golden=Golden(rows=tuple(map(tuple, golden.tolist()))),
    )


def _kernel(rows: int) -> NDArray[np.float32]:
    """f4[K, rows]: what each row of a window weighs in the EWMA of each scale; the oldest has the rest, to make 1."""
    alpha = alphas(SPANS)[:, None]
    weights = alpha * (1 - alpha) ** np.arange(rows - 1, -1, -1)
    weights[:, 0] += 1 - weights.sum(axis=1)
    return weights.astype(np.float32)


def _with(content: bytes, parameters: Mapping[str, NDArray[np.floating]]) -> bytes:
    """The model, whose graph has these initializers in place of the inputs of their names."""
    tensors = b"".join(message(INITIALIZER, _tensor(name, values)) for name, values in parameters.items())
    parts = []
    for field, value in fields(memoryview(content)):
        if isinstance(value, int):
            parts.append(number(field, value))
        elif field == IN_MODEL:
            parts.append(message(field, _without_inputs(value, set(parameters)) + tensors))
        else:
            parts.append(message(field, bytes(value)))
    return b"".join(parts)


def _without_inputs(graph: memoryview, names: set[str]) -> bytes:
    """The graph (all its fields have a length) but for these inputs."""
    kept = [(field, bytes(value)) for field, value in fields(graph) if isinstance(value, memoryview)]
    return b"".join(message(*one) for one in kept if one[0] != INPUT or _name(one[1]) not in names)


def _name(port: bytes) -> str:
    """Of a ValueInfoProto, its first field."""
    return next(bytes(value).decode() for _, value in fields(memoryview(port)) if isinstance(value, memoryview))


def _tensor(name: str, values: NDArray[np.floating]) -> bytes:
    raw = np.ascontiguousarray(values, "<f4").tobytes()
    return packed_numbers(1, values.shape) + number(2, FLOAT) + message(8, name.encode()) + message(9, raw)

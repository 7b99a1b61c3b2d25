"""Where a model runs: execution providers by preference, taken where they are there and give the golden answer.

Imported by the worker process, and by nothing that the gateway itself runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CPU: Final = "CPUExecutionProvider"
PROVIDERS: Final = {
    "migraphx": "MIGraphXExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": CPU,
}
ERROR: Final = 3  # onnxruntime's severities: 0 verbose to 4 fatal


class RefusedError(Exception):
    """The model is not run. `code` as in gateway.models.manifest.BundleError."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass
class Answers:
    """Columns of B answers: score f8[B], contrib and expected f8[B, D], NaN where the model says nothing."""

    score: NDArray[np.float64]
    contrib: NDArray[np.float64]
    expected: NDArray[np.float64]


class Model:
    """A session, and how its inputs and outputs are meant.

    Attributes:
        faults: what a call may raise.
    """

    def __init__(self, session: Any, job: Mapping[str, Any], faults: tuple[type[Exception], ...]) -> None:
        """`job` is what gateway.models.process.job made of a manifest."""
        self.faults = faults
        self._session, self._input, self._outputs = session, job["input"], job["outputs"]
        self._names = [name for name in self._outputs.values() if name is not None]
        self._mean, self._scale = np.array(job["mean"]), np.array(job["scale"])

    def __call__(self, x: NDArray[np.float64]) -> Answers:
        """Score windows f8[B, rows, D] in the tags' units. Raises RefusedError when the answers have another shape."""
        z = ((x - self._mean) / self._scale).astype(np.float32)
        found = dict(zip(self._names, self._session.run(self._names, {self._input: z}), strict=True))
        said = {role: np.asarray(found[name], float) for role, name in self._outputs.items() if name is not None}
        rows, _, width = x.shape
        silent = np.full((rows, width), np.nan)
        expected, contrib, score = silent, silent, np.empty(0)
        if "reconstruction" in said:
            again = _shaped(said["reconstruction"], x.shape)
            error = ((again - z) ** 2).mean(axis=1)
            score = np.sqrt(error.mean(axis=1))
            contrib = error / np.maximum(error.sum(axis=1, keepdims=True), np.finfo(float).tiny)
            expected = again[:, -1] * self._scale + self._mean
        if "contributions" in said:
            contrib = _shaped(said["contributions"], (rows, width))
        if "score" in said:
            score = _shaped(said["score"].reshape(-1), (rows,))
        return Answers(score, contrib, expected)


def _shaped(column: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    if column.shape != shape:
        raise RefusedError("shape", f"an output has the shape {list(column.shape)}, not {list(shape)}")
    return column


def open_checked(runtime: Any, content: bytes, job: Mapping[str, Any]) -> tuple[Model, str, list[list[str]], float]:
    """The model on the first provider that is there and gives the golden answer.

    Args:
        runtime: the onnxruntime module.
        content: the ONNX file.
        job: what it is to do; see gateway.models.process.job.

    Returns:
        The model, the provider's name, [provider, why not] of those that were passed over, the golden score.

    Raises:
        RefusedError: when none does; with the reason of the last.
    """
    there = runtime.get_available_providers()
    passed: list[list[str]] = []
    last = RefusedError("refused", "none of the providers asked for is there")
    for name in job["providers"]:
        if PROVIDERS[name] not in there:
            passed.append([name, "not there"])
            continue
        try:
            model = Model(_session(runtime, content, PROVIDERS[name]), job, (RefusedError, *faults(runtime)))
            score = golden(model, job["golden"])
        except RefusedError as error:
            last = error
            passed.append([name, f"{error.code}: {error}"])
        else:
            return model, name, passed, score
    raise last


def golden(model: Model, wanted: Mapping[str, Any]) -> float:
    """The score of the golden window, alone and twice in one call. Raises RefusedError when it is not as expected."""
    window = np.array(wanted["rows"], float)[None]
    try:
        found = [model(window), model(np.repeat(window, 2, axis=0))]
    except RefusedError:
        raise
    except model.faults as error:
        raise RefusedError("refused", f"the golden run failed: {first_line(error)}") from error
    scores = np.concatenate([one.score for one in found])
    if not np.isfinite(scores).all() or (scores < 0).any():
        raise RefusedError("not-finite", f"the golden run gives {scores.tolist()}, which is no score")
    expected = float(scores[0]) if wanted["score"] is None else float(wanted["score"])
    off = float(np.abs(scores - expected).max())
    if off > wanted["tolerance"] * max(1.0, abs(expected)):
        raise RefusedError("golden", f"the golden run gives {scores[0]:.6g}, the manifest expects {expected:.6g}")
    return float(scores[0])


def _session(runtime: Any, content: bytes, provider: str) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = ERROR
    try:
        session = runtime.InferenceSession(content, options, providers=list(dict.fromkeys([provider, CPU])))
    except faults(runtime) as error:
        raise RefusedError("refused", f"the runtime does not load it: {first_line(error)}") from error
    if session.get_providers()[0] != provider:  # onnxruntime goes on without a provider whose libraries are missing
        raise RefusedError("refused", "the provider could not be opened")
    return session


def faults(runtime: Any) -> tuple[type[Exception], ...]:
    """What the runtime raises over a model: its own errors, which share no type, and Python's for what it is handed."""
    module = vars(runtime.capi.onnxruntime_pybind11_state)
    own = [one for one in module.values() if isinstance(one, type) and issubclass(one, Exception)]
    return (*own, ValueError, RuntimeError, MemoryError, TypeError)


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def accelerated(wanted: Sequence[str], runtime: Any) -> bool:
    """Whether anything but the CPU may be taken: its drivers reserve far more address space than they use."""
    return any(PROVIDERS[name] in runtime.get_available_providers() for name in wanted if name != "cpu")

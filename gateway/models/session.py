"""onnxruntime, as a gateway runs it: one thread, no spinning, no growing arena; imported when a model is first used."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from numpy.typing import NDArray

from gateway.models.runtime import runtime

DEFAULT: Final = Path(__file__).with_name("default.onnx")
ERROR: Final = 3  # onnxruntime's severities: 0 verbose to 4 fatal


class Session(Protocol):
    """The part of onnxruntime.InferenceSession that is used."""

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs for the inputs, by name."""


@cache
def open_session(path: Path = DEFAULT) -> Session:
    """A session on the model at `path`, one a process; it may be shared, for it keeps nothing between calls."""
    onnxruntime = runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The size of a cohort varies from call to call, and an arena keeps its largest mix of shapes for ever.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = ERROR
    session: Session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session

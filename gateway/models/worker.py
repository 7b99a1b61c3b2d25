"""The process that a user's model runs in: `python -m gateway.models.worker SOCKET JOB COLUMNS PARENT` (file handles).

It limits itself before it touches the model: memory, the idle scheduling class, the first to go when memory is short,
and gone when the gateway is. It says `ready` or why not, then answers one request at a time through shared columns.
"""

import ctypes
import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from gateway.models.columns import Columns
from gateway.models.providers import Model, RefusedError, accelerated, first_line, open_checked
from gateway.models.runtime import runtime

REQUEST: Final = struct.Struct("<QI")  # number, windows
REPLY: Final = struct.Struct("<QBd")  # number, fault, seconds; then the fault in words
LONGEST: Final = 4096  # bytes of a message
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def main(arguments: list[str]) -> int:
    """Serve until the gateway closes its end."""
    line, job_handle, columns_handle, parent = map(int, arguments)
    _stand_back(parent)
    with socket.socket(fileno=line) as sock:
        sock.settimeout(None)
        job, content = _read_job(job_handle)
        columns = Columns(columns_handle, job["members"], job["window"], job["width"])
        try:
            model, told = _open(job, content)
        except (RefusedError, MemoryError) as error:
            code = error.code if isinstance(error, RefusedError) else "refused"
            sock.send(orjson.dumps({"ready": False, "code": code, "why": str(error) or "out of memory"}))
            return 1
        sock.send(orjson.dumps({"ready": True, **told}))
        _serve(sock, model, columns)
    return 0


def _open(job: Mapping[str, Any], content: bytes) -> tuple[Model, dict[str, Any]]:
    onnxruntime = runtime()  # loaded after the process has stood back
    _limit_memory(job["memory"], accelerated=accelerated(job["providers"], onnxruntime))
    model, provider, passed, score = open_checked(onnxruntime, content, job)
    return model, {"provider": provider, "passed": passed, "golden": score, "runtime": onnxruntime.__version__}


def _serve(sock: socket.socket, model: Model, columns: Columns) -> None:
    while request := sock.recv(REQUEST.size):
        number, rows = REQUEST.unpack(request)
        began = time.perf_counter()
        fault = _answer(model, columns, rows)
        sock.send(REPLY.pack(number, bool(fault), time.perf_counter() - began) + fault.encode()[:1000])


def _answer(model: Model, columns: Columns, rows: int) -> str:
    """Fill the columns; what went wrong, empty where nothing did."""
    try:
        with np.errstate(all="ignore"):
            answers = model(columns.x[:rows])
    except model.faults as error:
        return first_line(error)
    columns.score[:rows], columns.contrib[:rows], columns.expected[:rows] = (
        answers.score, answers.contrib, answers.expected
    )  # fmt: skip
    return ""


def _read_job(handle: int) -> tuple[dict[str, Any], bytes]:
    with open(handle, "rb") as file:
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        job: dict[str, Any] = orjson.loads(file.read(length))
        return job, file.read()


# -- limits ------------------------------------------------------------------------------------------------------------


def _stand_back(parent: int) -> None:
    """Give way to the gateway in everything, and go when it goes."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it went before we asked
        sys.exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the gateway's to handle
    os.nice(19)
    _try(lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)))
    _try(lambda: Path("/proc/self/oom_score_adj").write_text("1000"))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _try(step: Any) -> None:
    """A hardened system may forbid a step that is a courtesy."""
    try:
        step()
    except OSError:
        return


def _limit_memory(room: int, *, accelerated: bool) -> None:
    """Leave `room` bytes beyond what the runtime itself has taken."""
    pages = [int(number) for number in Path("/proc/self/statm").read_text().split()]
    kind, used = (resource.RLIMIT_DATA, pages[5]) if accelerated else (resource.RLIMIT_AS, pages[0])
    most = used * resource.getpagesize() + room
    resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""onnxruntime as a module: imported when it is first used, and told first to keep to itself."""

import os
from typing import Any, Final

SILENT: Final = "ORT_DISABLE_TELEMETRY"


def runtime() -> Any:
    """The onnxruntime module, without its telemetry.

    Since 1.29 the builds for Linux tell Microsoft of each process and session, and keep a device id and a database in
    the home folder for it (microsoft/onnxruntime#27379). Only this variable, set before the module is loaded, keeps it
    from all of that; `disable_telemetry_events` comes too late.
    """
    os.environ[SILENT] = "1"
    import onnxruntime  # noqa: PLC0415 - 40 MB and 100 ms that a gateway without models need not pay

    return onnxruntime

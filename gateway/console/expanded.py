"""`python -m gateway.console.expanded CONFIG`: the configuration as the page shows it (GET /config), as JSON.

Run by the console as a process of its own: of ten thousand tags it is megabytes, which nobody but the browser parses.
"""

import sys
from pathlib import Path
from typing import Any

import orjson

from gateway.config.expanded import as_json
from gateway.config.load import load_written
from gateway.config.problems import ConfigErrors
from gateway.ingest.registry import Registry


def document(path: Path) -> dict[str, Any]:
    """What the files come to; where they are wrong, what is wrong with them."""
    try:
        found, written = load_written(path, Registry().models())
    except ConfigErrors as errors:
        problems = "\n".join(str(problem) for problem in errors.problems)
        return {"files": [], "documents": [], "problems": problems}
    return {"files": [str(file) for file in found.files], "documents": as_json(written), "problems": ""}


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(document(Path(sys.argv[1]))))

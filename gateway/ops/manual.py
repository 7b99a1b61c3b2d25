"""The documentation as a site: where it lies in what is installed. Packages bring it; a checkout has its sources."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "manual"
ABSENT: Final = (
    "this installation has no documentation as a site; every package that we release has. In a checkout its pages are "
    "docs/*.md, and `pip install sphinx myst-parser && python docs/site/build.py FOLDER` makes a site of them"
)

_API: Final = "openapi.yaml"


def api() -> bytes:
    """The OpenAPI document of the console: it lies beside it in what is installed, in docs/ of a checkout. Blocks."""
    beside = Path(__file__).parents[1] / "console" / _API
    return (beside if beside.is_file() else Path(__file__).parents[2] / "docs" / _API).read_bytes()


def folder() -> Path | None:
    """Where the site lies; None where there is none."""
    return FOLDER if (FOLDER / "index.html").is_file() else None

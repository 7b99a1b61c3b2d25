"""What a bundle says of its model: `manifest.json`, strict, every field described. Nothing is guessed at run time."""

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from gateway.sdk.config import Duration, Name, Table
from gateway.sdk.errors import FieldgateError

MOST_WINDOW: Final = 4096  # rows
MOST_TAGS: Final = 512  # as many as an asset may have

VERSION: Final = r"^\d{1,6}(\.\d{1,6}){0,3}$"
Version = Annotated[str, Field(pattern=VERSION)]
"""Numbers with dots: 7, 1.4, 1.4.2; compared number by number."""


class BundleError(FieldgateError):
    """A bundle cannot be used. `code` is one word for programs; the message names the place and the remedy.

    Codes: unreadable, size, layout, unsigned, untrusted, tampered, manifest, graph, shape, gateway, older, units, and
    from the golden run refused, golden, not-finite, deadline, died.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def order(version: str) -> tuple[int, ...]:
    """The key by which versions are compared: 1.10 comes after 1.9, 1.0 is 1, and of 0.2.0.dev1 counts 0.2.0."""
    numbers = [int(part) for part in version.split(".") if part.isdigit()]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class Input(Table):
    """One tag that the model sees: a column of its window."""

    role: Name
    """What the tag is to the model: flow, motor_temp."""
    unit: str = ""
    """Unit that the model was trained in; a tag of another unit is refused. Empty: any."""
    mean: float = 0.0
    """The model is fed (value - mean) / scale."""
    scale: float = Field(default=1.0, gt=0)
    """The model is fed (value - mean) / scale."""
    low: float | None = None
    """Least value among the rows that it was trained on."""
    high: float | None = None
    """Greatest value among the rows that it was trained on."""


class Window(Table):
    """What one score is made from."""

    rows: int = Field(default=1, ge=1, le=MOST_WINDOW)
    """Rows of the asset that make a window, the newest last."""
    every: Duration | None = None
    """Time between two rows in training; an asset that is scored at another pace is refused. Unset: any."""
    resampling: Literal["none"] = "none"
    """How rows become a window: none, one row each time that the asset is scored."""
    hold: int = Field(default=0, ge=0, le=MOST_WINDOW)
    """Rows for which a tag that is bad or stale keeps its last good value; after that the window begins anew."""


class Outputs(Table):
    """Which outputs of the graph mean what; a score or a reconstruction is the least."""

    score: str | None = None
    """The score, f4[B] or f4[B, 1]: 0 or greater, higher is worse."""
    contributions: str | None = None
    """The share of each tag in the score, f4[B, D]."""
    reconstruction: str | None = None
    """The window as the model has it, shaped as the input: gives expected values, contributions and, without a score of
    its own, the score (root of the mean squared error)."""

    @model_validator(mode="after")
    def _something(self) -> "Outputs":
        if self.score is None and self.reconstruction is None:
            raise ValueError("name a score or a reconstruction")
        return self

    @property
    def names(self) -> list[str]:
        """The outputs that are asked for."""
        return [name for name in (self.score, self.contributions, self.reconstruction) if name is not None]


class Golden(Table):
    """One window and what the model must say to it, wherever it runs."""

    rows: Annotated[tuple[Annotated[tuple[float, ...], BeforeValidator(_listed)], ...], BeforeValidator(_listed)]
    """The window, in the tags' own units: a list of rows, the newest last."""
    score: float | None = None
    """The score that is expected; `fieldgate model pack` fills it in."""
    tolerance: float = Field(default=1e-3, gt=0, le=0.1)
    """The score may differ by this, relative to 1 or to the expected score, whichever is greater."""


class Manifest(Table):
    """The whole of `manifest.json`."""

    manifest: Literal[1] = 1
    """Version of this format."""
    name: Name
    """Name of the model: `model: bundles/NAME` in an asset."""
    version: Version
    """Version; a greater one replaces a smaller one, never the other way round by itself."""
    description: str = ""
    """What it is, for people."""
    minimum_gateway: Version = "0"
    """The least version of Fieldgate that can run it."""
    input: str = "x"
    """Name of the graph's input, f4[B, rows, tags]."""
    inputs: Annotated[tuple[Input, ...], BeforeValidator(_listed)] = Field(min_length=1, max_length=MOST_TAGS)
    """The tags, in the order of the columns."""
    window: Window = Window()
    """What one score is made from."""
    outputs: Outputs
    """Which outputs of the graph mean what."""
    threshold: float = Field(gt=0)
    """The score above which an alarm is due."""
    golden: Golden
    """One window and what the model must say to it."""

    @model_validator(mode="after")
    def _fits(self) -> "Manifest":
        shape = {len(row) for row in self.golden.rows}
        if len(self.golden.rows) != self.window.rows or shape != {self.width}:
            raise ValueError(f"golden.rows must be {self.window.rows} rows of {self.width} values")
        if len({one.role for one in self.inputs}) != self.width:
            raise ValueError("two inputs have the same role")
        return self

    @property
    def width(self) -> int:
        """Number of tags."""
        return len(self.inputs)

    def columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and scale of the inputs, f8[D] each."""
        return np.array([one.mean for one in self.inputs]), np.array([one.scale for one in self.inputs])

    def encode(self) -> bytes:
        """The file."""
        return orjson.dumps(self.model_dump(exclude_none=True), option=orjson.OPT_INDENT_2) + b"\n"


def read_manifest(content: bytes) -> Manifest:
    """The manifest that `content` (JSON) says. Raises BundleError with the first few mistakes, each with its place."""
    try:
        return Manifest.model_validate(orjson.loads(content))
    except orjson.JSONDecodeError as error:
        raise BundleError("manifest", f"manifest.json is no JSON: {error}") from error
    except ValidationError as error:
        raise BundleError("manifest", "; ".join(_findings(error))) from error


def match_tags(manifest: Manifest, tags: Sequence[str], units: Sequence[str]) -> list[int]:
    """For each input of the model, the place of its tag in the asset.

    By name where the asset's tags bear the roles as their own names (the part after the device), else in the order in
    which they are listed.

    Raises:
        BundleError: when their number or a unit does not fit.
    """
    roles, own = [one.role for one in manifest.inputs], [tag.rpartition(".")[2] for tag in tags]
    if len(roles) != len(own):
        raise BundleError("units", f"the model has {len(roles)} inputs ({', '.join(roles)}), the asset {len(own)} tags")
    by_name = sorted(own) == sorted(roles)
    places = [own.index(role) for role in roles] if by_name else list(range(len(own)))
    for one, place in zip(manifest.inputs, places, strict=True):
        if one.unit and units[place] and _plain(one.unit) != _plain(units[place]):
            raise BundleError("units", f"input '{one.role}' is in {one.unit}, tag {tags[place]} is in {units[place]}")
    return places


def _plain(unit: str) -> str:
    return re.sub(r"\s+", "", unit)


def _findings(error: ValidationError) -> list[str]:
    found = [f"{'.'.join(map(str, one['loc'])) or 'manifest.json'}: {one['msg']}" for one in error.errors()]
    return found[:5] + ([f"and {len(found) - 5} more"] if len(found) > 5 else [])  # noqa: PLR2004 - what a glance takes

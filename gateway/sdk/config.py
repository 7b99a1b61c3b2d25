"""Configuration tables: frozen, strict, every field described; units live in the types.

A table is what a person writes. `1s`, `200ms`, `64MiB` and `1/week` are read here, so that the rest of the gateway sees
seconds, bytes and events per second. A program may give these as plain numbers; in a file (validation context
`written`) the unit is not left out.
"""

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema

from gateway.sdk.expression import Expression

_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)\s*")
_SECONDS: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|KiB|MiB|GiB)\s*")
_BYTES: Final = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_RATE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(s|second|min|minute|h|hour|d|day|w|week|month|year)\s*")
_PER: Final = {
    "s": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0,
    "w": 604800.0, "week": 604800.0, "month": 2629800.0, "year": 31557600.0,
}  # fmt: skip
_A_DURATION: Final = "a duration is a number with a unit: 200ms, 1s, 5min, 2h, 1d, 1w"
_A_SIZE: Final = "a size is a number with a unit: 512KiB, 64MiB, 2GB"
_A_RATE: Final = "a rate is a number per time: 1/week, 2/day"


def _schema(pattern: re.Pattern[str], said: str, *examples: str) -> WithJsonSchema:
    """A text of this pattern; `patternErrorMessage` is what editors say in place of the pattern."""
    return WithJsonSchema(
        {"type": "string", "pattern": f"^{pattern.pattern}$", "patternErrorMessage": said, "examples": list(examples)}
    )


def seconds(value: Any) -> float:
    """`200ms` → 0.2. Raises ValueError with the forms that are understood."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_A_DURATION)
    return float(match[1]) * _SECONDS[match[2]]


def _given(value: Any, info: ValidationInfo) -> bool:
    """Whether `value` is in our own unit already: given by a program, not written by a person in a file."""
    return isinstance(value, float | int) and not isinstance(value, bool) and not (info.context or {}).get("written")


def _positive_duration(value: Any, info: ValidationInfo) -> float:
    length = float(value) if _given(value, info) else seconds(value)
    if length <= 0:
        raise ValueError("must be longer than 0")
    return length


def _any_duration(value: Any, info: ValidationInfo) -> float:
    return float(value) if _given(value, info) else seconds(value)


def _size(value: Any, info: ValidationInfo) -> int:
    if _given(value, info):
        return int(value)
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_A_SIZE)
    return int(float(match[1]) * _BYTES[match[2]])


def _rate(value: Any, info: ValidationInfo) -> float:
    if _given(value, info):
        return float(value)
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) == 0:
        raise ValueError(_A_RATE)
    return float(match[1]) / _PER[match[2]]


Duration = Annotated[
    float,
    BeforeValidator(_positive_duration),
    _schema(_DURATION, _A_DURATION, "200ms", "1s", "5min"),
]
"""Seconds, longer than 0; written `200ms`, `1s`, `5min`, `2h`, `1d`, `1w`."""

Delay = Annotated[
    float,
    BeforeValidator(_any_duration),
    _schema(_DURATION, _A_DURATION, "0s", "3s"),
]
"""Seconds, 0 or longer; written as a Duration."""

Size = Annotated[
    int,
    BeforeValidator(_size),
    _schema(_SIZE, _A_SIZE, "64MiB", "2GB"),
]
"""Bytes; written `512KiB`, `64MiB`, `2GB`."""

Rate = Annotated[
    float,
    BeforeValidator(_rate),
    _schema(_RATE, _A_RATE, "1/week", "2/day"),
]
"""Events per second; written `1/week`, `2/day`."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$", max_length=64)]
"""A name that is safe in a topic, a file and a metric: letters, digits, `_` and `-`."""


class Table(BaseModel):
    """The base of every piece of configuration."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def _float_pair(value: Any) -> Any:
    return tuple(float(v) if isinstance(v, int) else v for v in value) if isinstance(value, list) else value


def _is_expression(text: str) -> str:
    Expression(text)
    return text


Condition = Annotated[str, AfterValidator(_is_expression)]
"""What must hold, over tags; see gateway.sdk.expression."""


class WriteConfig(Table):
    """What may be written to a tag, by whom, and when. A tag without it is never written."""

    allow: list[Literal["cli", "mqtt", "rule"]] = Field(default=["cli"], min_length=1)
    """Who may: cli (an operator at this machine), mqtt (the broker's rights say who), rule (`then` of an alarm)."""
    range: Annotated[tuple[float, float] | None, BeforeValidator(_float_pair)] = None
    """Lowest and highest value, after scaling; the tag's own range unless set. Without either, `values` say what."""
    values: list[float | str] | None = Field(default=None, min_length=1, max_length=1000)
    """The only values that may be written, numbers or texts."""
    step: float | None = Field(default=None, gt=0)
    """Largest change against the value that the tag has now, which must be good."""
    rate: Rate | None = None
    """Most writes per time: 6/min lets one through each ten seconds."""
    interlock: Condition | None = None
    """What must hold when it is written: pump-7.running == 0 and tank-1.level < 80. What is not known does not hold."""
    arm: bool = False
    """Two steps: the value is armed first, and the write brings the token that arming gave."""
    read_back: bool = True
    """The device must hold the value when it is read back; false for what resets itself."""


class CallConfig(Table):
    """One method that may be called, by whom, and how long it may take. What has no entry is never called."""

    allow: list[Literal["cli", "mqtt"]] = Field(default=["cli"], min_length=1)
    """Who may: cli (an operator at this machine), mqtt (the broker's rights say who)."""
    within: Duration = Field(default=10.0, le=600)
    """Longest wait for the answer; after it the outcome is not known, and the call is not made again."""


class TagConfig(Table):
    """What every tag may say, whatever its adapter."""

    unit: str = ""
    """Engineering unit, as it is shown: bar, m³/h, °C."""
    description: str = ""
    """What the tag is, for people."""
    scale: float = 1.0
    """The value is raw * scale + offset."""
    offset: float = 0.0
    """The value is raw * scale + offset."""
    range: Annotated[tuple[float, float] | None, BeforeValidator(_float_pair)] = None
    """Engineering range [low, high], after scaling; values beyond it are clamped and marked uncertain."""
    deadband: float = Field(default=0.0, ge=0)
    """A change of this size or less, in engineering units, is not reported."""
    every: Duration | None = None
    """Period of this tag; the device's own unless set."""
    stale_after: Duration | None = None
    """Not refreshed for this long, the value is marked uncertain; three periods unless set."""
    write: WriteConfig | None = None
    """What may be written to it, by whom, and when; unset, it is never written."""

    @property
    def datatype(self) -> str:
        """What the device holds, before scaling: bool, int8 to uint64, float32, float64 or string.

        float64 where it shows only as the values come.
        """
        return "float64"

    @property
    def writable(self) -> bool:
        """Whether it may be written at all."""
        return self.write is not None

    def number(self, text: str) -> float | None:  # noqa: ARG002 - for tags that have texts
        """The number that `text` stands for; None where it stands for none."""
        return None


class DeviceConfig(Table):
    """What every device may say. An adapter's `Config` adds its own fields and its own type of tag."""

    device: Name
    """Name of the device, unique in the gateway."""
    adapter: str
    """Name of the adapter that reads it; `fieldgate plugins` lists them."""
    description: str = ""
    """What the device is, for people."""
    every: Duration = 1.0
    """Period at which its tags are read."""
    stale_after: Duration | None = None
    """Not refreshed for this long, its tags are marked uncertain; three periods unless set."""
    tags: Mapping[Name, TagConfig] = Field(min_length=1)
    """The tags, by name."""

    def connection(self) -> str:
        """What is opened for this device; devices of one adapter that return the same text share one connection."""
        return self.device

    def scans(self, _tag: TagConfig) -> bool:
        """Whether a tag is read at its period, in a group with others; False where its values come as they change."""
        return True

    def calls(self) -> Mapping[str, CallConfig]:
        """Its methods that may be called, by name."""
        return {}

    def acknowledgers(self) -> Collection[str]:
        """The ways in, cli and mqtt, by which its conditions may be acknowledged."""
        return ()

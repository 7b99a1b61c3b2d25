"""What a person may write of the machines that are judged: the sections `assets` and `alarms`."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from gateway.sdk.config import Condition, Delay, Duration, Name, Rate, Table


class Severity(StrEnum):
    """How urgent an alarm is for the operator (ISA-18.2: few priorities, most alarms low)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


AsSeverity = Annotated[Severity, BeforeValidator(lambda value: Severity(value) if isinstance(value, str) else value)]


class ThenConfig(Table):
    """A write that follows an alarm by itself, under the tag's own `write`, which must allow `rule`."""

    write: str
    """The tag that is written, as device.tag."""
    value: float | bool | str
    """What is written to it, after scaling."""
    after: Delay = 0.0
    """How long the alarm must have been active without a break; 0s: in the very turn in which it is raised."""


class AlarmConfig(Table):
    """When an asset's score becomes an alarm."""

    severity: AsSeverity = Severity.MEDIUM
    """How urgent the alarm is: low, medium, high or critical."""
    on_delay: Delay = 3.0
    """The score must stay above the threshold this long before the alarm goes active."""
    off_delay: Delay = 10.0
    """The score must stay below the threshold this long before the alarm returns to normal."""
    deadband: float = Field(default=0.1, ge=0, lt=1)
    """The score counts as below only under threshold * (1 - deadband)."""
    budget: Rate = 1 / 604800
    """False alarms that may be raised in the long run: 1/week."""
    realarm: Delay = 0.0
    """Shortest time between two alarms of one asset; what rises earlier keeps silent until then."""
    stays: Delay = 86400.0
    """Active this long, an alarm is asked about; twice as long, it rises anew only above that level; 0s: never."""
    latch: bool = False
    """A returned alarm stays active until somebody has acknowledged it."""
    then: list[ThenConfig] = Field(default_factory=list, max_length=16)
    """What is written, once each time that the alarm is raised; not while it is shelved or out of service."""


class AlarmsConfig(Table):
    """What operators may do to alarms, and how much of it is remembered."""

    shelve: Duration = Field(default=8 * 3600.0, le=86400)
    """Longest time that an alarm may be shelved at once; a day at most."""
    flood: int = Field(default=10, ge=0, le=100_000)
    """Alarms within ten minutes beyond which they are a flood, told of by one event; 0: never."""
    history: int = Field(default=10_000, ge=100, le=1_000_000)
    """Changes of alarms' states that are kept for `fieldgate alarms history`; beyond it the oldest go."""


class RuleConfig(Table):
    """One line on one tag, or on two, with an alarm of its own: above, below, or both, of what the rule compares.

    Without a word for what is compared it is the value; `rate`, `ewma`, `cusum`, `ratio` and `residual` say otherwise.
    """

    tag: str
    """The tag, as device.tag."""
    above: float | None = None
    """What is compared must not be more than this."""
    below: float | None = None
    """What is compared must not be less than this."""
    rate: bool = False
    """Compare the change per second, either way."""
    ewma: int | None = Field(default=None, ge=1, le=100_000)
    """Compare the value smoothed over so many rows."""
    cusum: bool = False
    """Compare the cumulative sum of deviations from the mean, in standard deviations; `above: 5` finds small shifts."""
    ratio: str | None = None
    """Compare the value over that of this other tag."""
    residual: str | None = None
    """Compare what this other tag does not explain, in standard deviations; `above: 6` finds what no longer fits."""
    when: Condition | None = None
    """It applies only while this holds; else its alarm is suppressed."""
    settle: Delay = 0.0
    """`when` must have held this long."""
    calibrate: int = Field(default=600, ge=50, le=1_000_000)
    """Good rows that `cusum` and `residual` learn their mean, spread and slope from."""
    alarm: AlarmConfig = AlarmConfig()
    """How the alarm behaves; its budget does not apply, for limits are as they are written."""

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        given = [word for word in ("rate", "ewma", "cusum", "ratio", "residual") if getattr(self, word)]
        if len(given) > 1:
            raise ValueError(f"a rule compares one thing: {' or '.join(given)}")
        if self.above is None and self.below is None:
            raise ValueError("a rule needs a limit: above, below, or both")
        return self


class ModeConfig(Table):
    """A state of operation that has a normal of its own: learnt, judged and alarmed apart, as ASSET-MODE."""

    when: Condition
    """What holds in this mode: pump-7.speed > 1000."""
    settle: Delay = 0.0
    """It must have held this long before it is judged: the time that a start takes."""


class AssetConfig(Table):
    """A machine, or a part of one: the tags that are judged together."""

    tags: list[str] = Field(min_length=1, max_length=512)
    """The tags, as device.tag."""
    model: str = Field(default="default", pattern=r"^(default|bundles/[A-Za-z0-9_\-]{1,64})$")
    """The model that scores it: `default`, the built-in detector, or `bundles/NAME`, a signed bundle of one's own."""
    fallback: Literal["none", "default"] = "none"
    """Who judges while no version of a model of one's own can: nobody, or the built-in detector, learning beside it."""
    every: Duration | None = None
    """Period of scoring; unset, the asset is scored when all its scan groups have been read."""
    calibrate: int = Field(default=600, ge=50, le=1_000_000)
    """Good rows that the detector learns from before it scores."""
    min_good: float = Field(default=0.5, gt=0, le=1)
    """Share of the tags that must be good; with fewer the asset abstains."""
    when: Condition | None = None
    """It is learnt and judged only while this holds, such as pump-7.running == 1; else its alarm is suppressed."""
    settle: Delay = 0.0
    """`when` must have held this long: the time that a start takes."""
    modes: dict[Name, ModeConfig] = Field(default_factory=dict, max_length=16)
    """States of operation that are learnt and judged apart, each as an asset ASSET-MODE; `when` is not for these."""
    baseline: Delay = 86400.0
    """Span over which slow change counts as normal, and is told of as drift; at least 3000 rows; 0s: it never does."""
    sensors: bool = True
    """Tell sensor faults (frozen, dead, out of range, spike, noise) apart, and leave such tags out of the score."""
    alarm: AlarmConfig = AlarmConfig()
    """When the score becomes an alarm."""
    rules: dict[Name, RuleConfig] = Field(default_factory=dict)
    """Rules by name, each with an alarm of its own, ASSET-NAME: limits, rates, CUSUM, ratios, residuals."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.modes and (self.when or self.settle):
            raise ValueError("an asset with modes has no `when` or `settle` of its own: each mode has")
        if self.fallback != "none" and self.model == "default":
            raise ValueError("`fallback` is for an asset with a `model` of its own; the built-in detector needs none")
        return self

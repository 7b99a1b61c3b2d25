"""What a person may write for a device of adapter `sim`."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from gateway.sdk import DeviceConfig, Duration, Name, TagConfig

Wave = Literal["sine", "ramp", "square", "noise", "constant"]


class SimTag(TagConfig):
    """One simulated tag: a wave form over wall time, and noise."""

    wave: Wave = "sine"
    """Form of the signal: sine, ramp (saw-tooth), square, noise (normal, amplitude is its deviation) or constant."""
    period: Duration = 60.0
    """Time of one round of the wave."""
    amplitude: float = 1.0
    """The signal swings this far to either side of the mean."""
    mean: float = 0.0
    """Middle of the signal."""
    noise: float = Field(default=0.0, ge=0)
    """Standard deviation of the noise that is added to the wave."""


class SimDevice(DeviceConfig):
    """A device that exists in the gateway only: for commissioning and tests, with no network."""

    seed: int = Field(default=0, ge=0)
    """The same seed gives the same noise at the same time."""
    tags: Mapping[Name, SimTag] = Field(min_length=1)
    """The tags, by name."""

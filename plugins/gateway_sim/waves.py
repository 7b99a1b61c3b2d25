"""Wave forms as columns: all tags of a scan group at once, as a function of wall time. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway_sim.config import SimTag, Wave

Column = NDArray[np.float64]

_FORMS: Final[Mapping[Wave, Callable[[Column], Column]]] = {
    "sine": lambda phase: np.sin(2 * np.pi * phase),
    "ramp": lambda phase: 2 * phase - 1,
    "square": lambda phase: np.where(phase < 0.5, 1.0, -1.0),  # noqa: PLR2004 - half a period
    "noise": np.zeros_like,
    "constant": np.zeros_like,
}


@dataclass(frozen=True)
class Waves:
    """The waves of n tags. Columns of shape (n,)."""

    forms: Mapping[Wave, NDArray[np.intp]]  # which tags have which form
    period: NDArray[np.int64]  # ns
    amplitude: Column
    mean: Column
    noise: Column  # deviation of what is added: the tag's noise, and for the form `noise` its amplitude

    @classmethod
    def of(cls, tags: Sequence[SimTag]) -> "Waves":
        """The columns of `tags`."""
        forms: dict[Wave, NDArray[np.intp]] = {
            form: np.array([i for i, tag in enumerate(tags) if tag.wave == form], np.intp) for form in _FORMS
        }
        return cls(
            forms=forms,
            period=np.array([int(tag.period * 1e9) for tag in tags], np.int64),
            amplitude=np.array([tag.amplitude for tag in tags], float),
            mean=np.array([tag.mean for tag in tags], float),
            noise=np.array([np.hypot(tag.noise, tag.amplitude * (tag.wave == "noise")) for tag in tags], float),
        )

    def values(self, wall_ns: int, seed: tuple[int, ...]) -> Column:
        """The n values at `wall_ns`. The same time and seed give the same values."""
        phase = (wall_ns % self.period) / self.period  # in integers: a float of today's nanoseconds is too coarse
        value = self.mean.copy()
        for form, tags in self.forms.items():
            value[tags] += self.amplitude[tags] * _FORMS[form](phase[tags])
        if self.noise.any():
            value += self.noise * np.random.default_rng((*seed, wall_ns)).standard_normal(len(value))
        return value

"""A configuration on trial: what makes it fail. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.config.load import Configuration
from gateway.state.configurations import Record

SILENT: Final = 30.0  # s, or half of the trial: a device that gave data before may give none for so long


@dataclass
class Trial:
    """A configuration that is to be confirmed until an instant (monotonic s), and the one that it has followed."""

    record: Record
    former: Configuration
    until: float
    patience: float
    watched: Sequence[str]
    silent: dict[str, float] = field(default_factory=dict)  # since when, by device


def fails(trial: Trial, silent: Mapping[str, str], now: float) -> str:
    """Why what is on trial must not go on; empty when it may."""
    for name in trial.silent.keys() - silent.keys():
        del trial.silent[name]
    for name, why in silent.items():
        if now - trial.silent.setdefault(name, now) >= trial.patience:
            return f"{name} gave data before and gives none now: {why}"
    return "nobody has confirmed it in time" if now >= trial.until else ""

"""Devices that cost next to nothing, for a gateway in virtual time: waves, noise from a tape, and mishaps.

Once an hour a tenth of them, in turn, swing far out for a minute: alarms are raised and return. The tenth before them
does not answer for half a minute: devices are lost and come back.
"""

from typing import ClassVar, Final

import numpy as np

from gateway.sdk import Batch, Connection, DeviceConfig, DisconnectedError, Group, Host, PolledAdapter
from gateway_sim.config import SimDevice

SECOND: Final = 1_000_000_000  # ns
MEAN, AMPLITUDE, NOISE, PERIOD = 50.0, 10.0, 1.0, 60  # of every tag; the period in seconds
TAGS: Final = 3  # of every device
_LENGTH: Final = 86_399  # rows of noise: no multiple of a minute, so that no two rounds are alike
_OUT: Final = 25.0 * NOISE
TURNS: Final = 10  # hours after which it is the same devices' turn
_SWINGS: Final = range(2000, 2060)  # seconds of an hour; virtual time begins at 1600
_AWAY: Final = range(2100, 2130)
SETTLED: Final = 570  # seconds after the beginning when each has happened

_wave = MEAN + AMPLITUDE * np.sin(2 * np.pi * np.arange(PERIOD) / PERIOD)[:, np.newaxis] * np.ones(TAGS)
_noise = np.random.default_rng(8).normal(0.0, NOISE, (_LENGTH, TAGS))


class TapeAdapter(PolledAdapter):
    """Plays the tape, from a place of its own; configured as `sim` is."""

    Config: ClassVar[type[DeviceConfig]] = SimDevice

    def __init__(self, connection: Connection, host: Host) -> None:
        super().__init__(connection, host)
        self._number = connection.devices[0].id
        self._place = 7919 * self._number

    async def connect(self) -> None:
        """Raises DisconnectedError while it is away."""
        self._mishap(self.host.clock.wall_ns() // SECOND)

    async def read(self, group: Group) -> Batch:
        """One value a tag. Raises DisconnectedError while it is away."""
        now = self.host.clock.wall_ns()
        second = now // SECOND
        value = _wave[second % PERIOD] + _noise[(second + self._place) % _LENGTH]
        value[0] += self._mishap(second)
        return Batch.of(group, value, now)

    async def close(self) -> None:
        """Nothing to close."""

    def _mishap(self, second: int) -> float:
        """How far it swings out."""
        hour, at = divmod(second, 3600)
        turn = (hour - self._number) % TURNS
        if turn == 1 and at in _AWAY:
            raise DisconnectedError("away")
        return _OUT if turn == 0 and at in _SWINGS else 0.0

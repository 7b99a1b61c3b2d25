"""The `sim` adapter: devices inside the gateway. Same clock and seed, same readings; there is nothing to lose."""

from typing import ClassVar

from gateway.sdk import Batch, Connection, DeviceConfig, Group, Host, PolledAdapter
from gateway_sim.config import SimDevice, SimTag
from gateway_sim.waves import Waves


class SimAdapter(PolledAdapter):
    """Reads wave forms from the host's clock."""

    Config: ClassVar[type[DeviceConfig]] = SimDevice

    def __init__(self, connection: Connection, host: Host) -> None:
        super().__init__(connection, host)
        self._waves = {group.id: Waves.of(_configs(group)) for group in connection.groups}
        self._seeds = {device.id: _seed(device.config) for device in connection.devices}

    async def connect(self) -> None:
        """Nothing to open."""

    async def read(self, group: Group) -> Batch:
        """One value a tag, good, of the clock's present time."""
        now = self.host.clock.wall_ns()
        return Batch.of(group, self._waves[group.id].values(now, (self._seeds[group.device], group.id)), now)

    async def close(self) -> None:
        """Nothing to close."""


def _configs(group: Group) -> list[SimTag]:
    return [tag.config for tag in group.tags if isinstance(tag.config, SimTag)]


def _seed(config: DeviceConfig) -> int:
    return config.seed if isinstance(config, SimDevice) else 0

"""What may be called in the plant, by whom, and the way to it: read from the devices' own tables at each use."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from gateway.ingest.runner import Runner
from gateway.operators.plant import Plant
from gateway.operators.writes import NOBODY
from gateway.sdk import Acknowledges, Act, Called, CallRefusedError, Calls, Clock, Device, Occurrence, Signature
from gateway.stages.calling import CallCommand
from gateway.stages.writing import Reason, WriteError

_SLACK: Final = 5.0  # s beyond a method's own time, for what the device is asked before


@dataclass(frozen=True, slots=True)
class Order:
    """A command on its way to its device, as the device's adapter numbers that."""

    command: CallCommand
    via: str
    runner: Runner
    device: Device

    @property
    def word(self) -> str:
        """The method or condition, as the device knows it."""
        return self.command.name.partition(".")[2]

    async def signature(self, within: float) -> Signature:
        """What the method takes. Raises as `Runner.ask`."""
        adapter = self.runner.adapter
        if not isinstance(adapter, Calls):
            raise CallRefusedError(f"adapter {type(adapter).__name__} cannot call")
        return await self.runner.ask(adapter.signature(self.device, self.word), within, self.command.name)

    async def carry_out(self, within: float) -> Called:
        """Have it done, once. Raises as `Runner.ask`."""
        adapter, command = self.runner.adapter, self.command
        if command.what == "condition" and isinstance(adapter, Acknowledges):
            asked = adapter.acknowledge(self.device, self.word, Act(command.action), command.words)
            return await self.runner.ask(asked, within, command.name)
        if command.what == "method" and isinstance(adapter, Calls):
            longest = self.device.config.calls()[self.word].within + _SLACK
            asked = adapter.call(self.device, self.word, command.arguments)
            return await self.runner.ask(asked, longest, command.name)
        raise CallRefusedError(f"adapter {type(adapter).__name__} cannot do it")


class Permits:
    """Of one gateway. `plant` knows the devices that run."""

    def __init__(self, plant: Plant, clock: Clock) -> None:
        self._plant, self._clock = plant, clock

    def standing(self) -> dict[str, Occurrence]:
        """The conditions that stand in all devices, by `device.id`. From any thread."""
        adapters = {id(runner): runner.adapter for runner, _ in list(self._plant.made.values())}
        told = [one.standing() for one in adapters.values() if isinstance(one, Acknowledges)]
        return {name: occurrence for standing in told for name, occurrence in standing.items()}

    def device(self, command: CallCommand) -> str:
        """The name of its device; NOBODY where there is none: a topic is made of it."""
        name = command.name.partition(".")[0]
        return name if name in self._plant.made else NOBODY

    def judge(self, command: CallCommand, via: str) -> Order:
        """The way to what is asked for, if it may be done now. Raises WriteError."""
        name = command.name.partition(".")[0]
        if name not in self._plant.made:
            raise WriteError(Reason.UNKNOWN, f"there is no device '{name}'")
        order = Order(command, via, *self._plant.made[name])
        self._check_right(order)
        late = self._clock.wall_ns() - command.expires
        if command.expires and late >= 0:
            raise WriteError(Reason.EXPIRED, f"{command.name} has waited for {late / 1e9:.1f} s too long")
        if not order.runner.there(order.device.id):
            raise WriteError(Reason.DEVICE_AWAY, f"{command.name} cannot be reached: its device does not answer")
        return order

    def _check_right(self, order: Order) -> None:
        command, config = order.command, order.device.config
        if command.what == "method":
            method = config.calls().get(order.word)
            if method is None:
                text = f"{command.name} may not be called; `methods` of {order.device.name} names what may"
                raise WriteError(Reason.UNKNOWN, text)
            self._check_way(order, method.allow, f"methods.{order.word}.allow")
            return
        self._check_way(order, config.acknowledgers(), "acknowledge")
        if command.name not in self.standing():
            raise WriteError(Reason.UNKNOWN, f"no condition {command.name} stands; `fieldgate conditions` lists them")

    def _check_way(self, order: Order, allowed: Collection[str], option: str) -> None:
        if order.via not in allowed:
            who = " and ".join(allowed) or "nobody"
            raise WriteError(Reason.NO_RIGHT, f"{order.command.name} is for {who} ({option} of {order.device.name})")

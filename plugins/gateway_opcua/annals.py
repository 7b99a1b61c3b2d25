"""What outlives a session of events: where they are listened to, what stands, and what is held back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from gateway.sdk import CallRefusedError, Device, Occurrence
from gateway_opcua.conditions import Conditions
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.event import Event
from gateway_opcua.posts import posts
from gateway_opcua.thinning import Thinning


@dataclass(slots=True)
class Heard:
    """What is known of the events of one device."""

    device: Device
    conditions: Conditions
    thinning: Thinning


class Annals:
    """Of one adapter.

    Attributes:
        posts: where events are listened to.
        heard: what was heard, by device.
        told_of_refusal: it was told that the server does not say what stands.
    """

    def __init__(self, devices: Sequence[Device], now: float) -> None:
        self.posts = posts(devices)
        rates = {post.device.id: cast("OpcuaDevice", post.device.config).event_rate for post in self.posts}
        self.heard = {
            device.id: Heard(device, Conditions(), Thinning(rates[device.id], now))
            for device in devices
            if device.id in rates
        }
        self.told_of_refusal = False

    def standing(self) -> Mapping[str, Occurrence]:
        """As `gateway.sdk.Acknowledges`."""
        return {
            f"{heard.device.name}.{name}": event.occurrence(heard.device.name, 0)
            for heard in self.heard.values()
            for name, event in list(heard.conditions.standing.items())
        }

    def last(self, device: Device, condition: str) -> Event:
        """The last event of a condition that stands. Raises CallRefusedError where there is none."""
        found = self.heard[device.id].conditions.standing.get(condition) if device.id in self.heard else None
        if found is None:
            raise CallRefusedError(f"no condition {condition} stands; `fieldgate conditions` lists those that do")
        return found

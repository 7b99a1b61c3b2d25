"""Calling what a device can do, for adapters whose devices have methods: a capability of its own, as writing is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from gateway.sdk.errors import FieldgateError
from gateway.sdk.tags import Device
from gateway.sdk.write import Value

Given = Value | list[Value]


class CallRefusedError(FieldgateError):
    """The device will not do it, or the arguments are not its own. The message says why; nothing was changed."""


class CallFailedError(FieldgateError):
    """The device tried and says that it failed. What it did before is not known; the message has its own code."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a method: `kind` is its type in the device's own word, with [] where it is an array."""

    name: str
    kind: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a method takes and gives, in their order."""

    takes: Sequence[Argument] = ()
    gives: Sequence[Argument] = ()

    def __str__(self) -> str:
        """`(speed: Double) → (batch: String)`."""
        takes, gives = (", ".join(f"{one.name}: {one.kind}" for one in part) for part in (self.takes, self.gives))
        return f"({takes})" + (f" → ({gives})" if gives else "")


@dataclass(frozen=True, slots=True)
class Called:
    """What a call came to.

    Attributes:
        status: in the device's own word: Good.
        output: what it gave, by the argument's name.
    """

    status: str
    output: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Calls(Protocol):
    """An adapter whose devices have methods. `DeviceConfig.calls` names those that may be called."""

    async def signature(self, device: Device, method: str) -> Signature:
        """Ask a connected device what a method takes. Raises CallRefusedError, DisconnectedError."""

    async def call(self, device: Device, method: str, arguments: Mapping[str, Given]) -> Called:
        """Call a method of a connected device, once and never again; readings go on beside it.

        Args:
            device: whose.
            method: as the configuration names it.
            arguments: by name, as a person gives them.

        Raises:
            CallRefusedError: nothing was done.
            CallFailedError: it was tried, and failed.
            DisconnectedError, TimeoutError: no answer; whether it was done is not known.
        """

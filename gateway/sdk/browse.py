"""Browsing, for adapters whose devices can say what they have: a capability of its own, by reads only."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from gateway.sdk.config import DeviceConfig
from gateway.sdk.tags import Device

MOST_NODES: Final = 100_000
DEEPEST: Final = 20


@dataclass(frozen=True, slots=True)
class Visit:
    """A device that no configuration names yet.

    Attributes:
        name: what it is to be called.
        url: where it is.
        options: further options of its table, as a person writes them; `password` is the password itself.
    """

    name: str
    url: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Look:
    """How far to look.

    Attributes:
        start: where to begin, in the adapter's notation; "" for its usual place.
        depth: levels below the start.
        nodes: most nodes that are told.
        everything: also what an operator seldom wants, such as the device's own diagnostics.
        by_path: tags are to be named by the way to them, where the protocol can.
    """

    start: str = ""
    depth: int = DEEPEST
    nodes: int = MOST_NODES
    everything: bool = False
    by_path: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a device has.

    Attributes:
        path: its names from the start down, as people read them.
        address: how a tag's configuration names it.
        kind: object, variable, method or the like, in the protocol's words.
        type: of its value, in the protocol's words; "" where it has none.
        value: what it holds now; None where it holds nothing or does not say.
        status: OPC UA StatusCode of `value`.
        unit: engineering unit, "" where none is known.
        range: engineering range, where one is known.
        remark: what else is to be known of it.
        tag: what a device file says of it as a tag; None where it cannot be one.
    """

    path: tuple[str, ...]
    address: str
    kind: str
    type: str = ""
    value: Any = None
    status: int = 0
    unit: str = ""
    range: tuple[float, float] | None = None
    remark: str = ""
    tag: Mapping[str, Any] | None = None


@runtime_checkable
class Browses(Protocol):
    """An adapter whose devices can say what they have."""

    @classmethod
    def visit(cls, wanted: Visit, /) -> DeviceConfig:
        """The table of a device that no configuration names yet. Raises ConfigError for what it cannot be."""

    def heading(self, device: Device) -> Mapping[str, str]:
        """What the file of `device` says above its tags; never a password."""

    def browse(self, device: Device, look: Look) -> AsyncGenerator[Sequence[Found], None]:
        """Look at `device` over a connection of its own: everything in the order of its tree, part by part.

        Memory is bounded by `look.nodes`. Raises DisconnectedError.
        """

"""What a device says of its tags beside their values, for adapters whose protocol knows: a capability of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Described:
    """What a device says of one tag. It is shown to people and to consumers, and changes no value.

    Attributes:
        unit: engineering unit of the value as the device gives it, before scale and offset; "" where it says none.
        range: engineering range, where one is known.
        texts: what single values mean, as of an enumeration.
    """

    unit: str = ""
    range: tuple[float, float] | None = None
    texts: Mapping[int, str] = field(default_factory=dict)


@runtime_checkable
class Describes(Protocol):
    """An adapter whose devices say what their values mean."""

    def described(self) -> Mapping[str, Described]:
        """What is known by now, by `device.tag`; tags of which nothing is said are left out.

        Asked often, and from any thread: give what you keep, as it is. It grows meanwhile, and is looked up by name
        and length only; what has been said of a tag does not change.
        """

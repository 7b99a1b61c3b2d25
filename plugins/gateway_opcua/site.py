"""What the parts of one adapter share."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.sdk import Host
from gateway_opcua.places import Where
from gateway_opcua.suspects import Suspects


@dataclass(frozen=True, slots=True)
class Site:
    """The adapter's surroundings and what outlives its sessions.

    Attributes:
        host: clock, folder and log.
        counters: the adapter's own.
        nodes: what names the node of each row.
        suspects: the nodes that the server refuses.
    """

    host: Host
    counters: Counter[str]
    nodes: Mapping[int, Where]
    suspects: Suspects

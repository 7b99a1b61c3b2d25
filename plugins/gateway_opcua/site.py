"""What the parts of one adapter share."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.sdk import Host
from gateway.sdk.described import Described
from gateway_opcua.doubt import Doubt
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
        doubt: what becomes of uncertain values.
        unfiltered: tags, as `device.tag`, of which it was told that the server does not filter them as asked.
        described: what the server says of the tags, by `device.tag`, as far as it was asked.
    """

    host: Host
    counters: Counter[str]
    nodes: Mapping[int, Where]
    suspects: Suspects
    doubt: Doubt
    unfiltered: set[str] = field(default_factory=set)
    described: dict[str, Described] = field(default_factory=dict)

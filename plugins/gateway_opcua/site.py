"""What the parts of one adapter share."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.sdk import Batch, Host, Kind, Rows
from gateway.sdk.described import Described
from gateway_opcua.codec import BOTH_TIMES, SOURCE_TIMES
from gateway_opcua.columns import Columns
from gateway_opcua.doubt import Doubt
from gateway_opcua.places import Where
from gateway_opcua.structures import Structures
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
        timed: ids of the devices whose server time is wanted beside the source time.
        unfiltered: tags, as `device.tag`, of which it was told that the server does not filter them as asked.
        described: what the server says of the tags, by `device.tag`, as far as it was asked.
        told: of these, the ones of which it says anything.
    """

    host: Host
    counters: Counter[str]
    nodes: Mapping[int, Where]
    suspects: Suspects
    doubt: Doubt
    timed: frozenset[int] = frozenset()
    unfiltered: set[str] = field(default_factory=set)
    described: dict[str, Described] = field(default_factory=dict)
    told: dict[str, Described] = field(default_factory=dict)

    def times(self, devices: Iterable[int]) -> int:
        """Which times to ask for (TimestampsToReturn) where `devices` are read together."""
        return SOURCE_TIMES if self.timed.isdisjoint(devices) else BOTH_TIMES

    def batch(  # noqa: PLR0913 - what a batch is made of
        self,
        structures: Structures,
        device: int,
        rows: Rows,
        columns: Columns,
        received: int,
        *,
        group: int = -1,
        kind: Kind = Kind.DATA,
    ) -> Batch:
        """Columns, one entry for each of `rows`, as a batch."""
        self.doubt.settle(rows, columns)
        at = rows.start if isinstance(rows, slice) else 0
        other = {int(at + i if isinstance(rows, slice) else rows[i]): value for i, value in columns.other.items()}
        return Batch(
            device,
            group,
            rows,
            columns.value,
            columns.time(received),
            columns.status,
            received,
            structures.settle(other),
            kind,
            served=columns.served() if device in self.timed else None,
        )

"""The plant as a write sees it: which tags may be written, what is known of them now, and the way to their devices."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.ingest.image import Image
from gateway.ingest.runner import Runner
from gateway.sdk import Clock, Value, Written
from gateway.sdk.expression import Known
from gateway.sdk.quality import UNCERTAIN
from gateway.sdk.tags import Device, Tag, TagTable
from gateway.stages.envelope import Envelope, Facts, judge
from gateway.stages.writing import Reason, WriteCommand, WriteError


@dataclass(slots=True)
class Order:
    """A command on its way to its device: the envelope of its tag, the way that it came, and whether it was armed."""

    command: WriteCommand
    envelope: Envelope
    via: str
    armed: bool
    began: int  # Unix ns UTC: when it was due; of a rule, when its alarm had been active for long enough


@dataclass(frozen=True, slots=True)
class _Way:
    """The runner of a tag, with its device and itself as that runner's adapter numbers them."""

    runner: Runner | None
    device: Device
    tag: Tag


class Plant:
    """All tags that may be written. `doubt` gives why `clock` is not to be trusted now; empty: it is.

    Attributes:
        envelopes: by device.tag.
        made: by device, its runner and itself as that runner's adapter numbers it; not those that nothing reads.
    """

    def __init__(
        self, table: TagTable, image: Image, runners: Sequence[Runner], clock: Clock, doubt: Callable[[], str] = str
    ) -> None:
        self._clock, self._doubt = clock, doubt
        self.envelopes: dict[str, Envelope] = {}
        self._written: dict[str, float] = {}  # by device.tag, monotonic s
        self.go_on(table, image, runners)

    def go_on(self, table: TagTable, image: Image, runners: Sequence[Runner]) -> None:
        """From now on with the tags of another configuration."""
        self.table, self._image = table, image
        before, self.envelopes = self.envelopes, {}
        self._ways: dict[str, _Way] = {}
        self.made = {device.name: (runner, device) for runner in runners for device in runner.connection.devices}
        for device in table.devices:
            runner, known = self.made.get(device.name, (None, device))
            for tag, there in zip(device.tags, known.tags, strict=True):
                if tag.config.write is not None:
                    envelope = Envelope.of(table, tag.row, tag.config, tag.config.write)
                    old = before.get(envelope.name)
                    self.envelopes[envelope.name] = old if old and old.says(envelope) else envelope
                    self._ways[envelope.name] = _Way(runner, known, there)

    def knows(self, name: str) -> bool:
        """Whether there is a tag device.tag, writable or not."""
        try:
            self.table.row(name)
        except KeyError:
            return False
        return True

    def device(self, envelope: Envelope) -> str:
        """The name of its device."""
        return envelope.name.partition(".")[0]

    def judge(self, order: Order, *, again: bool = False) -> None:
        """Judge an order by what is known now. Raises WriteError.

        `again`: its record is written, so that rate and arming are not asked a second time.
        """
        envelope = order.envelope
        if self.envelopes.get(envelope.name) is not envelope:
            raise WriteError(Reason.CHANGED, f"{envelope.name}: another configuration has taken over; ask again")
        way = self._ways[envelope.name]
        facts = Facts(
            via=order.via,
            now=self._clock.wall_ns(),
            present=self.present(envelope.row),
            watched=[self.present(row) for row in envelope.watched],
            since=math.inf if again else self._clock.monotonic() - self._written.get(envelope.name, -math.inf),
            armed=order.armed,
            there=_there(way),
        )
        judge(envelope, order.command, facts)

    def there(self, name: str) -> bool:
        """Whether the device of device.tag answers."""
        return name in self.envelopes and _there(self._ways[name])

    def present(self, row: int) -> Known:
        """The value after scaling, None where it is not good or no number."""
        value = float(self._image.value[row])
        return None if int(self._image.status[row]) >= UNCERTAIN or math.isnan(value) else value

    def shown(self, envelope: Envelope) -> Value | None:
        """What a person is told that the tag is now; None where it is not good."""
        if self.envelopes.get(envelope.name) is not envelope or int(self._image.status[envelope.row]) >= UNCERTAIN:
            return None
        other: Any = self._image.other.get(envelope.row)
        return other if isinstance(other, str | int | float) else self.present(envelope.row)

    async def write(self, envelope: Envelope, raw: Value, within: float) -> Written:
        """Write, and read back. Raises WriteRefusedError, DisconnectedError, TimeoutError; see Runner.write."""
        way = self._ways[envelope.name]
        assert way.runner is not None  # noqa: S101 - judge has looked
        self._written[envelope.name] = self._clock.monotonic()
        return await way.runner.write(way.tag, raw, within)

    def remember(self, name: str, time: int) -> None:
        """A tag was written at `time` (Unix ns UTC), before the gateway was started.

        With a clock that was set back, or is not trusted, it counts as written now.
        """
        if envelope := self.envelopes.get(name):
            age = 0.0 if self._doubt() else max((self._clock.wall_ns() - time) / 1e9, 0.0)
            self._written[envelope.name] = self._clock.monotonic() - age


def _there(way: _Way) -> bool:
    return way.runner is not None and way.runner.there(way.device.id)

"""A device that says what its values mean, as far as tests need one."""

from collections.abc import Mapping
from pathlib import Path

from gateway.sdk import Adapter, Sink, TagTable
from gateway.sdk.described import Described
from gateway.sdk.tags import Connection
from gateway.sdk.testing import host
from gateway.stages.meaning import Meanings


class Saying(Adapter):
    """Says `said`, which may grow."""

    def __init__(self, connection: Connection, said: Mapping[str, Described]) -> None:
        super().__init__(connection, host(Path()))
        self.said = said

    async def connect(self) -> None: ...

    async def run(self, sink: Sink) -> None: ...

    async def close(self) -> None: ...

    def described(self) -> Mapping[str, Described]:
        """As `gateway.sdk.described.Describes`."""
        return self.said


def meanings(table: TagTable, said: Mapping[str, Described]) -> Meanings:
    """Of `table`, all of whose devices are on one connection that says `said`."""
    one = Meanings(table)
    one.said_by([Saying(Connection("line", table.devices), said)])
    return one

"""All runners of a gateway, one a connection; and which of them stay when another configuration takes over.

A connection stays when its devices are configured as they were. It is not closed, its polls are not moved, and its
adapter does not learn of the change; only its batches are renumbered.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.ingest.runner import Runner, Surroundings
from gateway.sdk.adapter import Adapter, Host
from gateway.sdk.batch import Sink
from gateway.sdk.tags import Connection, Device, TagTable, alike

AdapterOf = Callable[[str], type[Adapter]]
Make = Callable[[Adapter, Sink, Surroundings], Runner]
PART = "connection "  # first word of the names under which runners are supervised


@dataclass(frozen=True)
class Turnover:
    """What becomes of the connections: `all` that are to be, of which `come` are new, and those that `go`."""

    all: tuple[Runner, ...]
    come: tuple[Runner, ...]
    go: tuple[Runner, ...]


class Connections:
    """Makes runners.

    Args:
        adapter_of: gives an adapter by its name.
        sink: takes all batches.
        around: what runners share.
        state: folder of the state; each adapter has one of its own in it.
        make: makes a runner.
    """

    def __init__(
        self, adapter_of: AdapterOf, sink: Sink, around: Surroundings, state: Path, make: Make = Runner
    ) -> None:
        self._adapter_of, self._sink, self._around, self._state, self._make = adapter_of, sink, around, state, make

    def prepare(self, wanted: Sequence[Connection | Runner]) -> None:
        """Import the adapters of new connections, and make their folders. Reads and writes the disk."""
        for name in {one.devices[0].config.adapter for one in wanted if isinstance(one, Connection)}:
            self._adapter_of(name)
            self._home(name).mkdir(parents=True, exist_ok=True)

    def turnover(self, wanted: Sequence[Connection | Runner], present: Sequence[Runner] = ()) -> Turnover:
        """The runners for what was prepared; nothing is opened. Raises what an adapter's constructor raises."""
        runners = [(one if isinstance(one, Runner) else self._runner(one)) for one in wanted]
        come = tuple(runner for runner, one in zip(runners, wanted, strict=True) if runner is not one)
        return Turnover(tuple(runners), come, tuple(one for one in present if one not in runners))

    def _runner(self, connection: Connection) -> Runner:
        name = connection.devices[0].config.adapter
        log = self._around.log.bind(connection=connection.name)
        host = Host(self._around.clock, self._home(name), log, self._around.hear)
        adapter = self._adapter_of(name)(connection, host)
        return self._make(adapter, self._sink, self._around)

    def _home(self, adapter: str) -> Path:
        return self._state / "adapters" / adapter


def connections(table: TagTable, without: Collection[str]) -> list[tuple[str, Connection]]:
    """Adapters' names with connections of theirs: devices by what they are reached through.

    Phases spread their polls evenly over a period.
    """
    lines: dict[tuple[str, str], list[Device]] = {}
    for device in table.devices:
        if device.name not in without:
            lines.setdefault((device.config.adapter, device.config.connection()), []).append(device)
    return [
        (adapter, Connection(name, tuple(devices), number / len(lines)))
        for number, ((adapter, name), devices) in enumerate(lines.items())
    ]


def sort(wanted: Sequence[Connection], present: Sequence[Runner]) -> list[Connection | Runner]:
    """Each connection, or the runner of the present ones that serves it already."""
    staying = {_key(runner.connection): runner for runner in present}
    found: list[Connection | Runner] = []
    for connection in wanted:
        old = staying.get(_key(connection))
        found.append(old if old is not None and _same(old.connection, connection) else connection)
    return found


def part(runner: Runner) -> str:
    """The name under which `runner` is supervised."""
    return PART + runner.connection.name


def _key(connection: Connection) -> tuple[str, str]:
    return connection.devices[0].config.adapter, connection.name


def _same(old: Connection, new: Connection) -> bool:
    pairs = zip(old.devices, new.devices, strict=False)
    return len(old.devices) == len(new.devices) and all(alike(was.config, now.config) for was, now in pairs)

"""Reads scan groups in large calls: one batch per group and scan, whatever single nodes say."""

from typing import Final

from gateway.sdk import Batch, DisconnectedError, Group, quality
from gateway_opcua import status
from gateway_opcua.codec import ReadPlan, ServiceFaultError
from gateway_opcua.columns import Columns
from gateway_opcua.nodeid import NULL
from gateway_opcua.session import Session
from gateway_opcua.site import Site
from gateway_opcua.wire import CodecError

_MAX_FAILURES: Final = 3  # calls in a row that gave nothing: then the session is no good
_LOOK_UP: Final = 30.0  # s between two looks for a namespace that the server lacks


class Reader:
    """Reads the groups of one session; its plans last as long as the session."""

    def __init__(self, session: Session, site: Site) -> None:
        self._session, self._nodes, self._host = session, site.nodes, site.host
        self._counters, self._suspects = site.counters, site.suspects
        self._plans: dict[int, list[ReadPlan]] = {}
        self._unresolved: set[int] = set()  # groups with a namespace that the server does not have
        self._look_up_at = site.host.clock.monotonic() + _LOOK_UP
        self._failures = 0

    async def read(self, group: Group) -> Batch:
        """One scan: bad as a whole when the call fails, and DisconnectedError when it fails again and again."""
        try:
            columns = await self.fetch(group)
        except TimeoutError:
            return self._failed(group, quality.BAD_TIMEOUT, "read_timeouts_total")
        except ServiceFaultError as fault:
            return self._failed(group, fault.code, "service_faults_total")
        except CodecError:
            return self._failed(group, quality.BAD_DECODING_ERROR, "decode_errors_total")
        self._failures = 0
        return self.batch(group, columns)

    async def fetch(self, group: Group) -> Columns:
        """The columns of one scan. Raises as `Session.read`."""
        await self._look_up(group)
        while True:
            plans = self._plans.get(group.id) or self._plan(group)
            walks = sum(plan.walks for plan in plans)
            try:
                columns = Columns.join([await self._session.read(plan) for plan in plans])
            except ServiceFaultError as fault:
                if not self._ask_for_less(fault.code):
                    raise
            else:
                self._counters["layouts_learnt_total"] += sum(plan.walks for plan in plans) - walks
                return columns

    def _ask_for_less(self, code: int) -> bool:
        """Halve the calls when the server refuses them for their size; not every server tells its limit beforehand."""
        session = self._session
        if code not in status.ASK_FOR_LESS or session.nodes_per_read == 1:
            return False
        session.nodes_per_read //= 2
        self._plans.clear()
        return True

    def batch(self, group: Group, columns: Columns) -> Batch:
        """The columns of a scan as a batch received now."""
        received = self._host.clock.wall_ns()
        self._suspects.look_at(group.rows, columns.status)
        first = group.rows.start
        other = {first + i: value for i, value in columns.other.items()}
        time = columns.time(received)
        return Batch(group.device, group.id, group.rows, columns.value, time, columns.status, received, other)

    def _plan(self, group: Group) -> list[ReadPlan]:
        binary = [self._nodes[tag.row].resolve(self._session.namespaces) for tag in group.tags]
        if None in binary:
            self._unresolved.add(group.id)
        step = self._session.nodes_per_read
        nodes = [node or NULL for node in binary]
        plans = self._plans[group.id] = [ReadPlan(nodes[i : i + step]) for i in range(0, len(nodes), step)]
        return plans

    async def _look_up(self, group: Group) -> None:
        """A server may load a namespace minutes after its start: look for it now and then."""
        now = self._host.clock.monotonic()
        if group.id in self._unresolved and now >= self._look_up_at:
            self._look_up_at = now + _LOOK_UP
            await self._session.look_up_namespaces()
            for unresolved in self._unresolved:
                self._plans.pop(unresolved, None)
            self._unresolved.clear()

    def _failed(self, group: Group, code: int, counter: str) -> Batch:
        self._counters[counter] += 1
        self._failures += 1
        if self._failures >= _MAX_FAILURES:
            raise DisconnectedError(
                f"{self._session.url}: {_MAX_FAILURES} reads in a row failed ({quality.name(code)})"
            )
        return Batch.failed(group, code, self._host.clock.wall_ns())
